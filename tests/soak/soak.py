# SPDX-License-Identifier: LGPL-2.1-or-later
"""Half an hour of work under faults: eight clients write and verify on four
volumes while servers are killed, stopped and restarted, the configuration is
reloaded and the daemon itself is restarted and killed. Ends with a table, and
fails if a byte was wrong, a request failed, or memory or descriptors grew.

soak.py NBD-CLIENTD NBDCTL SOAK-CLIENT; SOAK_MINUTES, 30 by default, may be a
fraction; README.md tells what else can be set."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import servers

MIB = 1 << 20
SIZE = 32 * MIB
# No multiple of any block, so that two clients meet in one.
PART = 12 * MIB + 1000
# Requests of one client in a second.
RATE = int(os.environ.get("SOAK_RATE", "150"))
PATIENCE = 180
# The daemon is left alone, for a look at its memory over a long time.
IN_ONE_LIFE = "SOAK_ONE_LIFE" in os.environ
# What a life of the daemon may gain between its first look and its last: what
# the journals may hold, and change.
RSS_ALLOWANCE = 64
FD_ALLOWANCE = 24


class Client:
    """soak-client, and what it said last."""

    def __init__(self, program, address, volume, number):
        how = "channel" if number % 4 else "calls"
        start = (number % 2) * PART
        self.name = f"{volume}/{number % 2}"
        self.counts = [0] * 5
        self.flushed = threading.Event()
        self.process = subprocess.Popen(
            [program, address, volume, str(start), str(PART), str(number + 1),
             str(RATE), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            word, *numbers = line.split()
            self.counts = [int(number) for number in numbers]
            if word == "flushed":
                self.flushed.set()

    def finish(self):
        self.process.terminate()

    def verify(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()


class Daemon:
    """nbd-clientd, its configuration and its lives."""

    def __init__(self, program, nbdctl, directory, disks):
        self.program = program
        self.nbdctl = nbdctl
        self.directory = directory
        self.address = os.path.join(directory, "daemon.sock")
        self.config = os.path.join(directory, "nbd-clientd.conf")
        self.log = open(os.path.join(directory, "daemon.log"), "ab")
        self.process = None
        os.mkdir(os.path.join(directory, "volumes.d"))
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(f"[Daemon]\nListen={self.address}\nDrainTimeout=60s\n"
                      "RequestTimeout=60s\nConnectTimeout=5s\n"
                      "SlowRequest=8s\n")
        for disk in disks:
            self.put_volume(disk.name, disk.lines)

    def note(self, what):
        """Among what the daemon says."""
        at = time.monotonic()
        self.log.write(f"soak: {at:.1f} {what}\n".encode())
        self.log.flush()

    def put_volume(self, name, lines):
        path = os.path.join(self.directory, "volumes.d", name + ".conf")
        with open(path + ".new", "w", encoding="utf-8") as out:
            out.write("[Volume]\n" + "".join(line + "\n" for line in lines))
        os.rename(path + ".new", path)

    def remove_volume(self, name):
        os.unlink(os.path.join(self.directory, "volumes.d", name + ".conf"))

    def start(self):
        notify = os.path.join(self.directory, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(notify)
            told.settimeout(PATIENCE)
            self.process = subprocess.Popen(
                [self.program, f"--config={self.config}"], stderr=self.log,
                env=dict(os.environ, NOTIFY_SOCKET=notify))
            while b"READY=1" not in told.recv(4096):
                pass

    def stop(self):
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        if status != 0:
            raise AssertionError(f"the daemon ended with {status}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, *words):
        """nbdctl's exit status."""
        return subprocess.run(
            [self.nbdctl, "--address", self.address, *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            timeout=PATIENCE, check=False).returncode

    def reload(self):
        return self.ask("daemon", "reload") == 0

    def measure(self):
        """MiB that it takes, and descriptors."""
        with open(f"/proc/{self.process.pid}/status",
                  encoding="utf-8") as status:
            rss = next(int(line.split()[1]) for line in status
                       if line.startswith("VmRSS"))
        return rss / 1024, len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Faults:
    """One at a time, each undone before the next. What is not flushed survives
    a server or the daemon, but the journal is the daemon's memory: who kills
    both has asked for it. So a killed daemon is followed by a flush."""

    def __init__(self, daemon, disks, seed):
        self.daemon = daemon
        self.disks = disks
        self.random = random.Random(seed)
        self.counts = {}

    def inject(self):
        fault = self.random.choices(
            [self.kill_server, self.restart_server, self.stop_server,
             self.reload_other, self.reload_same, self.reload_bad,
             self.restart_daemon, self.kill_daemon],
            [6, 6, 4, 3, 2, 2] + ([0, 0] if IN_ONE_LIFE else [1, 1]))[0]
        self.daemon.note(fault.__name__)
        fault()
        self.daemon.note(fault.__name__ + " is over")
        self.counts[fault.__name__] = self.counts.get(fault.__name__, 0) + 1
        return fault.__name__

    def _server(self):
        return self.random.choice(self.random.choice(self.disks).servers)

    def _all_are_ready(self):
        for disk in self.disks:
            if self.daemon.ask("volume", "wait", disk.name) != 0:
                raise AssertionError(f"volume {disk.name} is not ready")

    def kill_server(self):
        server = self._server()
        self.daemon.note(server.name)
        server.kill()
        time.sleep(self.random.uniform(0.2, 3))
        server.start()

    def restart_server(self):
        server = self._server()
        self.daemon.note(server.name)
        server.kill()
        server.start()

    def stop_server(self):
        server = self._server()
        self.daemon.note(server.name)
        server.stand_still()
        time.sleep(self.random.uniform(0.5, 4))
        server.go_on()

    def reload_other(self):
        self.daemon.put_volume("other", self.disks[0].lines + [
            f"Connections={self.random.randint(1, 4)}"])
        assert self.daemon.reload()

    def reload_same(self):
        """A volume at work gets another IdleTimeout=, so it is made anew."""
        disk = self.random.choice(self.disks)
        self._all_are_ready()
        self.daemon.put_volume(disk.name, disk.lines + [
            f"IdleTimeout={self.random.randint(20, 90)}s"])
        assert self.daemon.reload()

    def reload_bad(self):
        self.daemon.put_volume("bad", ["Uri=nbd://", "Colour=red"])
        assert not self.daemon.reload()
        self.daemon.remove_volume("bad")

    def restart_daemon(self):
        self._all_are_ready()
        self.daemon.stop()
        self.daemon.start()

    def kill_daemon(self):
        self._all_are_ready()
        self.daemon.kill()
        self.daemon.start()
        for disk in self.disks:
            if self.daemon.ask("flush", disk.name) != 0:
                raise AssertionError(f"{disk.name} cannot be flushed")


class Table:
    """A line every now and then, and one for each life of the daemon."""

    HEAD = ("  time   requests      MiB  faults  errors  wrong bytes  "
            "RSS MiB  fds  daemon")

    def __init__(self, daemon, clients, faults):
        self.daemon = daemon
        self.clients = clients
        self.faults = faults
        self.began = time.monotonic()
        self.rows = []
        self.lives = {}
        self.lines = []

    def totals(self):
        return [sum(column) for column in
                zip(*(client.counts for client in self.clients))]

    def look(self, is_due):
        requests, size, errors, wrong, _ = self.totals()
        rss, fds = self.daemon.measure()
        pid = self.daemon.process.pid
        self.lives.setdefault(pid, []).append((rss, fds))
        if not is_due:
            return
        at = int(time.monotonic() - self.began)
        line = (f"{at // 60:3}:{at % 60:02} {requests:10} {size / MIB:8.0f}"
                f" {sum(self.faults.counts.values()):7} {errors:7}"
                f" {wrong:12} {rss:8.1f} {fds:4}"
                f"  {list(self.lives).index(pid) + 1}")
        self.lines.append(line)
        print(line, flush=True)

    def growth(self):
        """For each life long enough to say something: its number, looks, and
        the least, most and last of both."""
        for number, looks in enumerate(self.lives.values(), 1):
            # The first looks see it connect.
            settled = looks[3:]
            if len(settled) >= 6:
                yield number, settled

    def is_flat(self):
        is_flat = True
        print("\ndaemon  seconds  RSS MiB first, most, last   fds first, most, "
              "last")
        for number, looks in self.growth():
            rss, fds = zip(*looks)
            print(f"{number:6} {5 * len(looks):8} {rss[0]:10.1f} "
                  f"{max(rss):6.1f} {rss[-1]:6.1f} {fds[0]:11} {max(fds):5} "
                  f"{fds[-1]:5}")
            if (rss[-1] > rss[0] + RSS_ALLOWANCE
                    or fds[-1] > fds[0] + FD_ALLOWANCE):
                is_flat = False
        return is_flat


def work(table, faults, minutes):
    """Faults with pauses, until the time is over."""
    end = time.monotonic() + 60 * minutes
    next_fault = time.monotonic() + 5
    next_row = time.monotonic()
    period = max(15, min(60, 60 * minutes / 20))
    print(Table.HEAD)
    while time.monotonic() < end:
        is_due = time.monotonic() >= next_row
        if is_due:
            next_row += period
        table.look(is_due)
        if time.monotonic() >= next_fault:
            faults.inject()
            next_fault = time.monotonic() + faults.random.uniform(2, 8)
        for client in table.clients:
            if client.process.poll() is not None:
                raise AssertionError(f"client {client.name} has ended")
        time.sleep(5)


def conclude(table, disks):
    """The clients end and flush; then every server is killed, and what they
    were told is written must be there."""
    for client in table.clients:
        client.finish()
    for client in table.clients:
        if not client.flushed.wait(PATIENCE):
            raise AssertionError(f"client {client.name} does not end")
    for disk in disks:
        for server in disk.servers:
            server.kill()
            server.start()
    for client in table.clients:
        client.verify()
    statuses = [client.process.wait(PATIENCE) for client in table.clients]
    for client in table.clients:
        client.reader.join(PATIENCE)
    table.look(True)
    return all(status == 0 for status in statuses)


def run(programs, directory, minutes, seed):
    daemon_program, nbdctl, client_program = programs
    disks = servers.make_disks(directory, SIZE)
    daemon = Daemon(daemon_program, nbdctl, directory, disks)
    clients = []
    try:
        for disk in disks:
            for server in disk.servers:
                server.start()
        daemon.start()
        clients += [Client(client_program, daemon.address,
                           disks[number // 2].name, number)
                    for number in range(2 * len(disks))]
        faults = Faults(daemon, disks, seed)
        table = Table(daemon, clients, faults)
        work(table, faults, minutes)
        is_well = conclude(table, disks)
        is_flat = table.is_flat()
        daemon.stop()
    finally:
        for client in clients:
            client.process.kill()
            client.process.wait()
        if daemon.process:
            daemon.kill()
        for server in (s for disk in disks for s in disk.servers):
            with contextlib.suppress(OSError, AttributeError):
                server.kill()
    print("\nfaults: " + ", ".join(f"{name} {n}" for name, n
                                   in sorted(faults.counts.items())))
    print("longest wait of a request: "
          f"{max(client.counts[4] for client in clients)} ms")
    errors, wrong = table.totals()[2:4]
    print(f"errors {errors}, wrong bytes {wrong}, "
          f"memory and descriptors {'flat' if is_flat else 'NOT flat'}")
    return is_well and is_flat and errors == 0 and wrong == 0


def main():
    servers.require("nbdkit", "qemu-nbd", "nbd-server")
    minutes = float(os.environ.get("SOAK_MINUTES", "30"))
    seed = int(os.environ.get("SOAK_SEED", str(random.randrange(1 << 30))))
    directory = tempfile.mkdtemp(prefix="soak-")
    print(f"{minutes:g} minutes, SOAK_SEED={seed}, in {directory}", flush=True)
    is_kept = os.environ.get("SOAK_KEEP")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    is_well = run(sys.argv[1:4], directory, minutes, seed)
    if is_well and not is_kept:
        shutil.rmtree(directory)
    else:
        print(f"the logs are in {directory}")
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
