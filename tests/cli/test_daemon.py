#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""nbdctl and the daemon: what it shows of it, how it steers it, and the exit
code of everything that can be wrong."""

import os
import signal
import subprocess
import sys
import unittest

import support
from support import CANCELLED, NBD, NO, NO_DAEMON, NOT_SUPPORTED, OK, PARTIAL, \
    PERMISSION, TIMED_OUT, UNKNOWN_VOLUME, UNREACHABLE, USAGE

MIB = 1 << 20


class Daemon(support.Case):
    def start_one(self, settings=""):
        """A server of 8 MiB, as the volume disk0."""
        self.server = self.nbdkit("server", "memory", "8M")
        self.start_daemon({"disk0": self.server.uri}, settings)

    def wait_ready(self):
        """Configuration and first connection are there: a write waits for
        both."""
        self.nbdctl("write", "disk0", input=b"x")

    def test_the_demo_volume_holds_a_file(self):
        process = self.start_demo()
        data = os.urandom(100000)
        path = self.write_file("file", data)
        self.nbdctl("write", "demo", path)
        self.nbdctl("read", "demo", self.path("back"), "--length",
                    str(len(data)))
        self.assertEqual(self.read_file("back"), data)
        extents = self.nbdctl("map", "demo", "-o", "json").json()["extents"]
        self.assertEqual([e["type"] for e in extents], ["data", "hole,zero"])
        self.assertIn("demo", self.nbdctl("status").text)
        self.nbdctl("copy", "demo", self.path("image"), "--verify")
        self.nbdctl("daemon", "drain")
        self.assertEqual(process.wait(support.TIMEOUT), 0)

    def test_status_shows_daemon_and_volumes(self):
        self.start_one()
        self.wait_ready()
        status = self.nbdctl("status", "-o", "json").json()
        daemon, volume = status["daemon"][0], status["volumes"][0]
        self.assertEqual(daemon["daemon"], "running")
        self.assertEqual(daemon["pid"], self.daemon.process.pid)
        self.assertEqual(volume["name"], "disk0")
        self.assertEqual(volume["state"], "ready")
        self.assertEqual(volume["size"], 8 * MIB)
        self.assertEqual(volume["endpoints"], [self.server.uri])
        self.assertEqual(volume["writes"], 1)
        text = self.nbdctl("status").text
        self.assertIn("running", text)
        self.assertRegex(text, r"NAME +STATE +SIZE")
        self.assertRegex(text, r"disk0 +ready +8 MiB")

    def test_every_table_is_valid_json(self):
        self.start_one()
        self.wait_ready()
        for words in (["status"], ["version"], ["ping"], ["health"],
                      ["daemon", "info"], ["volume", "ls"],
                      ["volume", "show", "disk0"], ["conn", "ls"],
                      ["client", "ls"], ["list", "disk0"],
                      ["info", "disk0"]):
            out = self.nbdctl(*words, "-o", "json").out
            subprocess.run([sys.executable, "-m", "json.tool"], input=out,
                           stdout=subprocess.DEVNULL, check=True)

    def test_volumes_connections_and_clients(self):
        self.start_one()
        self.wait_ready()
        self.assertEqual(
            self.nbdctl("volume", "ls", "-o", "value", "--columns",
                        "name,state,size").text, f"disk0\tready\t{8 * MIB}\n")
        text = self.nbdctl("volume", "show", "disk0").text
        self.assertRegex(text, r"name: +disk0\n")
        self.assertRegex(text, r"contexts: +base:allocation\n")
        connection = self.nbdctl("conn", "ls", "-o",
                                 "json").json()["connections"][0]
        self.assertEqual(connection["volume"], "disk0")
        self.assertEqual(connection["endpoint"], self.server.uri)
        clients = self.nbdctl("client", "ls", "-o", "json").json()["clients"]
        self.assertEqual(clients[-1]["uid"], os.getuid())

    def test_ping_health_and_version(self):
        self.start_one()
        self.wait_ready()
        self.assertEqual(
            self.nbdctl("ping", "-o", "value", "--columns", "pid").text,
            f"{self.daemon.process.pid}\n")
        self.nbdctl("health", code=OK)
        self.nbdctl("health", "disk0", code=OK)
        self.nbdctl("health", "disk1", code=UNKNOWN_VOLUME)
        version = self.nbdctl("version", "-o", "json").json()["version"][0]
        self.assertEqual(version["nbdctl"], version["daemon"])
        self.assertIn("libnbd", version["library"])

    def test_list_names_the_exports(self):
        directory = self.path("exports")
        for name in ("alpha", "beta"):
            self.write_file("exports/" + name, bytes(4096))
        server = self.nbdkit("many", "file", "dir=" + directory)
        self.start_daemon({"many": server.export("alpha")},
                          "AdHocUsers=*\nAdHocTransports=unix")
        for target in ("many", server.uri):
            rows = self.nbdctl("list", target, "-o",
                               "json").json()["exports"]
            self.assertEqual(sorted(row["name"] for row in rows),
                             ["alpha", "beta"])
            self.assertEqual({row["size"] for row in rows}, {4096})
        self.assertEqual(
            sorted(self.nbdctl("list", "many", "--names", "-o", "value",
                               "--columns", "name").text.split()),
            ["alpha", "beta"])

    def test_an_unknown_export(self):
        directory = self.path("exports")
        self.write_file("exports/alpha", bytes(4096))
        server = self.nbdkit("many", "file", "dir=" + directory)
        self.start_daemon(settings="AdHocUsers=*\nAdHocTransports=unix")
        self.nbdctl("info", server.export("gamma"), code=NBD)
        self.nbdctl("read", server.export("gamma"), code=NBD)

    def test_an_ad_hoc_volume_lives_as_long_as_its_client(self):
        self.start_one("AdHocUsers=*\nAdHocTransports=unix")
        process = self.start_nbdctl("volume", "open", self.server.uri, "-o",
                                    "value", "--columns", "name,ad_hoc",
                                    stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, text=True)
        name, ad_hoc = process.stdout.readline().split()
        self.assertEqual(ad_hoc, "1")
        self.assertNotEqual(name, "disk0")
        process.communicate(timeout=support.TIMEOUT)
        self.assertEqual(process.returncode, OK)
        names = self.nbdctl("volume", "ls", "-o", "value", "--columns",
                            "name").text.split()
        self.assertEqual(names, ["disk0"])

    def test_a_signal_cancels_what_waits(self):
        self.start_one("AdHocUsers=*\nAdHocTransports=unix")
        process = self.start_nbdctl("volume", "open", self.server.uri,
                                    stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=support.TIMEOUT)
        self.assertEqual(process.returncode, CANCELLED)
        self.assertIn(b"cancelled", err)

    def test_reload_applies_the_difference(self):
        self.start_one()
        self.wait_ready()
        self.write_file("etc/volumes.d/disk1.conf",
                        f"[Volume]\nUri={self.server.uri}\n".encode())
        counts = self.nbdctl("daemon", "reload", "-o",
                             "json").json()["reload"][0]
        self.assertEqual((counts["added"], counts["removed"]), (1, 0))
        self.assertEqual(
            self.nbdctl("volume", "ls", "-o", "value", "--columns",
                        "name").text.split(), ["disk0", "disk1"])

    def test_dry_runs_change_nothing(self):
        self.start_one("AdHocUsers=*\nAdHocTransports=unix")
        self.wait_ready()
        self.write_file("etc/volumes.d/disk1.conf",
                        f"[Volume]\nUri={self.server.uri}\n".encode())
        for words in (["daemon", "reload"], ["daemon", "drain"],
                      ["daemon", "log-level", "debug"],
                      ["volume", "open", self.server.uri],
                      ["volume", "close", "disk0"],
                      ["volume", "pause", "disk0"]):
            self.nbdctl(*words, "--dry-run")
        for words in (["volume", "close", "disk9"],
                      ["volume", "pause", "disk9"]):
            self.nbdctl(*words, "--dry-run", code=UNKNOWN_VOLUME)
        self.assertEqual(
            self.nbdctl("volume", "ls", "-o", "value", "--columns",
                        "name,state").text, "disk0\tready\n")
        self.assertEqual(
            self.nbdctl("daemon", "log-level", "-o", "value", "--columns",
                        "level").text, "info\n")
        self.daemon.kill()
        self.nbdctl("-t", "200ms", "daemon", "reload", "--dry-run",
                    code=NO_DAEMON)

    def test_a_bad_configuration_changes_nothing(self):
        self.start_one()
        self.wait_ready()
        path = self.write_file("etc/volumes.d/disk1.conf",
                               b"[Volume]\nColour=blue\n")
        result = self.nbdctl("-o", "json", "daemon", "reload", code=USAGE)
        self.assertIn("disk1.conf", result.error()["seen"])
        self.nbdctl("size", "disk0")
        config = self.path("etc/nbd-clientd.conf")
        self.environment["PATH"] = (os.path.dirname(support.NBD_CLIENTD) +
                                    ":" + self.environment["PATH"])
        result = self.nbdctl("config", "check", config, code=USAGE)
        self.assertIn("disk1.conf", result.err)
        self.assertIn("Colour", result.err)
        os.unlink(path)
        self.nbdctl("config", "check", config, code=OK)

    def test_drain_ends_the_daemon(self):
        self.start_one()
        self.nbdctl("daemon", "drain", "--dry-run")
        self.nbdctl("ping")
        self.nbdctl("daemon", "drain")
        self.assertEqual(self.daemon.process.wait(support.TIMEOUT), 0)
        self.nbdctl("ping", code=NO_DAEMON)


class Mistakes(support.Case):
    """Each leads to its exit code, and the daemon serves on."""

    def setUp(self):
        super().setUp()
        self.server = self.nbdkit("server", "memory", "8M")
        self.down = self.nbdkit("down", "memory", "8M")
        self.start_daemon({"disk0": self.server.uri,
                           "down": f"Uri={self.down.uri}\n"
                                   "RequestTimeout=500ms",
                           "admins-only": f"Uri={self.server.uri}\n"
                                          "AllowUsers=root",
                           "read-only": f"Uri={self.server.uri}\n"
                                        "ReadOnly=yes"},
                          "AdHocUsers=root\nAdHocTransports=unix")

    def tearDown(self):
        if self.daemon.process.poll() is None:
            self.nbdctl("size", "disk0")
        super().tearDown()

    def refused(self, code, *words, **keywords):
        result = self.nbdctl("-o", "json", *words, code=code, **keywords)
        error = result.error()
        self.assertEqual(error["code"], code)
        for part in ("attempted", "seen", "todo"):
            self.assertTrue(error[part], f"{part} is empty: {error}")
        self.assertEqual(result.out, b"")
        return error

    def test_unknown_volume(self):
        for words in (["size", "disk9"], ["read", "disk9"],
                      ["volume", "show", "disk9"], ["map", "disk9"],
                      ["copy", "disk9", self.path("file")],
                      ["copy", "disk0", "disk9"]):
            error = self.refused(UNKNOWN_VOLUME, *words)
            self.assertIn("disk9", error["seen"])
            self.assertIn("nbdctl volume ls", error["todo"])
        # A file may have been meant.
        self.assertIn("./NAME", error["todo"])
        self.assertFalse(os.path.exists(self.path("file")))

    def test_bad_uri(self):
        for uri in ("nbd://host:notaport/", "nbd+unix:///nosocket",
                    "http://host/x", "nbd:disk0", "a b"):
            self.refused(USAGE, "info", uri)
            self.refused(USAGE, "read", uri)

    def test_wrong_offset(self):
        for words in (["read", "disk0", "--offset", "8M", "--length", "1"],
                      ["trim", "disk0", "--offset", "9M", "--length", "1"]):
            self.assertEqual(self.refused(NBD, *words)["errno"], "EINVAL")

    def test_read_only_volume(self):
        for words in (["write", "read-only"],
                      ["zero", "read-only", "--length", "512"],
                      ["copy", "disk0", "read-only"]):
            error = self.refused(PERMISSION, *words, input=b"x")
            self.assertIn(error["errno"], ("EROFS", "EPERM", "EACCES"))

    def test_server_down(self):
        self.down.kill()
        self.refused(UNREACHABLE, "read", "down", "--length", "1")
        self.assertIn("not serving", self.nbdctl("health", "down",
                                                 code=NO).text)
        self.refused(UNREACHABLE, "info", self.down.uri)
        self.refused(UNREACHABLE, "read", self.down.uri)

    def test_server_silent(self):
        self.nbdctl("read", "down", "--length", "1")
        self.down.process.send_signal(signal.SIGSTOP)
        self.refused(TIMED_OUT, "-t", "300ms", "zero", "down", "--length",
                     "1")
        self.down.process.send_signal(signal.SIGCONT)

    def test_not_supported(self):
        self.refused(NOT_SUPPORTED, "map", "disk0", "-c", "x:y")

    @unittest.skipUnless(os.getuid() == 0, "only root can become another")
    def test_permission(self):
        with self.as_nobody():
            self.nbdctl("read", "disk0", "--length", "1")
            self.refused(PERMISSION, "info", self.server.uri)
            self.refused(PERMISSION, "read", self.server.uri)
            self.refused(PERMISSION, "daemon", "reload")
            self.refused(UNKNOWN_VOLUME, "volume", "show", "admins-only")
            os.chmod(self.daemon.path, 0o700)
            self.refused(PERMISSION, "ping")

    def test_daemon_killed_in_mid_copy(self):
        process = self.start_nbdctl("copy", "-", "disk0", "-o", "json",
                                    "--progress=json", "--timeout=1s",
                                    stdin=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
        process.stdin.write(b"x" * (4 * MIB))
        process.stdin.flush()
        # Some of it has been written, and it waits for more.
        line = process.stderr.readline()
        while b'"done":0,' in line:
            line = process.stderr.readline()
        self.daemon.kill()
        _, err = process.communicate(b"x" * MIB, timeout=support.TIMEOUT)
        self.assertEqual(process.returncode, PARTIAL, err)
        self.assertIn(b'"cause":%d' % NO_DAEMON, err)

    def restarts_in_mid_copy(self, end):
        """Nothing fails, and what was written is right."""
        source = self.write_file("source", os.urandom(8 * MIB))
        copy = self.start_nbdctl("copy", source, "disk0", "--rate=4M",
                                 "--verify", "--progress=json",
                                 stderr=subprocess.PIPE)
        line = copy.stderr.readline()
        while b'"done":0,' in line:
            line = copy.stderr.readline()
        end(self.daemon)
        self.daemon.start()
        _, err = copy.communicate(timeout=support.TIMEOUT)
        self.assertEqual(copy.returncode, support.OK, err)
        self.nbdctl("compare", source, "disk0")

    def test_daemon_restarted_in_mid_copy(self):
        self.restarts_in_mid_copy(support.Server.stop)

    def test_daemon_killed_and_started_in_mid_copy(self):
        self.restarts_in_mid_copy(support.Server.kill)


if __name__ == "__main__":
    support.main()
