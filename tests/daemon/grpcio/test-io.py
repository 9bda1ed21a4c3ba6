#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes and IO as a stock client calls them: the unary calls and the stream
of block status.

Usage: test-io.py NBD-CLIENTD PROTO-ROOT
"""

import os

import grpc

from harness import PATIENCE, STUBS, DaemonTest, main

MIB = 1024 * 1024
SIZE = 64 * MIB


class Volumes(DaemonTest):
    @classmethod
    def servers(cls):
        return {"disk": ["memory", "64M"],
                "fixed": ["--readonly", "pattern", "1M"]}

    def setUp(self):
        # A volume is described in full once it is connected.
        for name in self.servers():
            self.read(name, 0, 1)

    def test_lists_volumes_in_order_of_name(self):
        listed = self.volumes.ListVolumes(STUBS.volumes.ListVolumesRequest(),
                                          timeout=PATIENCE).volumes
        self.assertEqual([volume.name for volume in listed],
                         ["disk", "fixed"])
        self.assertEqual(listed[0].export.size, SIZE)
        self.assertEqual(list(listed[0].endpoints), [self.nbd["disk"].uri])

    def test_describes_one_volume(self):
        volume = self.volumes.GetVolume(
            STUBS.volumes.GetVolumeRequest(name="fixed"), timeout=PATIENCE)
        self.assertEqual(volume.state, STUBS.volumes.VOLUME_STATE_READY)
        self.assertFalse(volume.ad_hoc)
        self.assertTrue(volume.export.read_only)
        self.assertEqual(volume.export.size, MIB)
        self.assertIn("base:allocation", volume.export.contexts)
        self.assertEqual(volume.protocol.handshake, "newstyle-fixed")
        self.assertTrue(volume.protocol.structured_replies)
        self.assertGreaterEqual(volume.connections_ready, 1)
        self.assertGreaterEqual(volume.counters.reads, 1)

    def test_knows_no_other_volume(self):
        error = self.assert_fails(
            grpc.StatusCode.NOT_FOUND, self.volumes.GetVolume,
            STUBS.volumes.GetVolumeRequest(name="nowhere"))
        self.assertIn("nowhere", error.details())
        detail = self.detail_of(error)
        self.assertEqual(detail.reason,
                         STUBS.common.ERROR_REASON_UNKNOWN_VOLUME)
        self.assertEqual(detail.errno_name, "ENOENT")

    def test_does_not_close_a_configured_volume(self):
        self.assert_fails(grpc.StatusCode.FAILED_PRECONDITION,
                          self.volumes.CloseVolume,
                          STUBS.volumes.CloseVolumeRequest(name="disk"))


class Io(DaemonTest):
    @classmethod
    def servers(cls):
        return {"disk": ["memory", "64M"],
                "fixed": ["--readonly", "pattern", "1M"],
                "broken": ["--filter=error", "memory", "1M",
                           "error-pread=EIO", "error-pread-rate=100%"],
                "slow": ["--filter=delay", "memory", "1M", "delay-read=600"]}

    def write(self, offset, data, volume="disk", flags=0):
        self.io.Write(STUBS.io.WriteRequest(volume=volume, offset=offset,
                                            data=data, flags=flags),
                      timeout=PATIENCE)

    def test_reads_what_it_wrote(self):
        for size in (1, 511, 4096, 65537, 3 * MIB):
            data = os.urandom(size)
            self.write(4099, data)
            self.assertEqual(self.read("disk", 4099, size), data)

    def test_reads_what_the_server_has(self):
        expected = b"".join(offset.to_bytes(8, "big")
                            for offset in range(0, MIB, 8))
        self.assertEqual(self.read("fixed", 0, MIB), expected)

    def test_reads_more_than_one_command_may_carry(self):
        with self.daemon.channel(
                ("grpc.max_receive_message_length", -1)) as channel:
            stub = STUBS.io_grpc.IOStub(channel)
            data = self.read("disk", 0, SIZE, stub)
        self.assertEqual(len(data), SIZE)

    def test_zeroes_trims_caches_and_flushes(self):
        offset = 8 * MIB
        self.write(offset, b"x" * 65536,
                   flags=STUBS.common.COMMAND_FLAG_FUA)
        self.io.Zero(STUBS.io.ZeroRequest(volume="disk", offset=offset,
                                          length=4096), timeout=PATIENCE)
        self.assertEqual(self.read("disk", offset, 4097), bytes(4096) + b"x")
        self.io.Trim(STUBS.io.TrimRequest(volume="disk", offset=offset,
                                          length=65536), timeout=PATIENCE)
        self.io.Cache(STUBS.io.CacheRequest(volume="disk", offset=offset,
                                            length=4096), timeout=PATIENCE)
        self.io.Flush(STUBS.io.FlushRequest(volume="disk"), timeout=PATIENCE)

    def test_maps_data_and_holes(self):
        start = 32 * MIB
        self.io.Trim(STUBS.io.TrimRequest(volume="disk", offset=start,
                                          length=SIZE - start),
                     timeout=PATIENCE)
        self.write(start + 5 * MIB, b"d" * MIB)
        runs = []
        at = start
        for response in self.io.BlockStatus(
                STUBS.io.BlockStatusRequest(volume="disk", offset=start,
                                            contexts=["base:allocation"]),
                timeout=PATIENCE):
            for part in response.contexts:
                self.assertEqual(part.context, "base:allocation")
                self.assertEqual(part.offset, at)
                for extent in part.extents:
                    if runs and runs[-1][1] == extent.flags:
                        runs[-1][0] += extent.length
                    else:
                        runs.append([extent.length, extent.flags])
                    at += extent.length
        self.assertEqual(at, SIZE)
        self.assertEqual(runs, [[5 * MIB, 3], [MIB, 0], [26 * MIB, 3]])

    def test_maps_one_extent_if_asked_for_one(self):
        responses = list(self.io.BlockStatus(
            STUBS.io.BlockStatusRequest(
                volume="disk", flags=STUBS.common.COMMAND_FLAG_REQ_ONE),
            timeout=PATIENCE))
        self.assertEqual(len(responses), 1)
        self.assertEqual(len(responses[0].contexts[0].extents), 1)

    def test_refuses_a_context_that_the_volume_lacks(self):
        self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT,
                          self.io.BlockStatus,
                          STUBS.io.BlockStatusRequest(
                              volume="disk", contexts=["qemu:dirty-bitmap:x"]))

    def test_refuses_what_lies_beyond_the_end(self):
        error = self.assert_fails(
            grpc.StatusCode.OUT_OF_RANGE, self.io.Read,
            STUBS.io.ReadRequest(volume="disk", offset=SIZE - 1, length=2))
        self.assertEqual(self.detail_of(error).applied,
                         STUBS.common.APPLIED_NO)
        self.assert_fails(
            grpc.StatusCode.OUT_OF_RANGE, self.io.Read,
            STUBS.io.ReadRequest(volume="disk", offset=2**64 - 1, length=2))
        self.assert_fails(
            grpc.StatusCode.OUT_OF_RANGE, self.io.BlockStatus,
            STUBS.io.BlockStatusRequest(volume="disk", offset=4096,
                                        length=2**64 - 4096))

    def test_refuses_no_bytes_and_strange_flags(self):
        self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT, self.io.Read,
                          STUBS.io.ReadRequest(volume="disk", length=0))
        self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT, self.io.Write,
                          STUBS.io.WriteRequest(volume="disk", data=b"x",
                                                flags=0x8000))

    def test_refuses_a_read_larger_than_its_limit(self):
        error = self.assert_fails(
            grpc.StatusCode.INVALID_ARGUMENT, self.io.Read,
            STUBS.io.ReadRequest(volume="disk", length=64 * MIB + 1))
        self.assertIn(str(64 * MIB), error.details())

    def test_refuses_to_write_what_is_read_only(self):
        error = self.assert_fails(
            grpc.StatusCode.PERMISSION_DENIED, self.io.Write,
            STUBS.io.WriteRequest(volume="fixed", data=b"x"))
        self.assertEqual(self.detail_of(error).reason,
                         STUBS.common.ERROR_REASON_PERMISSION)

    def test_passes_the_servers_error_on(self):
        error = self.assert_fails(
            grpc.StatusCode.INTERNAL, self.io.Read,
            STUBS.io.ReadRequest(volume="broken", length=512))
        detail = self.detail_of(error)
        self.assertEqual(detail.errno_name, "EIO")
        self.assertEqual(detail.reason, STUBS.common.ERROR_REASON_NBD)
        self.assertEqual(detail.volume, "broken")
        self.assertEqual(detail.endpoint, self.nbd["broken"].uri)

    def test_keeps_the_callers_deadline(self):
        self.assert_fails(grpc.StatusCode.DEADLINE_EXCEEDED, self.io.Read,
                          STUBS.io.ReadRequest(volume="slow", length=512),
                          timeout=0.5)
        self.assert_serves()

    def test_forgets_a_cancelled_call(self):
        call = self.io.Read.future(
            STUBS.io.ReadRequest(volume="slow", length=512))
        self.assertTrue(call.cancel())
        self.assert_serves()

    def in_flight(self):
        clients = self.admin.ListClients(STUBS.admin.ListClientsRequest(),
                                         timeout=PATIENCE).clients
        return sum(client.in_flight for client in clients)

    def test_ends_the_request_of_a_cancelled_call(self):
        """Its server would answer in ten minutes."""
        self.wait_until("nothing is under way", lambda: self.in_flight() == 0)
        call = self.io.Read.future(
            STUBS.io.ReadRequest(volume="slow", length=512))
        self.wait_until("the read is", lambda: self.in_flight() == 1)
        call.cancel()
        self.wait_until("it is not", lambda: self.in_flight() == 0)


if __name__ == "__main__":
    main()
