#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Servers that fall silent or talk without end, at every step of a connection.
Each has a volume of its own; what is asked of it fails in time and says so, and
the volume of an honest server beside them is served meanwhile.

Usage: test-hostile-servers.py NBD-CLIENTD PROTO-ROOT
"""

import socket
import struct
import threading
import unittest

import grpc

from harness import (PATIENCE, STUBS, Daemon, DaemonTest, NbdkitServer,
                     Workdir, main)

GREETING = struct.pack(">8s8sH", b"NBDMAGIC", b"IHAVEOPT", 3)
OPTION_REPLY = 0x0003e889045565a9
ACK, SERVER, INFO, UNSUP = 1, 2, 3, 0x80000001
EXPORT_NAME, LIST, STARTTLS, GO, STRUCTURED, SET_META_CONTEXT = \
    1, 3, 5, 7, 8, 10
READ, DISCONNECT = 0, 2
MIB = 1024 * 1024
# More than the daemon may keep of all that these servers send, and less than
# what they send.
LEEWAY = 64 * MIB
SIMPLE_REPLY = 0x67446698


class Hangup(Exception):
    """The client has gone."""


class Server(threading.Thread):
    """Listens at PATH; each connection is a thread that runs BEHAVIOUR and then
    says nothing more until the client goes."""

    def __init__(self, path, behaviour):
        super().__init__(daemon=True)
        self.uri = f"nbd+unix:///disk?socket={path}"
        self.behaviour = behaviour
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,),
                             daemon=True).start()

    def serve(self, client):
        with client:
            try:
                self.behaviour(client)
                while client.recv(65536):
                    pass
            except (Hangup, OSError):
                pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def receive(client, length):
    data = b""
    while len(data) < length:
        more = client.recv(length - len(data))
        if not more:
            raise Hangup
        data += more
    return data


def reply(client, option, kind, data=b""):
    client.sendall(struct.pack(">QIII", OPTION_REPLY, option, kind, len(data))
                   + data)


def greet(client):
    client.sendall(GREETING)
    receive(client, 4)


def options_until(client, last, agreed=()):
    """Refuses all options before LAST, which it leaves unanswered; those in
    AGREED it agrees to."""
    greet(client)
    while True:
        _, option, length = struct.unpack(">QII", receive(client, 16))
        receive(client, length)
        if option in last:
            return option
        reply(client, option, ACK if option in agreed else UNSUP)


def accept_go(client):
    options_until(client, (GO,))
    # HAS_FLAGS and SEND_FLUSH
    reply(client, GO, INFO, struct.pack(">HQH", 0, 1 << 20, 5))
    reply(client, GO, ACK)


def silent(client):
    """Not even a greeting."""


def silent_after_greeting(client):
    client.sendall(GREETING)


def silent_at_first_option(client):
    greet(client)


def silent_at_structured_replies(client):
    options_until(client, (STRUCTURED,))


def silent_at_contexts(client):
    options_until(client, (SET_META_CONTEXT,), (STRUCTURED,))


def silent_at_go(client):
    options_until(client, (GO,))


def silent_at_export_name(client):
    options_until(client, (EXPORT_NAME,))


def half_a_reply(client):
    options_until(client, (GO,))
    client.sendall(struct.pack(">QI", OPTION_REPLY, GO))


def silent_in_tls(client):
    options_until(client, (STARTTLS,))
    reply(client, STARTTLS, ACK)


def silent_at_list(client):
    options_until(client, (LIST,))


def endless_list(client):
    options_until(client, (LIST,))
    while True:
        reply(client, LIST, SERVER, struct.pack(">I", 4) + b"name")


def endless_information(client):
    options_until(client, (GO,))
    while True:
        reply(client, GO, INFO, struct.pack(">H", 1) + b"name")


def trickle(client):
    """A byte now and then: each is progress, all of them are none."""
    stopped = threading.Event()
    for byte in GREETING * 1000:
        client.sendall(bytes([byte]))
        if stopped.wait(0.05):
            return


def silent_at_requests(client):
    accept_go(client)


def never_reads_requests(client):
    accept_go(client)
    threading.Event().wait()


def wrong_cookies(client):
    accept_go(client)
    while True:
        receive(client, 28)
        client.sendall(struct.pack(">IIQ", SIMPLE_REPLY, 5, 0xdead))


def garbage(client):
    accept_go(client)
    receive(client, 28)
    client.sendall(b"\xff" * 4096)


def never_closes(client):
    """Answers reads, and a disconnect not at all."""
    accept_go(client)
    while True:
        _, _, command, cookie, _, length = struct.unpack(
            ">IHHQQI", receive(client, 28))
        if command == DISCONNECT:
            threading.Event().wait()
        client.sendall(struct.pack(">IIQ", SIMPLE_REPLY, 0, cookie)
                       + bytes(length if command == READ else 0))


BEHAVIOURS = (silent, silent_after_greeting, silent_at_first_option,
              silent_at_structured_replies, silent_at_contexts,
              silent_at_go, silent_at_export_name, half_a_reply, silent_in_tls, endless_information,
              trickle, silent_at_requests, never_reads_requests,
              wrong_cookies, garbage)


class HostileServers(unittest.TestCase):
    def setUp(self):
        workdir = Workdir()
        self.addCleanup(workdir.remove)
        honest = NbdkitServer(workdir.file("honest"), "memory", "1M")
        self.addCleanup(honest.stop)
        volumes = {"disk": ["Uri=" + honest.uri]}
        for behaviour in (*BEHAVIOURS, silent_at_list, endless_list,
                          never_closes):
            name = behaviour.__name__
            server = Server(workdir.file(name), behaviour)
            self.addCleanup(server.stop)
            volumes[name] = ["Uri=" + server.uri]
        volumes["silent_in_tls"][0] = volumes["silent_in_tls"][0].replace(
            "nbd+unix", "nbds+unix")
        self.daemon = Daemon(workdir, volumes, (
            "ConnectTimeout=300ms", "RequestTimeout=2s", "DrainTimeout=1s"))
        self.addCleanup(self.daemon.stop)
        self.channel = self.daemon.channel()
        self.addCleanup(self.channel.close)
        self.io = STUBS.io_grpc.IOStub(self.channel)

    def ask(self, volume):
        """Without a deadline of its own: the daemon's RequestTimeout counts."""
        return self.io.Read.future(
            STUBS.io.ReadRequest(volume=volume, length=512))

    def assert_served(self):
        self.assertEqual(len(self.ask("disk").result(PATIENCE).data), 512)

    def test_delay_nobody_else(self):
        self.assert_served()
        before = self.daemon.memory()
        hopeless = {behaviour.__name__: [self.ask(behaviour.__name__)
                                         for _ in range(4)]
                    for behaviour in BEHAVIOURS}
        # The honest server is asked until the last of the others has failed,
        # and never fails.
        served = 0
        while any(not read.done()
                  for reads in hopeless.values() for read in reads):
            self.assert_served()
            served += 1
        for name, reads in hopeless.items():
            for read in reads:
                with self.subTest(server=name):
                    self.assertIn(read.code(), (
                        grpc.StatusCode.UNAVAILABLE,
                        grpc.StatusCode.DEADLINE_EXCEEDED), read.details())
                    self.assertRegex(read.details(), "time|talking to")
        print(f"{served} reads beside them", flush=True)
        # Connecting goes on; so does everything else.
        self.assert_served()
        grown = self.daemon.memory() - before
        print(f"memory: {before // 1024} KiB, then {grown // 1024:+} KiB",
              flush=True)
        self.assertLess(grown,
                        LEEWAY * (6 if self.daemon.has_sanitizer() else 1))
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())

    def test_who_never_closes_does_not_hold_the_daemon(self):
        read = self.ask("never_closes")
        self.assertEqual(len(read.result(PATIENCE).data), 512)
        self.assertEqual(self.daemon.stop(), 0, self.daemon.log())

    def test_silence_ends_a_negotiation(self):
        """Each step that a client asks for has a deadline."""
        stub = STUBS.negotiation_grpc.NegotiationStub(self.channel)
        request = STUBS.negotiation.ListExportsRequest
        calls = {
            name: stub.ListExports.future(request(target=name))
            for name in ("silent", "silent_after_greeting", "silent_in_tls",
                         "silent_at_first_option", "silent_at_list",
                         "endless_list")}
        for name, call in calls.items():
            with self.subTest(server=name):
                self.assertIn(call.exception(PATIENCE).code(), (
                    grpc.StatusCode.UNAVAILABLE,
                    grpc.StatusCode.DEADLINE_EXCEEDED), call.details())
            self.assert_served()


if __name__ == "__main__":
    main()
