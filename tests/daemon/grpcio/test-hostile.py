#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that mean harm: messages made to cost much, clients that do not
read, clients that say nothing, clients that fork. The daemon's memory stays
bounded, the answer says why, and others are served.

Usage: test-hostile.py NBD-CLIENTD PROTO-ROOT
"""

import os
import queue
import select
import signal
import socket
import struct
import subprocess
import sys

import grpc

from harness import PATIENCE, STUBS, DaemonTest, main

MIB = 1024 * 1024
READ = STUBS.common.COMMAND_READ
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = \
    1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
# More than the daemon may keep for all that a test here does to it (64 MiB are
# the one client's that it may have), and less than it would need if it kept
# everything.
LEEWAY = 160 * MIB

# Connects, leaves the socket to a child that lives on, and ends.
FORKING_CLIENT = """
import os, signal, socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(sys.argv[1])
client.sendall(bytes.fromhex(sys.argv[2]))
client.recv(1)
child = os.fork()
if child == 0:
    signal.pause()
print(child, flush=True)
"""

# Connects and sends a file, over and over until its input ends; then tells how
# often the daemon hung up. What it gets it drops.
FLOODING_CLIENT = """
import socket, sys, threading
frames = open(sys.argv[2], "rb").read()
is_over = threading.Event()
def wait():
    sys.stdin.read()
    is_over.set()
def drop(client):
    try:
        while client.recv(1 << 20):
            pass
    except OSError:
        pass
threading.Thread(target=wait, daemon=True).start()
n_cut = 0
while not is_over.is_set():
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(sys.argv[1])
        threading.Thread(target=drop, args=[client], daemon=True).start()
        client.sendall(frames)
    except OSError:
        n_cut += 1
    client.close()
print(n_cut, flush=True)
"""


def varint(number):
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def field(number, data):
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def frame(kind, flags, stream, payload):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags])
            + stream.to_bytes(4, "big") + payload)


def header(name, value):
    """A header of HTTP/2 that no table knows."""
    return (b"\0" + bytes([len(name)]) + name.encode()
            + bytes([len(value)]) + value.encode())


def call_headers(path):
    return b"".join(header(*pair) for pair in (
        (":method", "POST"), (":scheme", "http"), (":path", path),
        (":authority", "localhost"), ("te", "trailers"),
        ("content-type", "application/grpc")))


def call_frames(path, stream, message):
    headers = call_headers(path)
    data = b"\0" + len(message).to_bytes(4, "big") + message
    return (frame(HEADERS, END_HEADERS, stream, headers)
            + frame(0, END_STREAM, stream, data))


class HostileTest(DaemonTest):
    settings = ("MaxClients=64", "MaxClientsPerUser=64",
                "MaxBytesPerClient=64M")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))

    def setUp(self):
        self.assert_serves()
        self.memory_before = self.daemon.memory()

    def assert_modest(self, memory=None, leeway=LEEWAY):
        grown = (memory or self.daemon.memory()) - self.memory_before
        leeway *= 6 if self.daemon.has_sanitizer() else 1
        print(f"memory: {self.memory_before // 1024} KiB, then "
              f"{grown // 1024:+} KiB", flush=True)
        self.assertLess(grown, leeway)

    def connect_raw(self):
        """Waits while the daemon's queue of connections is full."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                          struct.pack("ll", PATIENCE, 0))
        client.connect(self.daemon.socket_path)
        client.settimeout(PATIENCE)
        return client

    def count_clients(self):
        return self.admin.GetStatus(STUBS.admin.GetStatusRequest(),
                                    timeout=PATIENCE).clients


class Messages(HostileTest):
    def assert_refused(self, path, data, *codes):
        with self.assertRaises(grpc.RpcError) as caught:
            self.connection.unary_unary(path)(data, timeout=PATIENCE)
        self.assertIn(caught.exception.code(), codes,
                      caught.exception.details())

    def test_nested_without_end(self):
        """Unknown fields in unknown fields: nobody looks inside."""
        nested = b""
        while len(nested) < 64 * 1024:
            nested = field(100, nested)
        self.assertEqual(self.connection.unary_unary(
            "/nbdclientd.v1.IO/Flush")(
                field(1, b"disk") + nested, timeout=PATIENCE), b"")
        # Groups are nothing that protobuf 3 has.
        self.assert_refused("/nbdclientd.v1.IO/Flush",
                            b"\xa3\x06" * 100000,
                            grpc.StatusCode.INVALID_ARGUMENT)
        self.assert_modest()

    def test_millions_of_empty_parts(self):
        for number in (1, 2, 3, 7):
            self.assert_refused("/nbdclientd.v1.IO/BlockStatus",
                                field(number, b"") * (3 * MIB // 2),
                                grpc.StatusCode.INVALID_ARGUMENT,
                                grpc.StatusCode.NOT_FOUND,
                                grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assert_serves()
        self.assert_modest()

    def test_padding(self):
        """Numbers of ten bytes, the same field again and again."""
        padded = b"\x18" + b"\x80" * 9 + b"\x00"
        read = field(1, b"disk") + padded * 100000 + b"\x18\x10"
        answer = self.connection.unary_unary("/nbdclientd.v1.IO/Read")(
            read, timeout=PATIENCE)
        self.assertEqual(len(STUBS.io.ReadResponse.FromString(answer).data),
                         16)
        self.assert_refused("/nbdclientd.v1.IO/Read",
                            b"\x18" + b"\x80" * 10 + b"\x00",
                            grpc.StatusCode.INVALID_ARGUMENT)
        self.assert_refused("/nbdclientd.v1.IO/Read",
                            b"\x0a" + b"\xff" * 9 + b"\x01",
                            grpc.StatusCode.INVALID_ARGUMENT)
        self.assert_modest()

    def test_a_batch_of_too_many(self):
        """A hundred thousand requests in one message."""
        opening = STUBS.io.ChannelRequest(
            open=STUBS.io.ChannelOpen(volume="disk"))
        batch = STUBS.io.ChannelRequest(requests=[
            STUBS.io.IoRequest(id=i, command=READ, length=1)
            for i in range(100000)])
        error = self.assert_fails(grpc.StatusCode.RESOURCE_EXHAUSTED,
                                  self.io.Channel, iter([opening, batch]))
        self.assertIn("max_in_flight", error.details())
        self.assert_serves()
        self.assert_modest()


class Readers(HostileTest):
    def test_who_does_not_take_replies_is_not_read_from(self):
        """Reads of 1 GiB in all, by one who takes none of it."""
        messages = queue.Queue()
        self.addCleanup(messages.put, None)
        with self.daemon.channel() as channel:
            stream = STUBS.io_grpc.IOStub(channel).Channel(
                iter(messages.get, None))
            messages.put(STUBS.io.ChannelRequest(
                open=STUBS.io.ChannelOpen(volume="disk")))
            next(stream)
            for i in range(1024):
                messages.put(STUBS.io.ChannelRequest(requests=[
                    STUBS.io.IoRequest(id=i, command=READ, offset=0,
                                       length=MIB)]))
            for _ in range(20):
                self.assert_serves()
            self.assert_modest()
            stream.cancel()
        self.assert_serves()

    def test_who_opens_no_window_gets_nothing(self):
        """Many reads on a connection whose windows are closed."""
        client = self.connect_raw()
        request = STUBS.io.ReadRequest(volume="disk", length=MIB)
        no_window = b"\x00\x04" + bytes(4)
        client.sendall(PREFACE + frame(SETTINGS, 0, 0, no_window))
        try:
            for i in range(64):
                client.sendall(call_frames("/nbdclientd.v1.IO/Read", 2 * i + 1,
                                           request.SerializeToString()))
        except (BrokenPipeError, ConnectionResetError):
            pass
        for _ in range(20):
            self.assert_serves()
        self.assert_modest()
        client.close()
        self.assert_serves()

    def test_who_takes_nothing_can_be_closed(self):
        """gRPC would wait until what it is sending has left."""
        client = self.connect_raw()
        most = 2 ** 31 - 1
        request = STUBS.io.ReadRequest(volume="disk", length=MIB)
        client.sendall(
            PREFACE
            + frame(SETTINGS, 0, 0, b"\x00\x04" + most.to_bytes(4, "big"))
            + frame(WINDOW_UPDATE, 0, 0, (most - 65535).to_bytes(4, "big"))
            + b"".join(call_frames("/nbdclientd.v1.IO/Read", stream,
                                   request.SerializeToString())
                       for stream in range(1, 65, 2)))

        stuck = []

        def is_stuck():
            """It has calls that are answered and do not end."""
            clients = self.admin.ListClients(STUBS.admin.ListClientsRequest(),
                                             timeout=PATIENCE).clients
            stuck[:] = [other.id for other in clients
                        if other.calls > 1 and other.in_flight == 0]
            return stuck
        self.wait_until("it has calls and takes no answer", is_stuck)
        self.admin.KillClient(STUBS.admin.KillClientRequest(id=stuck[0]),
                              timeout=PATIENCE)
        hung_up = select.poll()
        hung_up.register(client, 0)
        self.assertEqual(hung_up.poll(PATIENCE * 1000),
                         [(client.fileno(), select.POLLHUP)])
        self.assert_serves()

    def test_who_reads_slowly_gets_all(self):
        request = STUBS.io.ReadRequest(volume="disk", length=16 * MIB)
        with self.daemon.channel(
                ("grpc.max_receive_message_length", 17 * MIB),
                ("grpc.http2.lookahead_bytes", 1024)) as channel:
            reads = [STUBS.io_grpc.IOStub(channel).Read.future(
                request, timeout=PATIENCE) for _ in range(4)]
            self.assert_serves()
            for read in reads:
                self.assertEqual(len(read.result().data), 16 * MIB)
        self.assert_modest()


class Connections(HostileTest):
    def test_a_thousand_that_say_nothing(self):
        """The same user's other connections are served, and once they have
        gone nothing of them is left."""
        descriptors = self.descriptors()
        silent = [self.connect_raw() for _ in range(1000)]
        # Who was there before is served.
        for _ in range(10):
            self.assertEqual(len(self.read("disk", 0, 4096)), 4096)
        self.assert_modest()
        for client in silent:
            client.close()
        self.wait_until("the silent ones have gone",
                        lambda: self.descriptors() <= descriptors + 2)
        self.assert_serves()
        self.assert_modest()

    def test_one_that_says_half_a_greeting(self):
        clients = [self.connect_raw() for _ in range(20)]
        for client in clients:
            client.sendall(PREFACE[:10])
        self.assert_serves()
        for client in clients:
            client.close()
        self.assert_serves()

    def flood(self, frames):
        """Sends FRAMES until all are sent or the daemon hangs up, and reads
        what comes meanwhile."""
        client = self.connect_raw()
        client.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
        client.setblocking(False)
        rest = b"".join(frames)
        poll = select.poll()
        poll.register(client, select.POLLIN | select.POLLOUT)
        try:
            while rest and poll.poll(PATIENCE * 1000):
                try:
                    if not client.recv(65536):
                        break
                except BlockingIOError:
                    pass
                try:
                    rest = rest[client.send(rest[:65536]):]
                except BlockingIOError:
                    pass
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assert_serves()
        self.assert_modest()
        client.close()

    def test_questions_without_end(self):
        self.flood([frame(PING, 0, 0, bytes(8)) * 100000])
        self.flood([frame(SETTINGS, 0, 0, b"") * 100000])

    def test_headers_without_end(self):
        more = header("x", "y" * 200) * 40
        self.flood([frame(HEADERS, 0, 1,
                          call_headers("/nbdclientd.v1.IO/Read"))]
                   + [frame(CONTINUATION, 0, 1, more)] * 4000)

    def test_calls_that_stay_open(self):
        """On a connection that acknowledges no settings, so that gRPC does not
        count them; a few at a time, so that the daemon takes each."""
        client = self.connect_raw()
        client.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            for first in range(1, 8001, 80):
                client.sendall(b"".join(
                    call_frames("/grpc.health.v1.Health/Watch", stream, b"")
                    for stream in range(first, first + 80, 2)))
                self.assertTrue(client.recv(65536))
                self.assert_serves()
        self.assert_modest()

    def test_a_fork_keeps_a_connection_and_harms_nobody(self):
        hello = PREFACE + frame(SETTINGS, 0, 0, b"")
        self.wait_until("earlier clients have gone",
                        lambda: self.count_clients() == 1)
        with subprocess.Popen(
                [sys.executable, "-c", FORKING_CLIENT,
                 self.daemon.socket_path, hello.hex()],
                stdout=subprocess.PIPE) as parent:
            child = int(parent.stdout.readline())
        # The parent has ended; its connection lives on in the child.
        try:
            self.assertEqual(self.count_clients(), 2)
            self.assert_serves()
        finally:
            os.kill(child, signal.SIGKILL)
        self.wait_until("the child's connection has gone",
                        lambda: self.count_clients() == 1)

    def test_killed_while_they_send(self):
        """Half a request, over and over."""
        request = STUBS.io.WriteRequest(volume="disk", data=bytes(MIB))
        whole = call_frames("/nbdclientd.v1.IO/Write", 1,
                            request.SerializeToString()[:10000])
        for cut in range(1, len(whole), len(whole) // 50):
            client = self.connect_raw()
            client.sendall(PREFACE + frame(SETTINGS, 0, 0, b"") + whole[:cut])
            client.close()
        self.assert_serves()
        self.wait_until("all of them have gone",
                        lambda: self.count_clients() == 1)
        self.assert_modest()


class Floods(HostileTest):
    """More than the daemon can take in, as fast as a socket takes it: whoever
    does so is disconnected, and the others are served meanwhile."""

    def flood(self, frames):
        path = self.workdir.file("flood")
        with open(path, "wb") as out:
            out.write(PREFACE + frame(SETTINGS, 0, 0, b"") + frames)
        self.daemon.forget_peak()
        with subprocess.Popen(
                [sys.executable, "-c", FLOODING_CLIENT,
                 self.daemon.socket_path, path], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE) as client:
            self.wait_until("the daemon hangs up",
                            lambda: "is disconnected: it" in self.new_log())
            for _ in range(200):
                self.assertEqual(len(self.read("disk", 0, 4096)), 4096)
            n_cut = int(client.communicate()[0])
        print(f"cut off {n_cut} times", flush=True)
        self.assertGreater(n_cut, 0)
        # Each connection costs up to 20 MiB, and it comes again sooner than the
        # last ones are done with. One would cost more than this without limits.
        self.assert_modest(self.daemon.peak(), 4 * LEEWAY)
        self.wait_until("all of them have gone",
                        lambda: self.count_clients() == 1)
        self.assert_serves()

    def setUp(self):
        super().setUp()
        self.log_before = len(self.daemon.log())

    def new_log(self):
        return self.daemon.log()[self.log_before:]

    def calls(self, number, more=lambda stream: b""):
        message = STUBS.io.ReadRequest(volume="disk", length=4096)
        return b"".join(
            call_frames("/nbdclientd.v1.IO/Read", stream,
                        message.SerializeToString()) + more(stream)
            for stream in range(1, 2 * number, 2))

    def test_calls_begun_and_reset(self):
        cancel = (8).to_bytes(4, "big")
        self.flood(self.calls(100000, lambda stream: frame(
            RST_STREAM, 0, stream, cancel)))
        self.assertIn("MaxCallsPerClient=", self.new_log())

    def test_calls_begun(self):
        self.flood(self.calls(50000))
        self.assertIn("MaxCallsPerClient=", self.new_log())

    def test_questions(self):
        self.flood(frame(PING, 0, 0, bytes(8)) * 1000000)
        self.assertIn("it sends PING or SETTINGS", self.new_log())

    def test_frames_that_ask_for_nothing(self):
        self.flood(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1") * 1000000)


if __name__ == "__main__":
    main()
