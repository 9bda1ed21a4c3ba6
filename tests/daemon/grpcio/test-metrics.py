#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the time of a slow request went, on TCP; the HTTP listener when the
configuration is read again; names and types as Prometheus advises.

Usage: test-metrics.py NBD-CLIENTD PROTO-ROOT
"""

import http.client
import re
import socket

import grpc
from prometheus_client.parser import text_string_to_metric_families

from harness import PATIENCE, STUBS, Daemon, DaemonTest, NbdkitServer, \
    Workdir, main

SECONDS = r"(\d+\.\d{6}) s"


class TcpServer(NbdkitServer):
    """nbdkit on a port that listens before nbdkit runs."""

    # pylint: disable=super-init-not-called
    def __init__(self, *arguments):
        self.arguments = arguments
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.process = None
        self.start()

    @property
    def uri(self):
        return f"nbd://127.0.0.1:{self.listener.getsockname()[1]}"


class SlowRequests(DaemonTest):
    """One at a time goes to a server that takes 200 ms for each."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = TcpServer("--filter=delay", "memory", "1M",
                               "delay-read=200ms")
        cls.addClassCleanup(cls.server.stop)
        workdir = Workdir()
        cls.addClassCleanup(workdir.remove)
        cls.late = Daemon(workdir, {
            "far": ["Uri=" + cls.server.uri, "Connections=1", "InFlight=1"],
        }, ["SlowRequest=100ms"])
        cls.addClassCleanup(cls.late.stop)

    def slow_lines(self):
        return [tuple(map(float, found)) for found in re.findall(
            rf"slow request \d+: read of 512 bytes at \d+ .* took {SECONDS}: "
            rf"queue {SECONDS}, wire {SECONDS}, server {SECONDS}\n",
            self.late.log())]

    def test_queue_wire_and_server_are_told_apart(self):
        with self.late.channel() as channel:
            stub = STUBS.io_grpc.IOStub(channel)
            calls = [stub.Read.future(
                STUBS.io.ReadRequest(volume="far", offset=offset, length=512),
                timeout=PATIENCE) for offset in range(0, 4096, 1024)]
            for call in calls:
                call.result()
        lines = self.slow_lines()
        self.assertEqual(len(lines), 4, self.late.log())
        for total, queue, wire, server in lines:
            self.assertGreaterEqual(server, 0.19)
            self.assertGreater(wire, 0)
            # Each is cut off after the microsecond.
            self.assertAlmostEqual(total, queue + wire + server, delta=4e-6)
        # They have waited for each other.
        self.assertGreater(max(queue for _, queue, _, _ in lines), 0.1)


class Listener(DaemonTest):
    """MetricsListen= comes, moves and goes without a restart."""

    def configure(self, *settings):
        with open(self.workdir.file("nbd-clientd.conf"), "w",
                  encoding="utf-8") as out:
            out.write("[Daemon]\n" f"Listen={self.daemon.socket_path}\n")
            out.writelines(line + "\n" for line in settings)

    def reload(self):
        self.admin.Reload(STUBS.admin.ReloadRequest(), timeout=PATIENCE)

    def address(self):
        """Where the daemon said last that metrics are."""
        host, port = re.findall(r"metrics at http://(.*):(\d+)/metrics",
                                self.daemon.log())[-1]
        return host.strip("[]"), int(port)

    def status_of(self, address):
        """What GET answers, or None if nobody listens."""
        connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().status
        except ConnectionRefusedError:
            return None
        finally:
            connection.close()

    def test_follows_the_configuration(self):
        self.assertNotIn("metrics at", self.daemon.log())
        self.configure("MetricsListen=127.0.0.1:0")
        self.reload()
        first = self.address()
        self.assertEqual(self.status_of(first), 200)
        # The same again is left alone.
        self.reload()
        self.assertEqual(self.address(), first)
        self.configure("MetricsListen=127.0.0.2:0")
        self.reload()
        second = self.address()
        self.assertEqual(second[0], "127.0.0.2")
        self.assertEqual(self.status_of(second), 200)
        self.assertIsNone(self.status_of(first))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.configure(f"MetricsListen=127.0.0.1:{port}")
            error = self.assert_fails(
                grpc.StatusCode.FAILED_PRECONDITION, self.admin.Reload,
                STUBS.admin.ReloadRequest())
            self.assertIn("nothing has changed", error.details())
            self.assertIn(str(port), error.details())
        self.assertEqual(self.status_of(second), 200)
        self.configure()
        self.reload()
        self.assertIsNone(self.status_of(second))
        self.assert_serves()


class Advice(DaemonTest):
    """What `promtool check metrics` looks for, for where it is not."""

    def test_names_and_types_are_as_prometheus_advises(self):
        self.read("disk", 0, 512)
        text = self.admin.GetMetrics(STUBS.admin.GetMetricsRequest(),
                                     timeout=PATIENCE).text
        helps = re.findall(r"^# HELP (\S+) (\S.*)$", text, re.M)
        types = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)
        self.assertEqual([name for name, _ in helps],
                         [name for name, _ in types])
        self.assertEqual(len(list(text_string_to_metric_families(text))),
                         len(types))
        for name, kind in types:
            self.assertRegex(name, r"^[a-z][a-z0-9_]*$")
            self.assertEqual(name.endswith("_total"), kind == "counter", name)
            self.assertNotRegex(name, r"_(count|sum|bucket|counter|gauge|"
                                      r"histogram)(_|$)")
            self.assertNotRegex(name, r"_(ms|us|ns|milliseconds|microseconds|"
                                      r"minutes|kilobytes|megabytes|bits)"
                                      r"(_|$)")
            if kind == "histogram":
                self.assertTrue(name.endswith("_seconds"), name)


if __name__ == "__main__":
    main()
