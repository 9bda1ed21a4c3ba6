#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an operator sees of a running daemon, and does to it: metrics, events,
the log of slow requests, connections and clients closed.

Usage: test-observe.py NBD-CLIENTD PROTO-ROOT
"""

import http.client
import os
import re
import subprocess
import threading
import unittest

import grpc
from prometheus_client.parser import text_string_to_metric_families

from harness import PATIENCE, STUBS, Daemon, DaemonTest, Workdir, main

MIB = 1024 * 1024
PROMTOOL = os.path.join(os.path.dirname(__file__), "../../support/promtool")
BUCKET = re.compile("_bucket$")


def samples_of(text):
    """{(name, labels): value}, from a parser that nobody here wrote."""
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in samples, f"{key} comes twice"
            samples[key] = sample.value
    return samples


class Observed(DaemonTest):
    def write(self, volume, offset, data):
        self.io.Write(STUBS.io.WriteRequest(volume=volume, offset=offset,
                                            data=data), timeout=PATIENCE)

    def metrics(self):
        return self.admin.GetMetrics(STUBS.admin.GetMetricsRequest(),
                                     timeout=PATIENCE).text

    def value(self, name, **labels):
        return samples_of(self.metrics())[
            "nbd_clientd_" + name, frozenset(labels.items())]

    def stats(self, scope, **keywords):
        return self.admin.GetStats(
            STUBS.admin.GetStatsRequest(
                scope=getattr(STUBS.admin, "STATS_SCOPE_" + scope),
                **keywords), timeout=PATIENCE).stats

    def connections(self, volume="disk"):
        return self.admin.ListConnections(
            STUBS.admin.ListConnectionsRequest(volume=volume),
            timeout=PATIENCE).connections


class Metrics(Observed):
    settings = ["MetricsListen=127.0.0.1:0", "SlowRequest=100ms"]

    @classmethod
    def servers(cls):
        return {"disk": ["memory", "64M"],
                "late": ["--filter=delay", "memory", "16M",
                         "delay-read=200ms"]}

    def http(self, method, path):
        port = re.search(r"metrics at http://127.0.0.1:(\d+)/metrics",
                         self.daemon.log()).group(1)
        connection = http.client.HTTPConnection("127.0.0.1", int(port),
                                                timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.request(method, path)
        return connection.getresponse()

    def test_counts_requests_bytes_and_errors(self):
        before = samples_of(self.metrics())
        for i in range(3):
            self.read("disk", i * 4096, 4096)
        self.write("disk", 0, b"x" * 8192)
        self.assert_fails(grpc.StatusCode.OUT_OF_RANGE, self.io.Read,
                          STUBS.io.ReadRequest(volume="disk", offset=64 * MIB,
                                               length=1))
        after = samples_of(self.metrics())

        def grown(name, **labels):
            key = ("nbd_clientd_volume_" + name,
                   frozenset({"volume": "disk", **labels}.items()))
            return after[key] - before.get(key, 0)

        self.assertEqual(grown("requests_total", command="read"), 4)
        self.assertEqual(grown("request_errors_total", command="read"), 1)
        self.assertEqual(grown("requests_total", command="write"), 1)
        self.assertEqual(grown("requests_total", command="block_status"), 0)
        self.assertEqual(grown("read_bytes_total"), 3 * 4096)
        self.assertEqual(grown("written_bytes_total"), 8192)
        self.assertEqual(grown("request_seconds_count", command="read"), 4)
        self.assertEqual(grown("queue_seconds_count"), 5)
        # The one that was refused never reached the server.
        self.assertEqual(grown("server_seconds_count"), 4)
        self.assertEqual(grown("requests_in_flight"), 0)
        self.assertEqual(grown("requests_waiting"), 0)

    def test_is_what_prometheus_takes(self):
        self.read("disk", 0, 4096)
        text = self.metrics()
        families = list(text_string_to_metric_families(text))
        names = [family.name for family in families]
        self.assertEqual(len(names), len(set(names)), "a family comes twice")
        for family in families:
            self.assertNotEqual(family.type, "unknown", family.name)
            self.assertTrue(family.documentation, family.name)
            self.assertTrue(family.name.startswith("nbd_clientd_"))
        for scope in ("volume", "connection", "client"):
            self.assertIn(f"nbd_clientd_{scope}_requests", names)
        self.assertTrue(text.endswith("\n"))

    def test_histograms_are_cumulative_and_agree_with_the_counters(self):
        self.read("disk", 0, 4096)
        samples = samples_of(self.metrics())
        histograms = {}
        for (name, labels), value in samples.items():
            labels = dict(labels)
            if BUCKET.search(name):
                bound = float(labels.pop("le"))
                histograms.setdefault(
                    (BUCKET.sub("", name), frozenset(labels.items())),
                    []).append((bound, value))
        self.assertGreater(len(histograms), 5)
        for (name, labels), buckets in histograms.items():
            buckets.sort()
            counts = [count for _, count in buckets]
            self.assertEqual(counts, sorted(counts), name)
            self.assertEqual(buckets[-1][0], float("inf"))
            self.assertEqual(counts[-1], samples[name + "_count", labels])
            self.assertIn((name + "_sum", labels), samples)
            if name.endswith("request_seconds"):
                requests = name.replace("request_seconds", "requests_total")
                self.assertEqual(counts[-1], samples[requests, labels])

    def test_promtool_has_nothing_to_say(self):
        self.read("disk", 0, 4096)
        checked = subprocess.run([PROMTOOL, "check", "metrics"],
                                 input=self.metrics().encode(),
                                 capture_output=True, check=False)
        if checked.returncode == 77:
            self.skipTest(checked.stderr.decode())
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr),
                         (0, b"", b""))

    def test_one_slow_read_is_in_the_right_bucket_and_in_the_log(self):
        self.read("late", 512, 1024)
        late = samples_of(self.metrics())

        def below(bound):
            return late["nbd_clientd_volume_server_seconds_bucket",
                        frozenset({"volume": "late", "le": bound}.items())]

        self.assertEqual(below("0.131072"), 0)
        # Other tests may have read from it, too.
        self.assertGreaterEqual(below("+Inf"), 1)
        self.assertEqual(below("+Inf"), self.value(
            "volume_requests_total", volume="late", command="read"))
        self.assertEqual(below("+Inf"), self.value(
            "volume_slow_requests_total", volume="late"))
        line = re.search(r"volume late: slow request \d+: read of 1024 bytes "
                         r"at 512 for client \d+ \(pid (\d+), uid \d+\) took "
                         r"(0\.[2-9]\d*) s: queue (0\.\d+) s, wire and server "
                         r"(0\.[2-9]\d*) s\n", self.daemon.log())
        self.assertTrue(line, self.daemon.log())
        self.assertLess(float(line.group(3)), float(line.group(2)))
        self.assertNotIn("volume disk: slow", self.daemon.log())

    def test_http_tells_the_same(self):
        response = self.http("GET", "/metrics")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.getheader("Content-Type"),
                         "text/plain; version=0.0.4; charset=utf-8")
        names = {name for name, _ in samples_of(response.read().decode())}
        self.assertEqual(names, {name for name, _
                                 in samples_of(self.metrics())})
        self.assertEqual(self.http("HEAD", "/metrics").status, 200)
        self.assertEqual(self.http("GET", "/").status, 404)
        self.assertEqual(self.http("GET", "/metrics/../etc").status, 404)
        self.assertEqual(self.http("POST", "/metrics").status, 405)

    def test_messages_tell_the_same_as_the_text(self):
        self.read("disk", 0, 4096)
        volume, = self.stats("VOLUME", volume="disk")
        counters = {counter.name: counter.value for counter
                    in volume.counters}
        samples = samples_of(self.metrics())
        for name, value in counters.items():
            self.assertEqual(value, samples["nbd_clientd_volume_" + name,
                                            frozenset({("volume", "disk")})])
        reads, = [command for command in volume.commands
                  if command.command == STUBS.common.COMMAND_READ]
        self.assertEqual(reads.requests, self.value(
            "volume_requests_total", volume="disk", command="read"))
        self.assertEqual(reads.latency.count, reads.requests)
        self.assertEqual(sum(bucket.count for bucket
                             in reads.latency.buckets), reads.requests)
        for bucket in reads.latency.buckets:
            self.assertLess(bucket.from_ns, bucket.below_ns)
        self.assertEqual({latency.name for latency in volume.latencies},
                         {"queue_seconds", "server_seconds"})

    def test_stats_of_connections_and_clients(self):
        self.read("disk", 0, 4096)
        connection = self.connections()[0]
        stats, = self.stats("CONNECTION", id=connection.id)
        self.assertEqual((stats.volume, stats.id), ("disk", connection.id))
        self.assertGreater(connection.answer_us, 0)
        mine = [client for client in self.stats("CLIENT")
                if client.commands]
        self.assertIn(STUBS.common.COMMAND_READ,
                      [command.command for command in mine[0].commands])
        for wrong in ({"scope": "CONNECTION", "id": 999999},
                      {"scope": "CLIENT", "id": 999999},
                      {"scope": "VOLUME", "volume": "nowhere"}):
            self.assert_fails(
                grpc.StatusCode.NOT_FOUND,
                lambda timeout, wrong=wrong: self.stats(**wrong))
        self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT,
                          lambda timeout: self.stats("UNSPECIFIED"))

    def test_a_client_is_counted_over_all_threads(self):
        with self.daemon.channel() as channel:
            stub = STUBS.io_grpc.IOStub(channel)
            for volume in ("disk", "late"):
                self.read(volume, 0, 512, stub)
            counted = [
                sum(command.requests for command in client.commands)
                for client in self.stats("CLIENT")]
            self.assertIn(2, counted)


class Followed(Observed):
    settings = ["AdHocUsers=*", "AdHocTransports=unix"]

    def follow(self, since="", once=False):
        return self.admin.Events(
            STUBS.admin.EventsRequest(since=since, once=once),
            timeout=PATIENCE)

    def history(self):
        return list(self.follow("oldest", once=True))

    def kind(self, event):
        return STUBS.admin.EventKind.Name(event.kind).replace(
            "EVENT_KIND_", "")

    def reload(self, times):
        for _ in range(times):
            self.admin.Reload(STUBS.admin.ReloadRequest(), timeout=PATIENCE)


class Events(Followed):
    def test_tells_of_a_server_lost_and_found(self):
        self.read("disk", 0, 1)
        events = self.follow(self.history()[-1].token)
        self.nbd["disk"].kill()
        lost = next(events)
        self.nbd["disk"].start()
        connected = next(events)
        while self.kind(connected) == "LOST":
            connected = next(events)
        events.cancel()
        self.assertEqual(self.kind(lost), "LOST")
        self.assertEqual(lost.name, "lost")
        self.assertEqual(lost.volume, "disk")
        self.assertEqual(lost.endpoint, self.nbd["disk"].uri)
        self.assertGreater(lost.connection, 0)
        self.assertTrue(lost.text)
        self.assertEqual(self.kind(connected), "CONNECTED")
        self.assertNotEqual(connected.connection, lost.connection)
        self.assertGreater(connected.time_us, lost.time_us)

    def test_numbers_have_no_holes_and_a_token_goes_on(self):
        self.reload(3)
        history = self.history()
        self.assertEqual([event.sequence for event in history],
                         list(range(1, len(history) + 1)))
        self.assertEqual(self.kind(history[0]), "VOLUME_OPENED")
        for i, event in enumerate(history):
            rest = list(self.follow(event.token, once=True))
            self.assertEqual([later.sequence for later in rest][:2],
                             [later.sequence for later
                              in history[i + 1:i + 3]])

    def test_nothing_of_the_past_without_a_token(self):
        self.reload(1)
        self.assertEqual(list(self.follow(once=True)), [])

    def test_a_place_that_is_none_is_refused(self):
        for since in ("yesterday", "0", "-", "1-1"):
            self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT,
                              self.admin.Events,
                              STUBS.admin.EventsRequest(since=since))

    def test_a_reload_and_ad_hoc_volumes_are_told(self):
        token = self.history()[-1].token
        opened = self.volumes.OpenVolume(
            STUBS.volumes.OpenVolumeRequest(uri=self.nbd["disk"].uri),
            timeout=PATIENCE)
        self.volumes.CloseVolume(
            STUBS.volumes.CloseVolumeRequest(name=opened.name),
            timeout=PATIENCE)
        told = []
        for event in self.follow(token):
            if event.volume == opened.name:
                told.append(self.kind(event))
            if self.kind(event) == "VOLUME_CLOSED":
                break
        self.assertEqual(told, ["VOLUME_OPENED", "CONNECTED",
                                "VOLUME_CLOSED"])


class Gaps(Followed):
    """Those of other tests stay out of the way: many events, and restarts."""

    def test_what_is_not_kept_is_a_gap(self):
        first = self.history()[0]
        self.reload(1100)
        gap, following = self.gap_after(first.token)
        self.assertGreater(gap.missed, 0)
        self.assertEqual(gap.sequence, first.sequence + gap.missed)
        self.assertEqual(following.sequence, gap.sequence + 1)
        # From the token of a gap one goes on behind it.
        again = next(self.follow(gap.token))
        self.assertEqual(again.sequence, following.sequence)
        self.assertNotEqual(self.kind(self.history()[0]), "GAP")

    def gap_after(self, token):
        events = self.follow(token)
        gap = next(events)
        following = next(events)
        events.cancel()
        self.assertEqual(self.kind(gap), "GAP")
        return gap, following

    def test_a_token_of_another_run_is_a_gap(self):
        token = self.history()[-1].token
        with Restarted(self.nbd["disk"]) as daemon:
            with daemon.channel() as channel:
                events = STUBS.admin_grpc.AdminStub(channel).Events(
                    STUBS.admin.EventsRequest(since=token, once=True),
                    timeout=PATIENCE)
                told = list(events)
        self.assertEqual(self.kind(told[0]), "GAP")
        self.assertEqual(told[0].missed, 0)
        self.assertIn("another run", told[0].text)
        self.assertEqual(told[1].sequence, 1)

    def test_a_drain_is_told_and_ends_the_stream(self):
        with Restarted(self.nbd["disk"]) as daemon:
            with daemon.channel() as channel:
                events = STUBS.admin_grpc.AdminStub(channel).Events(
                    STUBS.admin.EventsRequest(since="oldest"),
                    timeout=PATIENCE)
                next(events)
                daemon.drain()
                told = list(events)
            # A connection that was being made may be told after it.
            self.assertIn("DRAINING", [self.kind(event) for event in told])
            self.assertEqual(events.code(), grpc.StatusCode.OK)


class Restarted:
    """Another daemon for the same server."""

    def __init__(self, server):
        self.workdir = Workdir()
        self.daemon = Daemon(self.workdir, {"disk": ["Uri=" + server.uri]})

    def __enter__(self):
        return self.daemon

    def __exit__(self, *ignored):
        self.daemon.stop()
        self.workdir.remove()


class Control(Observed):
    settings = ["AdHocUsers=*", "AdHocTransports=unix"]

    @classmethod
    def servers(cls):
        # With several threads for a connection, nbdkit 1.32 aborts ("Assertion
        # `sock >= 0' failed") when one finds it closed while another replies.
        return {"disk": ["--threads=1", "memory", "64M"]}

    def kill_connection(self, number):
        return self.admin.KillConnection(
            STUBS.admin.KillConnectionRequest(id=number), timeout=PATIENCE)

    def test_a_killed_connection_costs_no_request(self):
        self.read("disk", 0, 1)
        failures = []
        ends = threading.Event()

        def load():
            with self.daemon.channel() as channel:
                stub = STUBS.io_grpc.IOStub(channel)
                while not ends.is_set():
                    try:
                        self.read("disk", 0, 4096, stub)
                    except grpc.RpcError as error:
                        failures.append(error)

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        killed = 0
        while killed < 5:
            for connection in self.connections():
                try:
                    self.kill_connection(connection.id)
                    killed += 1
                except grpc.RpcError as error:
                    # It was the last moment of its life anyway.
                    self.assertEqual(error.code(),
                                     grpc.StatusCode.NOT_FOUND)
        ends.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertRegex(self.daemon.log(),
                         r"connection lost: connection \d+ to \S+ was closed "
                         r"by an administrator \(uid \d+, pid \d+\)")
        self.assertGreaterEqual(
            self.value("volume_reconnects_total", volume="disk"), 1)

    def test_unknown_numbers(self):
        self.assert_fails(grpc.StatusCode.NOT_FOUND,
                          self.admin.KillConnection,
                          STUBS.admin.KillConnectionRequest(id=999999))
        self.assert_fails(grpc.StatusCode.NOT_FOUND, self.admin.KillClient,
                          STUBS.admin.KillClientRequest(id=999999))

    def clients(self):
        return {client.id for client in self.admin.ListClients(
            STUBS.admin.ListClientsRequest(), timeout=PATIENCE).clients}

    def test_a_killed_client_is_gone_and_what_it_held_with_it(self):
        mine = self.clients()
        with self.daemon.channel() as channel:
            opened = STUBS.volumes_grpc.VolumesStub(channel).OpenVolume(
                STUBS.volumes.OpenVolumeRequest(
                    uri=self.nbd["disk"].uri), timeout=PATIENCE)
            watch = STUBS.health_grpc.HealthStub(channel).Watch(
                STUBS.health.HealthCheckRequest(service=opened.name),
                timeout=PATIENCE)
            next(watch)
            victim, = self.clients() - mine
            self.admin.KillClient(
                STUBS.admin.KillClientRequest(id=victim), timeout=PATIENCE)
            error = self.assert_fails_when_read(watch)
            self.assertIn(error.code(), (grpc.StatusCode.CANCELLED,
                                         grpc.StatusCode.UNAVAILABLE))
        self.wait_until("the client is gone",
                        lambda: victim not in self.clients())
        names = [volume.name for volume in self.volumes.ListVolumes(
            STUBS.volumes.ListVolumesRequest(), timeout=PATIENCE).volumes]
        self.assertEqual(names, ["disk"])

    def assert_fails_when_read(self, stream):
        with self.assertRaises(grpc.RpcError) as caught:
            for _ in stream:
                pass
        return caught.exception

    def test_nobody_kills_himself(self):
        victim, = [client.id for client in self.admin.ListClients(
            STUBS.admin.ListClientsRequest(), timeout=PATIENCE).clients
            if client.calls > 0]
        self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT,
                          self.admin.KillClient,
                          STUBS.admin.KillClientRequest(id=victim))

    def set_level(self, level=""):
        answer = self.admin.SetLogLevel(
            STUBS.admin.SetLogLevelRequest(level=level), timeout=PATIENCE)
        return answer.previous, answer.level

    def test_the_log_level_changes_until_the_next_reload(self):
        self.assertEqual(self.set_level(), ("info", "info"))
        self.assertEqual(self.set_level("debug"), ("info", "debug"))
        self.assertEqual(self.set_level(), ("debug", "debug"))
        self.assertIn("log level debug set by an administrator",
                      self.daemon.log())
        self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT,
                          self.admin.SetLogLevel,
                          STUBS.admin.SetLogLevelRequest(level="loud"))
        self.admin.Reload(STUBS.admin.ReloadRequest(), timeout=PATIENCE)
        self.assertEqual(self.set_level(), ("info", "info"))


if __name__ == "__main__":
    main()
