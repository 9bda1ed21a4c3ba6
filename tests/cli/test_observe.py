#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an operator looks at with nbdctl, and closes: statistics, metrics, top,
events, connections, clients."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import unittest

from prometheus_client.parser import text_string_to_metric_families

import support
from support import CANCELLED, NO, NO_DAEMON, OK, PERMISSION, \
    UNKNOWN_VOLUME, USAGE


class Observed(support.Case):
    def setUp(self):
        super().setUp()
        self.server = self.nbdkit("server", "memory", "8M")
        self.start_daemon({"disk0": self.server.uri},
                          "AdHocUsers=*\nAdHocTransports=unix")
        self.nbdctl("write", "disk0", input=b"x" * 4096)

    def rows(self, key, *words):
        return self.nbdctl(*words, "-o", "json").json()[key]

    def await_line(self, stream, pattern):
        """The first line that matches, which the process is sure to print."""
        for line in stream:
            if re.search(pattern, line):
                return line
        self.fail(f"the output ends without {pattern}")

    def restart_server(self):
        """The same server at the same address, after a kill."""
        self.server.kill()
        self.server.start()


class Statistics(Observed):
    def test_stats_of_all_volumes(self):
        self.nbdctl("read", "disk0", "--length", "8192")
        row, = self.rows("volumes", "stats")
        self.assertEqual(row["volume"], "disk0")
        self.assertEqual(row["writes"], 1)
        self.assertGreaterEqual(row["reads"], 1)
        self.assertEqual(row["bytes_written"], 4096)
        self.assertEqual(row["bytes_read"], 8192)
        self.assertEqual((row["errors"], row["in_flight"]), (0, 0))
        self.assertGreater(row["write_p50"], 0)
        self.assertGreaterEqual(row["read_p99"], row["read_p50"])
        self.assertIsNone(row["caches"] or None)
        self.assertRegex(self.nbdctl("stats").text, r"VOLUME +READS +WRITES")

    def test_stats_of_one_volume(self):
        tables = self.nbdctl("stats", "disk0", "-o", "json").json()
        write, = [row for row in tables["commands"]
                  if row["command"] == "write"]
        self.assertEqual((write["requests"], write["errors"]), (1, 0))
        self.assertEqual({row["time"] for row in tables["times"]},
                         {"queue", "server"})
        counters = {row["counter"]: row["value"]
                    for row in tables["counters"]}
        self.assertEqual(counters["written_bytes_total"], 4096)
        self.nbdctl("stats", "disk9", code=UNKNOWN_VOLUME)
        self.nbdctl("stats", "disk0", "--columns", "mean", code=USAGE)

    def test_metrics_are_prometheus_text(self):
        text = self.nbdctl("metrics").text
        samples = {
            (sample.name, sample.labels.get("command")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.labels.get("volume") == "disk0"
            and "connection" not in sample.labels}
        self.assertEqual(
            samples["nbd_clientd_volume_requests_total", "write"], 1)

    def test_connections_and_clients(self):
        connection, = self.rows("connections", "conn", "ls")
        number = str(connection["id"])
        shown = self.nbdctl("conn", "show", number, "-o", "json").json()
        self.assertEqual(shown["connection"][0]["endpoint"], self.server.uri)
        self.assertGreater(shown["connection"][0]["answer"], 0)
        self.assertTrue(shown["commands"])
        client = self.rows("clients", "client", "ls")[-1]
        # That was another nbdctl, which has gone.
        self.nbdctl("client", "show", str(client["id"]), code=UNKNOWN_VOLUME)
        self.nbdctl("conn", "show", "999999", code=UNKNOWN_VOLUME)
        for words in (["conn", "show", "first"], ["conn", "show", "0"],
                      ["client", "show", "-1"], ["conn", "kill", "1x"]):
            self.nbdctl(*words, code=USAGE)

    def test_a_killed_connection_is_made_again(self):
        before, = self.rows("connections", "conn", "ls")
        self.nbdctl("conn", "kill", str(before["id"]), "--dry-run")
        self.nbdctl("conn", "kill", str(before["id"]))
        self.nbdctl("read", "disk0", "--length", "1")
        after = self.rows("connections", "conn", "ls")
        self.assertNotIn(before["id"], [row["id"] for row in after])
        self.nbdctl("conn", "kill", str(before["id"]), code=UNKNOWN_VOLUME)

    def test_a_killed_client_ends(self):
        process = self.start_nbdctl(
            "volume", "open", self.server.uri, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.await_line(process.stdout, "ad hoc")
        victim, = [row["id"] for row in self.rows("clients", "client", "ls")
                   if row["pid"] == process.pid]
        shown = self.nbdctl("client", "show", str(victim), "-o",
                            "json").json()["client"][0]
        self.assertEqual((shown["pid"], shown["ad_hoc_volumes"]),
                         (process.pid, 1))
        self.nbdctl("client", "kill", str(victim))
        token = None
        for event in self.events("--since", "oldest"):
            token = event["token"]
            if event["event"] == "volume-closed":
                break
        self.assertTrue(token)
        self.assertEqual(self.nbdctl("volume", "ls", "-o", "value",
                                     "--columns", "name").text, "disk0\n")

    def events(self, *words):
        process = self.start_nbdctl(
            "daemon", "events", "-o", "jsonl", *words,
            stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            yield json.loads(line)

    def test_the_log_level(self):
        level = self.rows("log_level", "daemon", "log-level")[0]
        self.assertEqual(level["level"], "info")
        level = self.rows("log_level", "daemon", "log-level", "debug")[0]
        self.assertEqual((level["level"], level["previous"]),
                         ("debug", "info"))
        self.assertIn("loud", self.nbdctl("daemon", "log-level", "loud",
                                          code=USAGE).err)

    @unittest.skipUnless(os.getuid() == 0, "only root can become another")
    def test_what_is_for_administrators(self):
        with self.as_nobody():
            for words in (["metrics"], ["daemon", "events"],
                          ["daemon", "log-level", "debug"], ["conn", "ls"],
                          ["conn", "kill", "1"], ["client", "ls"],
                          ["client", "kill", "1"]):
                self.nbdctl(*words, code=PERMISSION)
            # Volumes are for whoever may use them.
            self.assertEqual(self.rows("volumes", "stats")[0]["writes"], 1)
            top = self.nbdctl("top", "--once", "--interval", "50ms", "-o",
                              "json").json()
            self.assertEqual(list(top), ["volumes"])


class Top(Observed):
    def test_one_table_where_there_is_no_terminal(self):
        load = self.start_nbdctl("bench", "disk0", "--time", "60s", "-v",
                                 stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True)
        self.await_line(load.stderr, "the first answer")
        top = self.nbdctl("top", "--interval", "500ms", "-o", "json").json()
        volume, = top["volumes"]
        self.assertEqual(volume["volume"], "disk0")
        self.assertGreater(volume["reads"], 10)
        self.assertEqual(volume["writes"], 0)
        self.assertAlmostEqual(volume["bytes_read"] / volume["reads"], 4096,
                               delta=200)
        self.assertGreaterEqual(volume["read_p99"], volume["read_p50"])
        client, = [row for row in top["clients"] if row["pid"] == load.pid]
        self.assertGreater(client["reads"], 10)
        text = self.nbdctl("top", "--once", "--interval", "100ms").text
        self.assertRegex(text, r"VOLUME +READS")
        self.assertNotIn("\033[H", text)

    def test_a_volume_at_rest_has_no_latency(self):
        volume, = self.nbdctl("top", "--once", "--interval", "50ms", "-o",
                              "json").json()["volumes"]
        self.assertEqual(volume["reads"], 0)
        self.assertIsNone(volume["read_p50"])

    def on_terminal(self, *words):
        terminal, other = pty.openpty()
        self.addCleanup(os.close, terminal)
        process = self.start_nbdctl(*words, stdin=other, stdout=other,
                                    stderr=subprocess.DEVNULL)
        os.close(other)
        return process, terminal

    def await_screens(self, terminal, count):
        seen = b""
        while seen.count(b"\033[H") < count:
            ready, _, _ = select.select([terminal], [], [], support.TIMEOUT)
            self.assertTrue(ready, seen)
            seen += os.read(terminal, 65536)
        return seen

    def test_a_terminal_is_refreshed_until_q(self):
        process, terminal = self.on_terminal("top", "--interval", "50ms")
        self.assertIn(b"disk0", self.await_screens(terminal, 3))
        os.write(terminal, b"xq")
        self.assertEqual(process.wait(support.TIMEOUT), OK)

    def test_a_signal_ends_it_too(self):
        for words in (["top", "--interval", "50ms"], ["status", "--watch"]):
            process, terminal = self.on_terminal(*words)
            self.assertIn(b"disk0", self.await_screens(terminal, 2))
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(support.TIMEOUT), CANCELLED)

    def test_watch_without_a_terminal_is_lines(self):
        process = self.start_nbdctl("status", "--watch", "-o", "jsonl",
                                    stdout=subprocess.PIPE, text=True)
        for _ in range(2):
            line = self.await_line(process.stdout, '"name":"disk0"')
            self.assertEqual(json.loads(line)["state"], "ready")


class Events(Observed):
    def follow(self, *words):
        return self.start_nbdctl("daemon", "events", *words,
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)

    def history(self):
        return self.rows("events", "daemon", "events", "--once")

    def test_history_is_json_with_tokens(self):
        history = self.history()
        self.assertEqual([row["event"] for row in history],
                         ["volume-opened", "connected"])
        self.assertEqual(history[1]["volume"], "disk0")
        self.assertRegex(history[1]["time"],
                         r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        later = self.rows("events", "daemon", "events", "--once", "--since",
                          history[0]["token"])
        self.assertEqual(later, history[1:])
        self.assertEqual(self.rows("events", "daemon", "events", "--once",
                                   "--since", history[-1]["token"]), [])
        self.nbdctl("daemon", "events", "--since", "noon", code=USAGE)
        self.nbdctl("daemon", "events", "-o", "json", code=USAGE)

    def test_lines_for_people(self):
        process = self.follow("--since", "oldest")
        line = self.await_line(process.stdout, " connected ")
        self.assertRegex(line, r"^\d{4}-\S+Z connected disk0: connected to ")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(support.TIMEOUT), CANCELLED)

    def test_a_server_lost_and_found(self):
        process = self.follow("--since", self.history()[-1]["token"], "-o",
                              "jsonl")
        self.restart_server()
        lost = json.loads(self.await_line(process.stdout, '"lost"'))
        found = json.loads(self.await_line(process.stdout, '"connected"'))
        self.assertEqual(lost["volume"], "disk0")
        self.assertGreater(found["sequence"], lost["sequence"])
        self.assertGreater(found["connection"], lost["connection"])

    def test_goes_on_when_the_daemon_starts_again(self):
        process = self.follow("--since", "oldest", "-o", "jsonl")
        self.await_line(process.stdout, '"connected"')
        self.daemon.stop()
        self.daemon.start()
        self.await_line(process.stdout, '"gap"')
        again = json.loads(self.await_line(process.stdout,
                                           '"volume-opened"'))
        self.assertEqual(again["sequence"], 1)


    def test_ends_when_the_daemon_stays_away(self):
        process = self.start_nbdctl(
            "daemon", "events", "--since", "oldest", "-t", "500ms",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.await_line(process.stdout, " connected ")
        self.daemon.kill()
        _, err = process.communicate(timeout=support.TIMEOUT)
        self.assertEqual(process.returncode, NO_DAEMON)
        # Who only listens has nothing carried out.
        self.assertNotIn("carried", err)


class Health(Observed):
    def test_the_exit_code_follows_the_server(self):
        self.nbdctl("health", "disk0", code=OK)
        watch = self.start_nbdctl("health", "disk0", "--watch", "-o", "jsonl",
                                  stdout=subprocess.PIPE, text=True)
        self.await_line(watch.stdout, '"serving"')
        self.server.kill()
        self.await_line(watch.stdout, '"not serving"')
        self.nbdctl("health", "disk0", code=NO)
        self.nbdctl("health", code=OK)
        self.server.start()
        self.await_line(watch.stdout, '"serving"')
        self.nbdctl("health", "disk0", code=OK)
        watch.send_signal(signal.SIGINT)
        self.assertEqual(watch.wait(support.TIMEOUT), CANCELLED)


if __name__ == "__main__":
    support.main()
