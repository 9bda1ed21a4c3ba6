#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data commands on a real server: the same tests through the daemon and with
--direct."""

import hashlib
import json
import os
import subprocess
import sys

import support
from support import NBD, NO, NOT_SUPPORTED, OK, PERMISSION, \
    UNKNOWN_VOLUME, USAGE

MIB = 1 << 20


class Data:
    """The tests; what a target is, its class says."""

    def setUp(self):
        super().setUp()
        self.server = self.nbdkit("server", "memory", "64M")
        self.target = self.make_target(self.server.uri)

    def test_what_is_written_is_read_back(self):
        data = os.urandom(3 * MIB + 12345)
        path = self.write_file("in", data)
        self.nbdctl("write", self.target, path, "--offset", "1M", "--fua")
        self.nbdctl("read", self.target, self.path("out"), "--offset", "1M",
                    "--length", str(len(data)))
        self.assertEqual(self.read_file("out"), data)
        # And through pipes.
        self.nbdctl("write", self.target, "--offset", "10M", input=data)
        result = self.nbdctl("read", self.target, "-", "--offset", "10M",
                             "--length", str(len(data)))
        self.assertEqual(result.out, data)
        # Nothing else has changed.
        rest = self.nbdctl("read", self.target, "--length", "1M").out
        self.assertEqual(rest, bytes(MIB))

    def test_size_and_info(self):
        self.assertEqual(self.nbdctl("size", self.target).text,
                         f"{64 * MIB}\n")
        text = self.nbdctl("info", self.target).text
        self.assertIn("64 MiB", text)
        export = self.nbdctl("info", self.target, "-o",
                             "json").json()["export"][0]
        self.assertEqual(export["size"], 64 * MIB)
        self.assertIs(export["read_only"], False)
        self.assertIs(export["can_trim"], True)
        self.assertIs(export["structured_replies"], True)
        self.assertEqual(
            self.nbdctl("info", self.target, "-o", "value", "--columns",
                        "size,read_only").text, f"{64 * MIB}\t0\n")

    def test_can_answers_with_the_exit_code(self):
        for feature in ("trim", "zero", "flush", "write", "base:allocation",
                        "structured-reply"):
            result = self.nbdctl("can", feature, self.target, code=OK)
            self.assertEqual(result.out, b"")
        for feature in ("read-only", "tls", "rotational", "x:y"):
            result = self.nbdctl("is", feature, self.target, code=NO)
            self.assertEqual(result.err, "")
        self.nbdctl("has", "charm", self.target, code=USAGE)

    def test_map_shows_data_and_holes(self):
        self.nbdctl("write", self.target, "--offset", "1M",
                    input=b"x" * 65536)
        result = self.nbdctl("map", self.target, "-o", "json")
        extents = [(e["offset"], e["length"], e["type"])
                   for e in result.json()["extents"]]
        self.assertEqual(extents, [(0, MIB, "hole,zero"),
                                   (MIB, 65536, "data"),
                                   (MIB + 65536, 63 * MIB - 65536,
                                    "hole,zero")])
        result = self.nbdctl("map", self.target, "--totals", "-o", "jsonl")
        totals = {e["type"]: e["length"]
                  for e in map(json.loads, result.text.splitlines())}
        self.assertEqual(totals, {"data": 65536,
                                  "hole,zero": 64 * MIB - 65536})
        result = self.nbdctl("map", self.target, "--offset", "1M",
                             "--length", "4096", "-o", "value")
        self.assertEqual(result.text.split("\t")[:2], [str(MIB), "4096"])
        self.nbdctl("map", self.target, "-c", "x:y", code=NOT_SUPPORTED)

    def test_trim_zero_cache_and_flush(self):
        self.nbdctl("write", self.target, input=b"x" * MIB)
        self.nbdctl("zero", self.target, "--length", "256K", "--fua")
        self.nbdctl("trim", self.target, "--offset", "512K", "--length",
                    "256K")
        self.nbdctl("flush", self.target)
        data = self.nbdctl("read", self.target, "--length", "1M").out
        self.assertEqual(data, bytes(262144) + b"x" * 262144 +
                         bytes(262144) + b"x" * 262144)

    def test_flags_reach_the_server(self):
        log = self.path("requests")
        server = self.nbdkit("logged", "--filter=log", "memory", "1M",
                             "logfile=" + log)
        target = self.make_target(server.uri, "logged")
        self.nbdctl("zero", target, "--length", "64K", "--no-hole", "--fast")
        self.nbdctl("zero", target, "--length", "32K", "--fua")
        self.nbdctl("write", target, "--fua", input=b"x" * 512)
        with open(log, encoding="utf-8") as file:
            text = file.read()
        self.assertRegex(text, r"Zero .*count=0x10000 trim=0 fua=0 fast=1")
        self.assertRegex(text, r"Zero .*count=0x8000 trim=1 fua=1 fast=0")
        self.assertRegex(text, r"Write .*count=0x200 fua=1")

    def test_dump_prints_hexadecimal(self):
        self.nbdctl("write", self.target, "--offset", "16",
                    input=b"hello, world")
        text = self.nbdctl("dump", self.target, "--length", "4096").text
        self.assertIn("|hello, world....|", text)
        self.assertIn("0000000010  68 65 6c 6c 6f", text)
        self.assertTrue(text.endswith("0000001000\n"))

    def test_dry_run_changes_nothing(self):
        self.nbdctl("write", self.target, "--dry-run", input=b"x" * 100)
        self.nbdctl("copy", self.write_file("f", b"x" * 100), self.target,
                    "--dry-run")
        self.nbdctl("zero", self.target, "--dry-run")
        self.nbdctl("bench", self.target, "--rw", "write", "-y", "--dry-run")
        self.nbdctl("negotiate", self.target, "--dry-run",
                    input=b"go\nwrite 0 6869\n")
        self.assertEqual(
            self.nbdctl("read", self.target, "--length", "100").out,
            bytes(100))

    def test_beyond_the_end(self):
        for words in (["read", self.target, "--offset", "64M",
                       "--length", "1"],
                      ["dump", self.target, "--offset", "1T",
                       "--length", "1"],
                      ["zero", self.target, "--offset", "60M",
                       "--length", "5M"],
                      ["write", self.target, "--offset", "65M"]):
            result = self.nbdctl("-o", "json", *words, code=NBD)
            self.assertIn(result.error()["errno"], ("EINVAL", "ENOSPC"))
            self.assertEqual(result.out, b"")

    def test_every_table_is_valid_json(self):
        for words in (["info", self.target], ["map", self.target],
                      ["map", self.target, "--totals"],
                      ["contexts", self.target], ["size", self.target]):
            out = self.nbdctl(*words, "-o", "json").out
            subprocess.run([sys.executable, "-m", "json.tool"], input=out,
                           stdout=subprocess.DEVNULL, check=True)

    def test_contexts(self):
        self.assertEqual(
            self.nbdctl("contexts", self.target, "-o", "value").text,
            "base:allocation\n")
        self.assertEqual(
            self.nbdctl("contexts", self.target, "nothing:", "-o",
                        "value").text, "")

    def test_list_and_info_tell_of_all_contexts(self):
        image = self.write_file("image", bytes(MIB))
        target = self.make_target(
            self.qemu_nbd("deep", "-f", "raw", "-A", image).uri, "deep")
        for words, key in ((["list", target], "exports"),
                           (["info", target], "export")):
            row, = self.nbdctl(*words, "-o", "json").json()[key]
            self.assertEqual(row["contexts"], ["base:allocation",
                                               "qemu:allocation-depth"])
        self.nbdctl("has", "qemu:allocation-depth", target, code=OK)
        self.nbdctl("has", "qemu:dirty-bitmap:b", target, code=NO)

    def test_servers_without_options(self):
        for handshake, word in (("newstyle", "--mask-handshake=0"),
                                ("oldstyle", "--oldstyle")):
            server = self.nbdkit(handshake, word, "memory", "1M")
            target = self.make_target(server.uri, handshake)
            row, = self.nbdctl("info", target, "-o", "json").json()["export"]
            self.assertEqual(
                (row["size"], row["contexts"], row["handshake"]),
                (MIB, [], handshake))
            self.nbdctl("can", "write", target, code=OK)
            self.nbdctl("has", "base:allocation", target, code=NO)
            self.nbdctl("list", target, code=NOT_SUPPORTED)

    def test_negotiate_step_by_step(self):
        result = self.nbdctl(
            "negotiate", self.target, "-o", "jsonl",
            input=b"# a comment\nlist\ninfo\ncontexts\n"
                  b"set-contexts base:allocation\ngo\n"
                  b"write 0 6869\nread 0 16\nmap 0 1M\nflush\nabort\n")
        lines = [line for line in result.text.splitlines()
                 if line.startswith("{")]
        answers = [json.loads(line) for line in lines]
        sizes = [a["size"] for a in answers if "size" in a]
        self.assertEqual(sizes, [64 * MIB, 64 * MIB])
        self.assertIn({"context": "base:allocation"}, answers)
        self.assertIn("|hi..............|", result.text)
        self.assertTrue(any(a.get("length") for a in answers
                            if a.get("context") and "offset" in a))

    def test_negotiate_goes_on_after_a_refusal(self):
        result = self.nbdctl("negotiate", self.target,
                             input=b"frobnicate\ninfo\nquit\n", code=USAGE)
        self.assertIn("no such step", result.err)
        self.assertIn("64 MiB", result.text)

    def test_a_read_only_export(self):
        server = self.nbdkit("read-only", "-r", "memory", "1M")
        target = self.make_target(server.uri, "read-only")
        self.nbdctl("is", "read-only", target, code=OK)
        for words in (["write", target], ["zero", target, "--length", "1"],
                      ["copy", self.write_file("f", b"x"), target]):
            result = self.nbdctl("-o", "json", *words, input=b"x",
                                 code=PERMISSION)
            self.assertIn(result.error()["errno"],
                          ("EPERM", "EROFS", "EACCES"))

    def test_an_error_of_the_server(self):
        server = self.nbdkit("broken", "--filter=error", "pattern", "1M",
                             "error-pread=ENOMEM", "error-pread-rate=100%")
        target = self.make_target(server.uri, "broken")
        result = self.nbdctl("-o", "json", "read", target, "--length", "4K",
                             code=NBD)
        self.assertEqual(result.error()["errno"], "ENOMEM")
        self.assertEqual(result.out, b"")

    def test_checksums(self):
        data = os.urandom(MIB + 777)
        image = bytearray(64 * MIB)
        image[5 * MIB:5 * MIB + len(data)] = data
        self.nbdctl("write", self.target, "--offset", "5M", input=data)
        self.assertEqual(self.nbdctl("checksum", self.target).text,
                         f"{hashlib.sha256(image).hexdigest()}  "
                         f"{self.target}\n")
        row, = self.nbdctl("checksum", self.target, "--algorithm", "sha512",
                           "--offset", str(5 * MIB - 3), "--length", "2000",
                           "-j", "1", "-o", "json").json()["checksum"]
        part = image[5 * MIB - 3:5 * MIB + 1997]
        self.assertEqual(row["checksum"], hashlib.sha512(part).hexdigest())
        self.assertEqual((row["offset"], row["length"]),
                         (5 * MIB - 3, 2000))
        self.assertEqual(
            self.nbdctl("checksum", self.write_file("f", data), "-o",
                        "value", "--columns", "checksum").text,
            hashlib.sha256(data).hexdigest() + "\n")

    def test_checksums_that_cannot_be_made(self):
        result = self.nbdctl("-o", "json", "checksum", self.target,
                             "--algorithm", "crc", code=USAGE)
        self.assertIn("SHA256", result.error()["todo"])
        self.nbdctl("checksum", self.target, "--offset", "65M", code=NBD)
        self.nbdctl("checksum", "-", code=USAGE)
        server = self.nbdkit("late", "--filter=error", "pattern", "8M",
                             "error-pread=EIO", "error-pread-rate=100%",
                             "error-file=" + self.path("fails"))
        target = self.make_target(server.uri, "late")
        self.nbdctl("checksum", target)
        self.write_file("fails", b"")
        # Half a checksum is none.
        self.assertEqual(self.nbdctl("checksum", target, code=NBD).out, b"")

    def test_bench_measures(self):
        result = self.nbdctl("bench", self.target, "--rw", "randread",
                             "--time", "200ms", "-o", "json").json()
        row, = result["bench"]
        self.assertGreater(row["requests"], 0)
        self.assertGreaterEqual(row["time"], 200)
        # Both numbers are rounded.
        self.assertAlmostEqual(row["bytes_per_second"] / 4096,
                               row["requests_per_second"], delta=1)
        times = [row[key] for key in ("p50", "p90", "p99", "p999", "max")]
        self.assertEqual(times, sorted(times))
        self.assertGreater(times[0], 0)
        self.assertLessEqual(row["mean"], row["max"])
        self.assertRegex(self.nbdctl("bench", self.target, "--time",
                                     "50ms").text, r"p99: +[\d.]+ [mu]?s\n")
        self.nbdctl("bench", self.target, "--rw", "write", "--time", "50ms",
                    code=USAGE)


class Direct(Data, support.Case):
    options = ["--direct"]

    def make_target(self, uri, _name="disk"):
        return uri

    def test_a_volume_needs_the_daemon(self):
        for words in (["size", "disk0"], ["uri", "disk0"],
                      ["checksum", "disk0"]):
            self.nbdctl(*words, code=USAGE)

    def test_a_uri_is_its_own(self):
        self.assertEqual(self.nbdctl("uri", self.target).text,
                         self.target + "\n")
        self.nbdctl("uri", "http://host/", code=USAGE)


class Volume(Data, support.Case):
    """By name, through the daemon."""

    def make_target(self, uri, name="disk"):
        if self.daemon:
            self.daemon.kill()
            os.unlink(self.daemon.path)
        volumes = getattr(self, "volumes", {})
        volumes[name] = uri
        self.volumes = volumes
        self.start_daemon(volumes)
        return name

    def test_the_uris_of_a_volume(self):
        other = self.nbdkit("other", "memory", "64M")
        target = self.make_target(f"Uri={self.server.uri}\nUri={other.uri}",
                                  "two")
        uris = [self.server.uri, other.uri]
        self.assertEqual(self.nbdctl("uri", target).text.split(), uris)
        self.assertEqual(
            [row["uri"] for row
             in self.nbdctl("uri", target, "-o", "json").json()["uris"]],
            uris)
        self.nbdctl("uri", "disk9", code=UNKNOWN_VOLUME)

    def test_a_checksum_reads_no_holes(self):
        self.nbdctl("write", self.target, "--offset", "20M", input=b"x" * MIB)
        self.nbdctl("checksum", self.target)
        row, = self.nbdctl("stats", "-o", "json").json()["volumes"]
        self.assertGreaterEqual(row["bytes_read"], MIB)
        self.assertLessEqual(row["bytes_read"], 2 * MIB)


class AdHoc(Data, support.Case):
    """By URI, through the daemon."""

    def make_target(self, uri, _name="disk"):
        if not self.daemon:
            self.start_daemon(settings="AdHocUsers=*\nAdHocTransports=unix")
        return uri


del Data

if __name__ == "__main__":
    support.main()
