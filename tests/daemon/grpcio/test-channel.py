#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""IO.Channel as a stock client calls it.

Usage: test-channel.py NBD-CLIENTD PROTO-ROOT
"""

import os
import queue

import grpc

from harness import PATIENCE, STUBS, DaemonTest, main

MIB = 1024 * 1024
BLOCK = 4096
READ = STUBS.common.COMMAND_READ
WRITE = STUBS.common.COMMAND_WRITE


def opening(volume="disk"):
    return STUBS.io.ChannelRequest(open=STUBS.io.ChannelOpen(volume=volume))


def batch(*requests):
    return STUBS.io.ChannelRequest(requests=requests)


def request(number, command, offset, **fields):
    return STUBS.io.IoRequest(id=number, command=command, offset=offset,
                              **fields)


class Stream:
    """An open channel that is fed message by message."""

    def __init__(self, stub, volume="disk"):
        self.messages = queue.Queue()
        self.call = stub.Channel(iter(self.messages.get, None),
                                 timeout=PATIENCE)
        self.send(opening(volume))
        self.replies = []
        self.opened = self.receive().opened

    def send(self, message):
        self.messages.put(message)

    def half_close(self):
        self.messages.put(None)

    def receive(self):
        response = next(self.call)
        self.replies.extend(response.replies)
        return response

    def receive_until(self, count):
        while len(self.replies) < count:
            self.receive()
        taken, self.replies = self.replies, []
        return {reply.id: reply for reply in taken}


class Channel(DaemonTest):
    @classmethod
    def servers(cls):
        return {"disk": ["memory", "64M"],
                "fixed": ["--readonly", "pattern", "1M"],
                "late": ["--filter=delay", "memory", "1M",
                         "delay-read=200ms"]}

    def test_opens_with_what_the_volume_is(self):
        stream = Stream(self.io)
        self.assertEqual(stream.opened.export.size, 64 * MIB)
        self.assertFalse(stream.opened.export.read_only)
        self.assertGreaterEqual(stream.opened.max_in_flight, 16)
        self.assertGreaterEqual(stream.opened.max_payload, MIB)
        stream.half_close()
        self.assertEqual(list(stream.call), [])
        self.assertEqual(stream.call.code(), grpc.StatusCode.OK)

    def test_reads_what_it_wrote_in_any_order(self):
        blocks = {number: os.urandom(BLOCK) for number in range(400)}
        stream = Stream(self.io)
        for start in range(0, 400, 20):
            stream.send(batch(*(request(number, WRITE, number * BLOCK,
                                        data=blocks[number])
                                for number in range(start, start + 20))))
        for reply in stream.receive_until(400).values():
            self.assertFalse(reply.HasField("error"), reply.error)
        stream.send(batch(*(request(number, READ, number * BLOCK,
                                    length=BLOCK) for number in blocks)))
        replies = stream.receive_until(400)
        self.assertEqual({number: reply.data
                          for number, reply in replies.items()}, blocks)
        stream.half_close()
        self.assertEqual(list(stream.call), [])

    def test_finishes_what_is_in_flight_after_half_close(self):
        responses = list(self.io.Channel(
            iter([opening(),
                  batch(*(request(number, READ, 0, length=65536)
                          for number in range(200)))]), timeout=PATIENCE))
        self.assertTrue(responses[0].HasField("opened"))
        self.assertEqual(
            sorted(reply.id for response in responses
                   for reply in response.replies), list(range(200)))

    def test_batches_stay_under_a_stock_clients_message_limit(self):
        """32 replies of 1 MiB; a message above 4 MiB would end the call."""
        stream = Stream(self.io)
        stream.send(batch(*(request(number, READ, 0, length=MIB)
                            for number in range(32))))
        replies = stream.receive_until(32)
        self.assertEqual({len(reply.data) for reply in replies.values()},
                         {MIB})
        stream.send(batch(request(1, READ, 0,
                                  length=stream.opened.max_payload)))
        self.assertEqual(len(stream.receive_until(1)[1].data),
                         stream.opened.max_payload)
        stream.half_close()

    def test_an_error_is_its_requests_own(self):
        stream = Stream(self.io)
        stream.send(batch(request(1, READ, 64 * MIB, length=1),
                          request(2, READ, 0, length=1),
                          request(3, 99, 0, length=1),
                          request(4, READ, 0, length=1, data=b"x"),
                          request(5, READ, 0, length=0)))
        replies = stream.receive_until(5)
        code = {number: reply.error.code for number, reply in replies.items()}
        self.assertEqual(code, {1: grpc.StatusCode.OUT_OF_RANGE.value[0], 2: 0,
                                3: grpc.StatusCode.INVALID_ARGUMENT.value[0],
                                4: grpc.StatusCode.INVALID_ARGUMENT.value[0],
                                5: grpc.StatusCode.INVALID_ARGUMENT.value[0]})
        self.assertEqual(replies[1].error.detail.applied,
                         STUBS.common.APPLIED_NO)
        self.assertEqual(replies[2].data, bytes(1))
        stream.half_close()
        self.assertEqual(list(stream.call), [])

    def test_carries_every_command(self):
        common = STUBS.common
        stream = Stream(self.io)
        offset = 16 * MIB
        stream.send(batch(request(1, WRITE, offset, data=b"x" * 65536)))
        stream.receive_until(1)
        for number, command in enumerate(
                (common.COMMAND_FLUSH, common.COMMAND_CACHE,
                 common.COMMAND_WRITE_ZEROES, common.COMMAND_TRIM), start=2):
            length = 0 if command == common.COMMAND_FLUSH else 65536
            at = 0 if command == common.COMMAND_FLUSH else offset
            stream.send(batch(request(number, command, at, length=length)))
            reply = stream.receive_until(1)[number]
            self.assertFalse(reply.HasField("error"), reply.error)
        stream.send(batch(request(9, common.COMMAND_BLOCK_STATUS, offset,
                                  length=65536,
                                  contexts=["base:allocation"])))
        extents = stream.receive_until(1)[9].extents
        self.assertEqual(extents[0].context, "base:allocation")
        self.assertEqual(extents[0].offset, offset)
        self.assertEqual(sum(extent.length
                             for extent in extents[0].extents), 65536)
        stream.half_close()

    def test_refuses_to_write_what_is_read_only(self):
        stream = Stream(self.io, "fixed")
        self.assertTrue(stream.opened.export.read_only)
        stream.send(batch(request(1, WRITE, 0, data=b"x")))
        self.assertEqual(stream.receive_until(1)[1].error.code,
                         grpc.StatusCode.PERMISSION_DENIED.value[0])
        stream.half_close()

    def test_begins_with_open(self):
        for messages in ([], [batch(request(1, READ, 0, length=1))],
                         [STUBS.io.ChannelRequest()]):
            self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT,
                              self.io.Channel, iter(messages))
        self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT, self.io.Channel,
                          iter([opening(), opening()]))

    def test_knows_no_other_volume(self):
        self.assert_fails(grpc.StatusCode.NOT_FOUND, self.io.Channel,
                          iter([opening("nowhere")]))

    def test_ends_for_a_client_that_floods_it(self):
        """A quicker server might answer as fast as it is flooded."""
        flood = batch(*(request(number, READ, 0, length=1)
                        for number in range(100000)))
        error = self.assert_fails(grpc.StatusCode.RESOURCE_EXHAUSTED,
                                  self.io.Channel,
                                  iter([opening("late"), flood]))
        self.assertEqual(self.detail_of(error).reason,
                         STUBS.common.ERROR_REASON_LIMIT)
        self.assert_serves()

    def test_survives_a_cancelled_channel(self):
        for _ in range(20):
            stream = Stream(self.io)
            stream.send(batch(*(request(number, READ, 0, length=MIB)
                                for number in range(16))))
            stream.receive_until(1)
            stream.call.cancel()
            stream.half_close()
        self.assert_serves()


if __name__ == "__main__":
    main()
