# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of nbdctl share: a work directory, real servers, the real
daemon, and nbdctl itself.

Servers and daemon are started by socket activation: the test makes the
listening socket and hands it over, so that a client may connect at once and
nobody waits for a file to appear. The socket goes with its server: after a
kill, connecting is refused.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

NBDCTL = os.environ["NBDCTL"]
NBD_CLIENTD = os.environ["NBD_CLIENTD"]
NOBODY = 65534
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
TIMEOUT = 60

# Exit codes, as nbdctl --help lists them.
OK, GENERAL, NO, USAGE, UNKNOWN_VOLUME, NO_DAEMON, PERMISSION, TIMED_OUT, \
    UNREACHABLE, NBD, TLS, DATA_LOSS, IDENTITY, BUSY, CANCELLED, PARTIAL, \
    NOT_SUPPORTED = range(17)


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Result:
    def __init__(self, command, process):
        self.command = command
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr.decode(errors="replace")

    @property
    def text(self):
        return self.out.decode()

    def json(self):
        return json.loads(self.out)

    def error(self):
        """The error that -o json printed on standard error."""
        for line in self.err.splitlines():
            if line.startswith('{"error":'):
                return json.loads(line)["error"]
        raise AssertionError(f"no JSON error in: {self.err}")

    def __str__(self):
        return (f"{' '.join(self.command)}\nexit code {self.code}\n"
                f"{self.out[:500]!r}\n{self.err[-2000:]}")


class Server:
    """A process that listens on a unix socket that it was handed."""

    def __init__(self, directory, name, command, fd_name=None):
        self.path = os.path.join(directory, name + ".sock")
        self.log = os.path.join(directory, name + ".err")
        self.name = name
        self.command = command
        self.fd_name = fd_name
        self.start()

    def start(self):
        """For the first time, or again at the same path."""
        with socket.socket(socket.AF_UNIX) as listener:
            if os.path.exists(self.path):
                os.unlink(self.path)
            listener.bind(self.path)
            listener.listen(64)
            self.start_on(listener)

    def start_on(self, listener):
        # LISTEN_PID is only known in the child; 3 is where the socket has to
        # be.
        script = ("export LISTEN_PID=$$; exec " +
                  f"3<&{listener.fileno()}; exec \"$@\"")
        environment = dict(os.environ, LISTEN_FDS="1")
        if self.fd_name:
            environment["LISTEN_FDNAMES"] = self.fd_name
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", script, self.name] + self.command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment, pass_fds=[listener.fileno()],
                preexec_fn=die_with_parent)

    @property
    def uri(self):
        return f"nbd+unix:///?socket={self.path}"

    def export(self, name):
        return f"nbd+unix:///{name}?socket={self.path}"

    def messages(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Lets it end by itself: its statistics are written then."""
        self.process.terminate()
        return self.process.wait(TIMEOUT)


class Case(unittest.TestCase):
    """A test with a directory and servers of its own."""

    # --direct, or [] for the daemon.
    options = []

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="nbdctl-")
        self.servers = []
        self.daemon = None
        self.environment = dict(
            os.environ, LC_ALL="C.UTF-8",
            NBDCTL_ADDRESS=os.path.join(self.directory, "no-daemon.sock"))
        self.environment.pop("NO_COLOR", None)

    def tearDown(self):
        for server in self.servers:
            if server.process.poll() is None:
                server.kill()
        shutil.rmtree(self.directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_file(self, name, data):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def read_file(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def serve(self, name, *command, fd_name=None):
        server = Server(self.directory, name, list(command), fd_name)
        self.servers.append(server)
        return server

    def nbdkit(self, name, *arguments):
        return self.serve(name, "nbdkit", "-f", *arguments)

    def qemu_nbd(self, name, *arguments):
        return self.serve(name, "qemu-nbd", "-t", "--shared=0",
                          "--discard=unmap", *arguments)

    def start_daemon(self, volumes=None, settings=""):
        """The daemon with VOLUMES {name: URI or lines of its file}."""
        self.write_file("etc/nbd-clientd.conf",
                        f"[Daemon]\n{settings}\n".encode())
        for name, lines in (volumes or {}).items():
            if lines.startswith("nbd"):
                lines = f"Uri={lines}"
            self.write_file(f"etc/volumes.d/{name}.conf",
                            f"[Volume]\n{lines}\n".encode())
        self.daemon = self.serve(
            "daemon", NBD_CLIENTD, "--config",
            self.path("etc/nbd-clientd.conf"), fd_name="grpc")
        self.environment["NBDCTL_ADDRESS"] = self.daemon.path

    def start_demo(self):
        """The daemon as in a first try. It says when it is ready."""
        ready = self.path("ready.sock")
        listen = self.path("demo.sock")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(ready)
            notify.settimeout(TIMEOUT)
            process = subprocess.Popen(
                [NBD_CLIENTD, "--demo", "--listen", listen],
                env=dict(self.environment, NOTIFY_SOCKET=ready),
                stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                preexec_fn=die_with_parent)
            self.addCleanup(self.reap, process)
            while b"READY=1" not in notify.recv(4096):
                pass
        self.environment["NBDCTL_ADDRESS"] = listen
        return process

    def command(self, *arguments):
        return [NBDCTL] + self.options + list(arguments)

    @contextlib.contextmanager
    def as_nobody(self):
        """Here nbdctl runs as somebody without rights. The daemon's folder and
        socket are for everyone: what is refused, it refuses."""
        os.chmod(self.directory, 0o755)
        os.chmod(self.daemon.path, 0o777)
        # So may the build be, but its folder need not: /root, for one.
        shutil.copy(os.path.join(os.path.dirname(NBDCTL), "..", "client-lib",
                                 "libnbd.so.0"), self.directory)
        self.environment["LD_LIBRARY_PATH"] = self.directory
        self.options = []
        command = self.command
        self.command = lambda *words: [
            "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
            "--clear-groups", "--"] + command(*words)
        try:
            yield
        finally:
            self.command = command

    def nbdctl(self, *arguments, input=b"", code=OK):
        """Runs nbdctl and expects this exit code."""
        command = self.command(*arguments)
        process = subprocess.run(command, input=input, capture_output=True,
                                 env=self.environment, timeout=TIMEOUT,
                                 check=False)
        result = Result(command, process)
        if result.code != code:
            self.fail(f"expected exit code {code}: {result}\n" +
                      (self.daemon.messages() if self.daemon else ""))
        return result

    def start_nbdctl(self, *arguments, **keywords):
        process = subprocess.Popen(self.command(*arguments),
                                   env=self.environment,
                                   preexec_fn=die_with_parent, **keywords)
        self.addCleanup(self.reap, process)
        return process

    def reap(self, process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


def main():
    unittest.main(verbosity=2, argv=[sys.argv[0]] + sys.argv[1:])
