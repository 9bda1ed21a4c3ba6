# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon and NBD servers for one test file, in a directory of their own, and
the ways to talk to them. Everything started here ends with the test."""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import grpc

import stubs as stub_generator

# For whatever takes no time to speak of on an idle machine.
PATIENCE = 60

# Where this file's build is: the program, and the folder with the .proto files.
DAEMON, PROTO_ROOT = sys.argv[1:3]


class Workdir:
    """A directory that goes when the process ends."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="grpcio-")

    def file(self, *names):
        path = os.path.join(self.path, *names)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class NbdkitServer:
    """nbdkit on a unix socket that listens before nbdkit runs."""

    def __init__(self, path, *arguments):
        self.path = path
        self.arguments = arguments
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.process = None
        self.start()

    @property
    def uri(self):
        return f"nbd+unix:///?socket={self.path}"

    def start(self):
        fd = self.listener.fileno()
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ '
             'exec nbdkit --foreground --exit-with-parent "$@"',
             "nbdkit", *self.arguments],
            pass_fds=[fd], stdout=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.kill()
        self.listener.close()


class Daemon:
    """nbd-clientd with a configuration of the test's own. VOLUMES: name to the
    lines of its section; SETTINGS: lines of the daemon's."""

    def __init__(self, workdir, volumes, settings=()):
        self.socket_path = workdir.file("nbd-clientd.sock")
        self.log_path = workdir.file("daemon.log")
        self.is_draining = False
        config = workdir.file("nbd-clientd.conf")
        with open(config, "w", encoding="utf-8") as out:
            out.write("[Daemon]\n" f"Listen={self.socket_path}\n")
            out.writelines(line + "\n" for line in settings)
        for name, lines in volumes.items():
            path = workdir.file("volumes.d", name + ".conf")
            with open(path, "w", encoding="utf-8") as out:
                out.write("[Volume]\n")
                out.writelines(line + "\n" for line in lines)
        self._start(workdir, config)

    def _start(self, workdir, config):
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(workdir.file("notify"))
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [DAEMON, f"--config={config}"], stderr=log,
                env=dict(os.environ, NOTIFY_SOCKET=workdir.file("notify")))
        with contextlib.closing(notify):
            self._wait_until_ready(notify)

    def _wait_until_ready(self, notify):
        exited = os.pidfd_open(self.process.pid)
        try:
            while True:
                ready, _, _ = select.select([notify, exited], [], [], PATIENCE)
                if notify not in ready:
                    self.process.kill()
                    self.process.wait()
                    raise AssertionError(
                        "the daemon does not say READY=1; its log:\n"
                        + self.log())
                if b"READY=1" in notify.recv(4096):
                    return
        finally:
            os.close(exited)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read()

    def _memory(self, field):
        with open(f"/proc/{self.process.pid}/status",
                  encoding="ascii") as status:
            for line in status:
                if line.startswith(field):
                    return int(line.split()[1]) * 1024
        raise AssertionError("no " + field)

    def memory(self):
        """What it holds, in bytes."""
        return self._memory("VmRSS:")

    def peak(self):
        """The most that it held since it began, or since forget_peak()."""
        return self._memory("VmHWM:")

    def forget_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w",
                  encoding="ascii") as clear:
            clear.write("5")

    def has_sanitizer(self):
        """Sanitizers keep what is freed for a while, and put something around
        all that is not."""
        with open(f"/proc/{self.process.pid}/maps", encoding="utf-8") as maps:
            loaded = maps.read()
        return "libasan" in loaded or "libtsan" in loaded

    def channel(self, *options):
        """A connection that no other channel shares."""
        return grpc.insecure_channel(
            "unix:" + self.socket_path,
            options=[("grpc.use_local_subchannel_pool", 1), *options])

    def drain(self):
        """SIGTERM, once: a second one would make it leave at once."""
        if not self.is_draining:
            self.process.terminate()
        self.is_draining = True

    def stop(self):
        """Drains; the exit status. A second call tells the same."""
        self.drain()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError("the daemon does not end; its log:\n"
                                 + self.log()) from None


class DaemonTest(unittest.TestCase):
    """A daemon that the tests of one class share. A class says what it serves
    in servers(), and adds settings."""

    settings = ()

    @classmethod
    def servers(cls):
        """Volume name to arguments of nbdkit."""
        return {"disk": ["memory", "64M"]}

    @classmethod
    def setUpClass(cls):
        cls.workdir = Workdir()
        cls.addClassCleanup(cls.workdir.remove)
        cls.stubs = STUBS
        cls.nbd = {}
        for name, arguments in cls.servers().items():
            server = NbdkitServer(cls.workdir.file(name + ".nbd"), *arguments)
            cls.addClassCleanup(server.stop)
            cls.nbd[name] = server
        cls.daemon = Daemon(
            cls.workdir,
            {name: ["Uri=" + server.uri] for name, server in cls.nbd.items()},
            cls.settings)
        cls.addClassCleanup(cls._stop)
        cls.connection = cls.daemon.channel()
        cls.addClassCleanup(cls.connection.close)
        cls.io = STUBS.io_grpc.IOStub(cls.connection)
        cls.volumes = STUBS.volumes_grpc.VolumesStub(cls.connection)
        cls.admin = STUBS.admin_grpc.AdminStub(cls.connection)

    @classmethod
    def _stop(cls):
        status = cls.daemon.stop()
        if status != 0 or "ERROR: " in cls.daemon.log():
            raise AssertionError(f"the daemon ends with {status}; its log:\n"
                                 + cls.daemon.log())

    def assert_fails(self, code, call, *arguments, **keywords):
        """CALL fails with CODE; its error. Streams are read to their end."""
        keywords.setdefault("timeout", PATIENCE)
        with self.assertRaises(grpc.RpcError) as caught:
            result = call(*arguments, **keywords)
            if hasattr(result, "__next__"):
                for _ in result:
                    pass
        self.assertEqual(caught.exception.code(), code,
                         caught.exception.details())
        return caught.exception

    def detail_of(self, error):
        """The ErrorDetail that travels in grpc-status-details-bin."""
        metadata = dict(error.trailing_metadata())
        status = STUBS.status.Status.FromString(
            metadata["grpc-status-details-bin"])
        self.assertEqual(status.code, error.code().value[0])
        self.assertEqual(status.message, error.details())
        detail = STUBS.common.ErrorDetail()
        self.assertTrue(status.details[0].Unpack(detail))
        return detail

    def read(self, volume, offset, length, stub=None):
        request = STUBS.io.ReadRequest(volume=volume, offset=offset,
                                       length=length)
        return (stub or self.io).Read(request, timeout=PATIENCE).data

    def assert_serves(self, volume="disk"):
        """The daemon still does its work, for old clients and new ones."""
        self.assertEqual(len(self.read(volume, 0, 4096)), 4096)
        with self.daemon.channel() as channel:
            stub = STUBS.io_grpc.IOStub(channel)
            self.assertEqual(len(self.read(volume, 0, 4096, stub)), 4096)

    def wait_until(self, what, condition):
        """For what no event tells us of: other processes' state."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                self.fail("still not: " + what)
            time.sleep(0.02)


_STUB_DIRECTORY = Workdir()
STUBS = stub_generator.generate(PROTO_ROOT, _STUB_DIRECTORY.path)


def main():
    try:
        unittest.main(module="__main__", argv=[sys.argv[0], *sys.argv[3:]],
                      verbosity=2)
    finally:
        _STUB_DIRECTORY.remove()
