# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real NBD servers that are killed, stopped and started again at the same
place."""

import os
import shutil
import signal
import socket
import subprocess
import time

PATIENCE = 30


def require(*programs):
    """The soak is worth nothing without them all."""
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        raise SystemExit("not installed: " + " ".join(missing))


class Activated:
    """A server for socket activation: its socket is ours, and gone while the
    server is dead."""

    def __init__(self, name, directory, arguments):
        self.name = name
        self.path = os.path.join(directory, name + ".sock")
        self.arguments = arguments
        self.log = open(os.path.join(directory, name + ".log"), "ab")
        self.process = None

    def start(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(64)
            fd = listener.fileno()
            self.process = subprocess.Popen(
                ["sh", "-c", f'exec 3<&{fd}; LISTEN_FDS=1 LISTEN_PID=$$ '
                 'exec "$@"', "sh", *self.arguments], pass_fds=[fd],
                stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()
        os.unlink(self.path)

    def stand_still(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)


class NbdServer:
    """The reference server. It leaves its parent, and has a child for each
    connection; all of them are one process group."""

    def __init__(self, name, directory, image):
        self.name = name
        self.path = os.path.join(directory, name + ".sock")
        self.pid_file = os.path.join(directory, name + ".pid")
        self.config = os.path.join(directory, name + ".conf")
        self.log = open(os.path.join(directory, name + ".log"), "ab")
        with open(self.config, "w", encoding="utf-8") as out:
            out.write("[generic]\n" f"unixsock = {self.path}\n"
                      "allowlist = true\n"
                      "[disk]\n" f"exportname = {image}\n"
                      "flush = true\nfua = true\ntrim = true\n")
        self.group = 0

    def start(self):
        for path in (self.path, self.pid_file):
            if os.path.exists(path):
                os.unlink(path)
        subprocess.run(["nbd-server", "-C", self.config, "-p", self.pid_file],
                       check=True, stdin=subprocess.DEVNULL, stdout=self.log,
                       stderr=self.log)
        deadline = time.monotonic() + PATIENCE
        while not self.group:
            self.group = self._read_pid()
            if time.monotonic() > deadline:
                raise SystemExit("nbd-server does not start")
            time.sleep(0.01)

    def _read_pid(self):
        try:
            with open(self.pid_file, encoding="utf-8") as text:
                pid = int(text.read() or 0)
            return os.getpgid(pid) if pid else 0
        except (OSError, ValueError):
            return 0

    def kill(self):
        os.killpg(self.group, signal.SIGKILL)
        self.group = 0

    def stand_still(self):
        os.killpg(self.group, signal.SIGSTOP)

    def go_on(self):
        os.killpg(self.group, signal.SIGCONT)


class Disk:
    """A volume and its servers. CONFIGURE makes the lines of its section."""

    def __init__(self, name, servers, uris, *lines):
        self.name = name
        self.servers = servers
        self.lines = [f"Uri={uri}" for uri in uris] + list(lines)


def make_disks(directory, size):
    """Four volumes: a server that loses what is not flushed when it is killed,
    two that share one disk, the reference server, and one that wants TLS and
    whole blocks and loses what is not flushed as well."""
    images = {}
    for name in ("nbdkit", "qemu", "reference", "tls"):
        images[name] = os.path.join(directory, name + ".img")
        with open(images[name], "wb") as image:
            image.truncate(size)
    keys = os.path.join(directory, "keys.psk")
    with open(keys, "w", encoding="utf-8") as out:
        out.write("soak:" + os.urandom(32).hex() + "\n")
    shared = ("driver=raw,file.driver=file,file.locking=off,file.filename="
              + images["qemu"])
    cached = Activated("nbdkit", directory, [
        "nbdkit", "--foreground", "--filter=cache", "file", images["nbdkit"]])
    pair = [Activated(f"qemu-{number}", directory, [
        "qemu-nbd", "--persistent", "--shared=0", "--image-opts", shared])
            for number in (1, 2)]
    reference = NbdServer("reference", directory, images["reference"])
    tls = Activated("tls", directory, [
        "nbdkit", "--foreground", "--tls=require", f"--tls-psk={keys}",
        "--filter=blocksize-policy", "--filter=cache", "file", images["tls"],
        "blocksize-minimum=4096", "blocksize-preferred=4096",
        "blocksize-maximum=1M", "blocksize-error-policy=error"])
    unix = "nbd+unix:///{}?socket={}"
    return [
        Disk("nbdkit", [cached], [unix.format("", cached.path)]),
        Disk("qemu", pair, [unix.format("", s.path) for s in pair],
             "SharedStorage=yes", "ReturnInterval=2s"),
        Disk("reference", [reference], [unix.format("disk", reference.path)],
             "UnflushedLimit=4M"),
        Disk("tls", [tls], [f"nbds+unix://soak@/?socket={tls.path}"],
             f"TlsPskFile={keys}", "UnflushedLimit=4M"),
    ]
