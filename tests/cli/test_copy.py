#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nbdctl copy between real servers: all of it, and only the data."""

import hashlib
import json
import os
import pty
import re
import signal
import subprocess

import support
from support import CANCELLED, GENERAL, NBD, NO, OK, PARTIAL, TIMED_OUT, UNREACHABLE

MIB = 1 << 20
GIB = 1 << 30


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()


def statistics(path):
    """Bytes for each kind of request, as nbdkit's stats filter counted."""
    units = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    result = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            match = re.match(r"(\w+): \d+ ops, [\d.]+ s, ([\d.]+) (\w+)", line)
            if match:
                result[match[1]] = float(match[2]) * units[match[3]]
    return result


class Copy:
    """The tests; what a target is, its class says."""

    def qcow2(self, name, size):
        """An image with 6 MiB of data in it, here and there."""
        path = self.path(name)
        run("qemu-img", "create", "-q", "-f", "qcow2", path, str(size))
        commands = []
        for offset in (0, 10 * MIB, 77 * MIB, size - 2 * MIB):
            pattern = len(commands) + 65
            commands += ["-c", f"write -q -P {pattern} {offset} 1536k"]
        run("qemu-io", "-f", "qcow2", *commands, path)
        return path

    def raw_checksum(self, qcow2):
        raw = qcow2 + ".raw"
        run("qemu-img", "convert", "-O", "raw", qcow2, raw)
        return checksum(raw)

    def test_a_sparse_image_there_and_back(self):
        size = self.image_size
        image = self.qcow2("from.qcow2", size)
        back = self.path("back.qcow2")
        run("qemu-img", "create", "-q", "-f", "qcow2", back, str(size))
        source = self.qemu_nbd("source", "-f", "qcow2", image)
        middle = self.nbdkit("middle", "--filter=stats", "memory", str(size),
                             "statsfile=" + self.path("stats"))
        end = self.qemu_nbd("end", "-f", "qcow2", back)
        self.start({"source": source, "middle": middle, "end": end})
        self.nbdctl("copy", self.target("source"), self.target("middle"))
        self.nbdctl("copy", self.target("middle"), self.target("end"))
        self.nbdctl("compare", self.target("source"), self.target("end"))
        self.stop()
        for server in (source, end, middle):
            self.assertEqual(server.stop(), 0)
        self.assertEqual(self.raw_checksum(image), self.raw_checksum(back))
        counted = statistics(self.path("stats"))
        # qemu's clusters are of 64 KiB; 1.5 MiB at four places is 6 MiB.
        self.assertLess(counted["write"], 7 * MIB)
        self.assertLess(counted["read"], 7 * MIB)
        self.assertGreaterEqual(counted["write"], 6 * MIB)
        self.assertGreaterEqual(counted["zero"], size - 7 * MIB)

    def test_to_a_file_and_back(self):
        image = self.qcow2("from.qcow2", 128 * MIB)
        expected = self.raw_checksum(image)
        source = self.qemu_nbd("source", "-f", "qcow2", image)
        target = self.nbdkit("target", "--filter=stats", "memory", "128M",
                             "statsfile=" + self.path("stats"))
        self.start({"source": source, "target": target})
        self.nbdctl("copy", self.target("source"), self.path("file"))
        self.assertEqual(os.path.getsize(self.path("file")), 128 * MIB)
        self.assertLess(os.stat(self.path("file")).st_blocks * 512, 7 * MIB)
        self.assertEqual(checksum(self.path("file")), expected)
        self.nbdctl("copy", self.path("file"), self.target("target"),
                    "--destination-is-zero", "--verify")
        self.stop()
        target.stop()
        counted = statistics(self.path("stats"))
        self.assertLess(counted["write"], 7 * MIB)
        self.assertNotIn("zero", counted)

    def small(self, *arguments):
        """Two servers of 8 MiB, the source full of data."""
        source = self.nbdkit("source", "pattern", "8M")
        target = self.nbdkit("target", *(arguments or ("memory", "8M")))
        self.start({"source": source, "target": target})
        return source, target

    def test_through_pipes(self):
        self.small()
        data = self.nbdctl("copy", self.target("source"), "-").out
        self.assertEqual(len(data), 8 * MIB)
        self.assertEqual(data[8:16], (8).to_bytes(8, "big"))
        self.nbdctl("copy", "-", self.target("target"), input=data)
        self.nbdctl("compare", self.target("source"), self.target("target"))

    def test_a_reader_that_has_enough(self):
        self.small()
        process = self.start_nbdctl("copy", self.target("source"), "-",
                                    stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
        process.stdout.read(4096)
        process.stdout.close()
        # The first block alone is more than a pipe holds.
        self.assertEqual(process.wait(support.TIMEOUT), GENERAL)
        self.assertIn(b"Broken pipe", process.stderr.read())
        # It finished what was in flight: the server goes on.
        self.nbdctl("size", self.target("source"))

    def test_compare_says_where_they_differ(self):
        self.small()
        self.nbdctl("copy", self.target("source"), self.target("target"))
        self.nbdctl("write", self.target("target"), "--offset", "5000001",
                    input=b"\xff")
        result = self.nbdctl("compare", self.target("source"),
                             self.target("target"), code=NO)
        self.assertIn("offset 5000001", result.err)

    def test_the_destination_must_be_large_enough(self):
        self.small("memory", "4M")
        result = self.nbdctl("-o", "json", "copy", self.target("source"),
                             self.target("target"), code=NBD)
        self.assertEqual(result.error()["errno"], "ENOSPC")

    def test_progress_on_a_terminal(self):
        self.small()
        primary, secondary = pty.openpty()
        process = self.start_nbdctl("copy", self.target("source"),
                                    self.target("target"),
                                    stdin=subprocess.DEVNULL,
                                    stderr=secondary)
        os.close(secondary)
        seen = b""
        while True:
            try:
                piece = os.read(primary, 4096)
            except OSError:
                break
            if not piece:
                break
            seen += piece
        os.close(primary)
        self.assertEqual(process.wait(support.TIMEOUT), OK)
        text = seen.decode()
        self.assertIn("\r", text)
        self.assertRegex(text, r"\[#+\] 100 % 8\.0/8\.0 MiB [\d.]+ [KMG]iB/s"
                               r" in \d+ s")
        self.assertTrue(text.endswith("\n"))

    def test_no_progress_bar_where_nobody_looks(self):
        self.small()
        result = self.nbdctl("copy", self.target("source"),
                             self.target("target"))
        self.assertEqual((result.out, result.err), (b"", ""))

    def test_progress_for_programs(self):
        self.small()
        result = self.nbdctl("copy", self.target("source"),
                             self.target("target"), "--progress=json")
        last = json.loads(result.err.splitlines()[-1])["progress"]
        self.assertEqual((last["done"], last["total"]), (8 * MIB, 8 * MIB))
        reading, writing = os.pipe()
        process = self.start_nbdctl("copy", self.target("source"),
                                    self.target("target"),
                                    f"--progress={writing}",
                                    pass_fds=[writing])
        os.close(writing)
        with open(reading, encoding="utf-8") as pipe:
            lines = pipe.read().splitlines()
        self.assertEqual(process.wait(support.TIMEOUT), OK)
        self.assertEqual(lines[-1], "100/100")

    def test_the_rate_is_kept(self):
        self.small()
        result = self.nbdctl("copy", self.target("source"),
                             self.target("target"), "--rate", "16M",
                             "--progress=json")
        last = json.loads(result.err.splitlines()[-1])["progress"]
        # Half a second, less what is in flight at the end.
        self.assertGreater(last["elapsed_ms"], 200)

    def begin_slow_copy(self):
        """A copy that would take long, under way."""
        source, target = self.small("--filter=delay", "memory", "8M",
                                    "delay-write=100ms")
        process = self.start_nbdctl(
            "copy", self.target("source"), self.target("target"), "-j", "2",
            "--progress=json", "-o", "json", stderr=subprocess.PIPE,
            text=True)
        for line in process.stderr:
            if json.loads(line)["progress"]["done"] > 0:
                break
        return process, source, target

    def finish(self, process):
        _, err = process.communicate(timeout=support.TIMEOUT)
        last = err.splitlines()[-1]
        return process.returncode, json.loads(last)["error"]

    def kill_in_mid_copy(self, victim):
        process, *servers = self.begin_slow_copy()
        servers[victim].kill()
        code, error = self.finish(process)
        self.assertEqual(code, PARTIAL, error)
        self.assertEqual(error["code"], PARTIAL)
        self.assertIn(error["cause"], (UNREACHABLE, TIMED_OUT))
        self.assertIn("bytes were written", error["seen"])
        # The other end, and the daemon, serve on.
        self.nbdctl("size", self.target("target" if victim == 0 else
                                        "source"))

    def test_the_source_killed_in_mid_copy(self):
        self.kill_in_mid_copy(0)

    def test_the_destination_killed_in_mid_copy(self):
        self.kill_in_mid_copy(1)

    def test_interrupted_in_mid_copy(self):
        process, _, target = self.begin_slow_copy()
        process.send_signal(signal.SIGINT)
        code, error = self.finish(process)
        self.assertEqual(code, CANCELLED)
        self.assertEqual(error["code"], CANCELLED)
        # The server was left politely: it goes on serving.
        self.nbdctl("size", self.target("target"))
        self.assertIsNone(target.process.poll())

    def test_a_server_that_is_down(self):
        source = self.nbdkit("source", "memory", "1M")
        source.kill()
        self.start({"source": source})
        result = self.nbdctl("-o", "json", "copy", self.target("source"),
                             self.path("file"), code=UNREACHABLE)
        self.assertTrue(result.error()["errno"])
        self.assertFalse(os.path.exists(self.path("file")))


class Direct(Copy, support.Case):
    options = ["--direct"]
    image_size = 128 * MIB

    def start(self, servers):
        self.uris = {name: server.uri for name, server in servers.items()}

    def stop(self):
        pass

    def target(self, name):
        return self.uris[name]

    def copy_logged(self, size, source_words, *options):
        """Copies between logging servers; the connections used at each."""
        source = self.nbdkit("source", "--filter=log", *source_words,
                             "pattern", size,
                             "logfile=" + self.path("source.log"))
        target = self.nbdkit("target", "--filter=log", "memory", size,
                             "logfile=" + self.path("target.log"))
        self.start({"source": source, "target": target})
        self.nbdctl("copy", source.uri, target.uri, "--verify", *options)
        return (self.connections_in("source.log", "Read"),
                self.connections_in("target.log", "Write"))

    def connections_in(self, log, operation):
        with open(self.path(log), encoding="utf-8") as file:
            return set(re.findall(rf"connection=(\d+) {operation} ",
                                  file.read()))

    def test_several_connections(self):
        for used in self.copy_logged("16M", [], "--connections", "3"):
            # Those of the copy and of its verification.
            self.assertGreaterEqual(len(used), 3)

    def test_a_quick_server_gets_one_connection(self):
        _, used = self.copy_logged("2M", [], "-j", "8")
        self.assertEqual(len(used), 1)

    def test_a_slow_server_gets_more_connections(self):
        source = self.nbdkit("source", "pattern", "64M")
        target = self.nbdkit("target", "--filter=log", "--filter=delay",
                             "memory", "64M", "delay-write=10ms",
                             "logfile=" + self.path("target.log"))
        self.nbdctl("copy", source.uri, target.uri)
        used = self.connections_in("target.log", "Write")
        self.assertGreater(len(used), 1)

    def test_a_server_that_refuses_more_connections(self):
        source = self.nbdkit("source", "--filter=limit", "pattern", "16M")
        target = self.nbdkit("target", "memory", "16M")
        self.nbdctl("copy", source.uri, target.uri, "--connections", "4")
        self.nbdctl("compare", source.uri, target.uri)

    def test_one_of_several_connections_is_lost(self):
        """The copy ends, and says what was lost."""
        source = self.nbdkit("source", "pattern", "8M")
        target = self.nbdkit("target", "--filter=delay", "memory", "8M",
                             "delay-write=100ms")
        process = self.start_nbdctl(
            "copy", source.uri, target.uri, "--connections", "3",
            "--progress=json", "-o", "json", stderr=subprocess.PIPE,
            text=True)
        for line in process.stderr:
            if json.loads(line)["progress"]["done"] > 0:
                break
        target.kill()
        code, error = self.finish(process)
        self.assertEqual(code, PARTIAL, error)
        self.assertEqual(error["cause"], UNREACHABLE)


class Volume(Copy, support.Case):
    """By name, through the daemon."""

    image_size = GIB

    def start(self, servers):
        self.start_daemon(
            {name: f"Uri={server.uri}\nRequestTimeout=2s"
             for name, server in servers.items()})

    def stop(self):
        self.assertEqual(self.daemon.stop(), 0)

    def target(self, name):
        return name


del Copy

if __name__ == "__main__":
    support.main()
