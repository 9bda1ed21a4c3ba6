#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that talk nonsense, ask too much, or die: the daemon serves on. And
its end while clients are at work.

Usage: test-robustness.py NBD-CLIENTD PROTO-ROOT
"""

import os
import queue
import random
import signal
import socket
import subprocess
import sys

import grpc

from harness import PATIENCE, STUBS, Daemon, DaemonTest, Workdir, main

MIB = 1024 * 1024
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# A client that keeps a channel busy, in a process of its own.
BUSY_CLIENT = """
import sys
import grpc
sys.path[:0] = [sys.argv[2]]
from nbdclientd.v1 import io_pb2, io_pb2_grpc

def messages():
    yield io_pb2.ChannelRequest(open=io_pb2.ChannelOpen(volume="disk"))
    while True:
        yield io_pb2.ChannelRequest(requests=[
            io_pb2.IoRequest(id=1, command=1, offset=0, length=65536)])

channel = grpc.insecure_channel("unix:" + sys.argv[1])
for number, _ in enumerate(io_pb2_grpc.IOStub(channel).Channel(messages())):
    if number == 10:
        print("busy", flush=True)
"""

# One that waits for what the daemon says.
WAITING_CLIENT = """
import sys
import grpc
sys.path[:0] = [sys.argv[2]]
from nbdclientd.v1 import admin_pb2, admin_pb2_grpc

channel = grpc.insecure_channel("unix:" + sys.argv[1])
for event in admin_pb2_grpc.AdminStub(channel).Events(
        admin_pb2.EventsRequest(since="oldest")):
    print("waiting", flush=True)
"""


def run_client(program, daemon):
    """PROGRAM as a process of its own."""
    generated = os.path.dirname(os.path.dirname(os.path.dirname(
        STUBS.io.__file__)))
    return subprocess.Popen(
        [sys.executable, "-c", program, daemon.socket_path, generated],
        stdout=subprocess.PIPE)


class Nonsense(DaemonTest):
    def send_bytes(self, data):
        """The daemon closes the connection, whatever it answers before."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.daemon.socket_path)
            client.settimeout(PATIENCE)
            try:
                client.sendall(data)
                while client.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass

    def test_random_bytes_end_their_connection_only(self):
        source = random.Random(2)
        for length in (24, 100, 3000, 100000):
            self.send_bytes(source.randbytes(length))
            # A frame of random bytes with a length that is far too large.
            self.send_bytes(PREFACE + b"\xff" * 9
                            + source.randbytes(length))
        self.send_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assert_serves()

    def test_a_message_above_the_limit_is_refused(self):
        request = STUBS.io.WriteRequest(volume="disk", data=bytes(5 * MIB))
        error = self.assert_fails(grpc.StatusCode.RESOURCE_EXHAUSTED,
                                  self.io.Write, request)
        self.assertIn(str(4 * MIB), error.details())
        message = STUBS.io.ChannelRequest(requests=[STUBS.io.IoRequest(
            command=STUBS.common.COMMAND_WRITE, data=bytes(5 * MIB))])
        opening = STUBS.io.ChannelRequest(
            open=STUBS.io.ChannelOpen(volume="disk"))
        self.assert_fails(grpc.StatusCode.RESOURCE_EXHAUSTED,
                          self.io.Channel, iter([opening, message]))
        self.assert_serves()

    def test_bytes_that_are_no_message_are_refused(self):
        raw = self.connection.unary_unary
        stream = self.connection.stream_stream
        for data in (b"\xff", b"\x0a\x05abc", b"\x0a\x01\xff", b"\x08\x80"):
            self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT,
                              raw("/nbdclientd.v1.IO/Read"), data)
            self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT,
                              stream("/nbdclientd.v1.IO/Channel"),
                              iter([data]))
        self.assert_serves()

    def test_an_unknown_method_is_unimplemented(self):
        for path in ("/nbdclientd.v1.IO/Destroy", "/nbdclientd.v2.IO/Read",
                     "/x"):
            self.assert_fails(grpc.StatusCode.UNIMPLEMENTED,
                              self.connection.unary_unary(path), b"")

    def test_a_compressed_message_is_refused(self):
        """A small message must not become a large one."""
        self.assert_fails(grpc.StatusCode.UNIMPLEMENTED, self.io.Write,
                          STUBS.io.WriteRequest(volume="disk",
                                                data=bytes(MIB)),
                          compression=grpc.Compression.Gzip)
        self.assert_serves()


class Clients(DaemonTest):
    settings = ("MaxClients=4",)

    def count_clients(self):
        return self.admin.GetStatus(STUBS.admin.GetStatusRequest(),
                                    timeout=PATIENCE).clients

    def test_a_killed_client_leaves_nothing(self):
        self.assertEqual(self.count_clients(), 1)
        with run_client(BUSY_CLIENT, self.daemon) as client:
            self.assertEqual(client.stdout.readline(), b"busy\n")
            self.assertEqual(self.count_clients(), 2)
            client.send_signal(signal.SIGKILL)
        self.wait_until("the daemon notices that its client is dead",
                        lambda: self.count_clients() == 1)
        self.wait_until(
            "the requests of the dead client are done",
            lambda: self.volumes.GetVolume(
                STUBS.volumes.GetVolumeRequest(name="disk"),
                timeout=PATIENCE).in_flight == 0)
        self.assert_serves()

    def test_one_client_too_many_is_told_so(self):
        self.wait_until("earlier clients are gone",
                        lambda: self.count_clients() == 1)
        others = [self.daemon.channel() for _ in range(4)]
        try:
            stubs = [STUBS.io_grpc.IOStub(other) for other in others]
            for stub in stubs[:3]:
                self.read("disk", 0, 1, stub)
            error = self.assert_fails(
                grpc.StatusCode.RESOURCE_EXHAUSTED, stubs[3].Read,
                STUBS.io.ReadRequest(volume="disk", length=1))
            self.assertIn("MaxClients", error.details())
        finally:
            for other in others:
                other.close()
        self.wait_until("the others are gone",
                        lambda: self.count_clients() == 1)
        self.assert_serves()


class Drain(DaemonTest):
    """Each test ends a daemon of its own."""

    @classmethod
    def servers(cls):
        return {"disk": ["--filter=delay", "memory", "1M", "delay-read=2"]}

    def start(self):
        workdir = Workdir()
        self.addCleanup(workdir.remove)
        daemon = Daemon(workdir, {"disk": ["Uri=" + self.nbd["disk"].uri]})
        self.addCleanup(daemon.stop)
        channel = daemon.channel()
        self.addCleanup(channel.close)
        return daemon, channel

    def open_stream(self, channel):
        messages = queue.Queue()
        self.addCleanup(messages.put, None)
        stream = STUBS.io_grpc.IOStub(channel).Channel(
            iter(messages.get, None), timeout=PATIENCE)
        messages.put(STUBS.io.ChannelRequest(
            open=STUBS.io.ChannelOpen(volume="disk")))
        next(stream)
        return messages, stream

    def test_finishes_what_is_in_flight(self):
        daemon, channel = self.start()
        messages, stream = self.open_stream(channel)
        watch = STUBS.health_grpc.HealthStub(channel).Watch(
            STUBS.health.HealthCheckRequest(), timeout=PATIENCE)
        serving = STUBS.health.HealthCheckResponse
        self.assertEqual(next(watch).status, serving.SERVING)
        messages.put(STUBS.io.ChannelRequest(requests=[STUBS.io.IoRequest(
            id=7, command=STUBS.common.COMMAND_READ, length=512)]))
        read = STUBS.io_grpc.IOStub(channel).Read.future(
            STUBS.io.ReadRequest(volume="disk", length=512), timeout=PATIENCE)
        volumes = STUBS.volumes_grpc.VolumesStub(channel)
        self.wait_until("both reads are in flight", lambda: volumes.GetVolume(
            STUBS.volumes.GetVolumeRequest(name="disk"),
            timeout=PATIENCE).in_flight == 2)
        daemon.drain()
        self.assertEqual(next(watch).status, serving.NOT_SERVING)
        error = self.assert_fails(
            grpc.StatusCode.UNAVAILABLE, volumes.GetVolume,
            STUBS.volumes.GetVolumeRequest(name="disk"))
        self.assertIn("draining", error.details())
        self.assertEqual(len(read.result().data), 512)
        self.assertEqual(next(stream).replies[0].id, 7)
        with self.assertRaises(grpc.RpcError) as caught:
            next(stream)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(self.detail_of(caught.exception).reason,
                         STUBS.common.ERROR_REASON_BUSY)
        self.assertEqual(list(watch), [])
        self.assertEqual(daemon.stop(), 0, daemon.log())

    def test_an_administrator_may_ask_for_it(self):
        daemon, channel = self.start()
        STUBS.admin_grpc.AdminStub(channel).Drain(STUBS.admin.DrainRequest(),
                                                  timeout=PATIENCE)
        self.assertEqual(daemon.process.wait(PATIENCE), 0)

    def test_leaves_clients_that_do_not_go(self):
        """A connection without calls does not hold the daemon."""
        daemon, channel = self.start()
        self.open_stream(channel)
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(daemon.socket_path)
            self.assertEqual(daemon.stop(), 0, daemon.log())

    def test_leaves_a_client_that_stands_still(self):
        """It cannot acknowledge the goodbye, nor hear its stream's end."""
        daemon, _ = self.start()
        with run_client(WAITING_CLIENT, daemon) as client:
            try:
                self.assertEqual(client.stdout.readline(), b"waiting\n")
                client.send_signal(signal.SIGSTOP)
                self.assertEqual(daemon.stop(), 0, daemon.log())
                self.assertNotIn("DrainTimeout", daemon.log())
            finally:
                client.kill()


if __name__ == "__main__":
    main()
