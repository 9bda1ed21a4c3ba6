#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server that goes, comes back different, or loses data; a volume that an
operator holds: what nbdctl says of it, by which exit code, and what helps."""

import subprocess

import support
from support import BUSY, DATA_LOSS, IDENTITY, OK, TIMED_OUT, \
    TLS, UNKNOWN_VOLUME

MIB = 1 << 20


class Trouble(support.Case):
    def serve_volume(self, lines=""):
        self.server = self.nbdkit("server", "memory", "8M")
        self.start_daemon({"disk0": f"Uri={self.server.uri}\n{lines}"})
        self.nbdctl("volume", "wait", "disk0")

    def state(self):
        row, = self.nbdctl("volume", "show", "disk0", "-o",
                           "json").json()["volume"]
        return row["state"]

    def refused(self, code, *words, **keywords):
        error = self.nbdctl("-o", "json", *words, code=code,
                            **keywords).error()
        self.assertEqual(error["code"], code)
        for part in ("attempted", "seen", "todo"):
            self.assertTrue(error[part], f"{part} is empty: {error}")
        return error

    def await_event(self, name):
        events = self.start_nbdctl("daemon", "events", "--since", "oldest",
                                   "-o", "jsonl", stdout=subprocess.PIPE,
                                   text=True)
        for line in events.stdout:
            if f'"event":"{name}"' in line:
                return
        self.fail(f"the events end without {name}")

    def test_another_size_is_another_disk(self):
        self.serve_volume()
        self.server.kill()
        self.server.command[-1] = "4M"
        self.server.start()
        self.await_event("quarantined")
        error = self.refused(IDENTITY, "read", "disk0", "--length", "1")
        self.assertIn("volume accept", error["todo"])
        self.assertEqual(self.state(), "quarantined")
        self.assertIn("quarantined", self.nbdctl("status").text)
        self.nbdctl("volume", "accept", "disk0", "--dry-run")
        self.assertEqual(self.state(), "quarantined")
        self.nbdctl("volume", "accept", "disk0")
        self.nbdctl("read", "disk0", "--length", "1")
        self.assertEqual(self.nbdctl("size", "disk0").text,
                         f"{4 * MIB}\n")

    def test_writes_that_a_server_has_lost_are_reported_once(self):
        self.serve_volume("Unflushed=report")
        self.nbdctl("write", "disk0", "--offset", "4096", input=b"x" * 512)
        self.server.kill()
        self.server.start()
        error = self.refused(DATA_LOSS, "flush", "disk0")
        self.assertIn("4096", error["seen"])
        self.nbdctl("flush", "disk0")

    def test_a_paused_volume_holds_requests(self):
        self.serve_volume()
        self.nbdctl("volume", "pause", "disk0")
        self.assertEqual(self.state(), "paused")
        error = self.refused(BUSY, "-t", "300ms", "read", "disk0",
                             "--length", "1")
        self.assertIn("resume", error["todo"])
        self.refused(TIMED_OUT, "-t", "300ms", "volume", "wait", "disk0")
        waiting = self.start_nbdctl("read", "disk0", "--length", "1",
                                    stdout=subprocess.DEVNULL)
        self.nbdctl("volume", "resume", "disk0")
        self.nbdctl("volume", "wait", "disk0")
        self.assertEqual(waiting.wait(support.TIMEOUT), OK)
        self.assertEqual(self.state(), "ready")

    def test_new_connections(self):
        self.serve_volume()
        before, = self.nbdctl("conn", "ls", "-o", "json").json()["connections"]
        self.nbdctl("volume", "reconnect", "disk0")
        self.nbdctl("volume", "wait", "disk0")
        after, = self.nbdctl("conn", "ls", "-o", "json").json()["connections"]
        self.assertGreater(after["id"], before["id"])
        for order in ("pause", "resume", "reconnect", "accept", "wait"):
            self.refused(UNKNOWN_VOLUME, "volume", order, "disk9")

    def test_a_server_without_tls(self):
        server = self.nbdkit("plain", "memory", "1M")
        uri = server.uri.replace("nbd+unix", "nbds+unix")
        self.refused(TLS, "--direct", "info", uri)
        self.start_daemon({"secret": uri + "\nRequestTimeout=500ms"})
        self.refused(TLS, "info", "secret")


class Configuration(support.Case):
    """What the files say, by the nbd-clientd on PATH or beside nbdctl."""

    def setUp(self):
        super().setUp()
        self.environment["PATH"] = (
            support.NBD_CLIENTD.rsplit("/", 1)[0] + ":" +
            self.environment["PATH"])
        self.main = self.write_file("etc/nbd-clientd.conf",
                                    b"[Daemon]\nIoThreads=3\n")
        self.volume = self.write_file(
            "etc/volumes.d/disk0.conf",
            b"[Volume]\nUri=nbd://host/a#b # c\nInFlight=7\n")

    def rows(self, *words):
        return self.nbdctl("config", *words, "-o", "json").json()["config"]

    def test_what_files_set_and_where(self):
        self.assertEqual(self.rows("diff", self.main), [
            {"volume": None, "key": "IoThreads", "value": "3",
             "origin": f"{self.main}:2"},
            {"volume": "disk0", "key": "Uri", "value": "nbd://host/a#b # c",
             "origin": f"{self.volume}:2"},
            {"volume": "disk0", "key": "InFlight", "value": "7",
             "origin": f"{self.volume}:3"}])

    def test_every_value_and_where_it_comes_from(self):
        rows = {(row["volume"], row["key"]): row
                for row in self.rows("show", self.main)}
        self.assertEqual(rows[None, "IoThreads"]["value"], "3")
        self.assertEqual(rows[None, "RequestTimeout"]["origin"], "default")
        self.assertEqual(rows["disk0", "InFlight"]["value"], "7")
        self.assertEqual(rows["disk0", "Connections"]["origin"], "default")
        text = self.nbdctl("config", "show", self.main).text
        self.assertIn("[Daemon]\n", text)
        self.assertRegex(text, rf"IoThreads=3 +# {self.main}:2\n")

    def test_defaults_are_no_file_s(self):
        rows = self.rows("default")
        self.assertEqual({row["origin"] for row in rows}, {"default"})
        self.assertIn("IoThreads", [row["key"] for row in rows])
        self.assertIn("NAME", [row["volume"] for row in rows])

    def test_a_good_one_is_valid(self):
        self.assertEqual(self.rows("check", self.main), [{"valid": True}])
        self.assertIn("good", self.nbdctl("config", "check", self.main).text)

    def test_what_is_wrong_has_file_and_line(self):
        self.write_file("etc/volumes.d/disk0.conf", b"[Volume]\nColour=red\n")
        for verb in ("check", "show", "diff"):
            result = self.nbdctl("-o", "json", "config", verb, self.main,
                                 code=support.USAGE)
            self.assertEqual(result.out, b"")
            self.assertIn(f"{self.volume}:2", result.err)
            self.assertEqual(result.error()["code"], support.USAGE)


if __name__ == "__main__":
    support.main()
