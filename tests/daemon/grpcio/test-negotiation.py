#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Negotiation as a stock client calls it.

Usage: test-negotiation.py NBD-CLIENTD PROTO-ROOT
"""

import queue

import grpc

from harness import PATIENCE, STUBS, DaemonTest, main

MIB = 1024 * 1024
negotiation = STUBS.negotiation
Step = negotiation.NegotiateRequest


class Negotiator:
    """A Negotiate stream, one step at a time."""

    def __init__(self, stub, target="disk"):
        self.steps = queue.Queue()
        self.call = stub.Negotiate(iter(self.steps.get, None),
                                   timeout=PATIENCE)
        self.number = 0
        if target is not None:
            self.connected = self.step(
                connect=negotiation.NegotiateConnect(target=target))

    def step(self, **step):
        self.number += 1
        self.steps.put(Step(id=self.number, **step))
        response = next(self.call)
        assert response.id == self.number, response
        return response

    def half_close(self):
        self.steps.put(None)

    def close(self):
        self.half_close()
        return list(self.call)


class Negotiation(DaemonTest):
    settings = ("AdHocUsers=*", "AdHocTransports=unix tcp")

    @classmethod
    def servers(cls):
        return {"disk": ["memory", "64M"]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stub = STUBS.negotiation_grpc.NegotiationStub(cls.connection)

    def test_lists_exports(self):
        response = self.stub.ListExports(
            negotiation.ListExportsRequest(target="disk", describe=True),
            timeout=PATIENCE)
        self.assertEqual(response.protocol.handshake, "newstyle-fixed")
        self.assertFalse(response.truncated)
        self.assertEqual([export.name for export in response.exports], [""])
        self.assertEqual(response.exports[0].size, 64 * MIB)
        self.assertFalse(response.exports[0].incomplete)
        self.assertEqual(list(response.exports[0].contexts),
                         ["base:allocation"])

    def test_describes_an_export(self):
        response = self.stub.ExportInfo(
            negotiation.ExportInfoRequest(target="disk"), timeout=PATIENCE)
        self.assertEqual(response.export.size, 64 * MIB)
        self.assertTrue(response.export.can_multi_conn)
        self.assertTrue(response.protocol.structured_replies)
        self.assertEqual(list(response.export.contexts), ["base:allocation"])

    def test_takes_an_export_of_another_name(self):
        response = self.stub.ExportInfo(
            negotiation.ExportInfoRequest(
                target=self.nbd["disk"].uri,
                export=negotiation.OptionalName(name="other")),
            timeout=PATIENCE)
        self.assertEqual(response.export.size, 64 * MIB)

    def test_lists_meta_contexts(self):
        response = self.stub.ListMetaContexts(
            negotiation.ListMetaContextsRequest(target="disk"),
            timeout=PATIENCE)
        self.assertEqual(list(response.contexts), ["base:allocation"])
        response = self.stub.ListMetaContexts(
            negotiation.ListMetaContextsRequest(target="disk",
                                                queries=["qemu:"]),
            timeout=PATIENCE)
        self.assertEqual(list(response.contexts), [])

    def test_refuses_what_is_no_target(self):
        for target, code in (("nowhere", grpc.StatusCode.NOT_FOUND),
                             ("ftp://x/", grpc.StatusCode.INVALID_ARGUMENT)):
            self.assert_fails(
                code, self.stub.ExportInfo,
                negotiation.ExportInfoRequest(target=target))
            self.assert_fails(
                code, self.stub.Negotiate,
                iter([Step(connect=negotiation.NegotiateConnect(
                    target=target))]))

    def test_says_that_a_server_cannot_be_reached(self):
        uri = f"nbd+unix:///?socket={self.workdir.file('nobody')}"
        error = self.assert_fails(
            grpc.StatusCode.UNAVAILABLE, self.stub.ListExports,
            negotiation.ListExportsRequest(target=uri))
        self.assertEqual(self.detail_of(error).reason,
                         STUBS.common.ERROR_REASON_SERVER_UNREACHABLE)

    def test_goes_step_by_step_to_data(self):
        talk = Negotiator(self.stub)
        self.assertEqual(talk.connected.connected.handshake, "newstyle-fixed")
        listed = talk.step(list=negotiation.NegotiateList()).listed
        self.assertEqual([export.name for export in listed.exports], [""])
        info = talk.step(info=negotiation.NegotiateInfo(export="")).info
        self.assertEqual(info.size, 64 * MIB)
        contexts = talk.step(
            list_contexts=negotiation.NegotiateListContexts(export=""))
        self.assertIn("base:allocation", contexts.contexts.contexts)
        chosen = talk.step(set_contexts=negotiation.NegotiateSetContexts(
            contexts=["base:allocation"]))
        self.assertEqual(list(chosen.contexts.contexts), ["base:allocation"])
        gone = talk.step(go=negotiation.NegotiateGo(export="")).gone
        self.assertEqual(gone.size, 64 * MIB)
        self.assertEqual(list(gone.contexts), ["base:allocation"])
        self.do_io(talk)
        self.assertTrue(talk.step(
            abort=negotiation.NegotiateAbort()).HasField("aborted"))
        self.assertEqual(talk.close(), [])

    def do_io(self, talk):
        io_request = STUBS.io.IoRequest
        common = STUBS.common
        reply = talk.step(io=io_request(command=common.COMMAND_WRITE,
                                        offset=4096, data=b"negotiated"))
        self.assertFalse(reply.io.HasField("error"), reply.io.error)
        reply = talk.step(io=io_request(command=common.COMMAND_READ,
                                        offset=4096, length=10))
        self.assertEqual(reply.io.data, b"negotiated")
        self.assertEqual(reply.io.id, reply.id)
        reply = talk.step(io=io_request(command=common.COMMAND_BLOCK_STATUS,
                                        offset=0, length=MIB))
        self.assertEqual(reply.io.extents[0].context, "base:allocation")
        reply = talk.step(io=io_request(command=common.COMMAND_READ,
                                        offset=64 * MIB, length=10))
        self.assertEqual(reply.io.error.code,
                         grpc.StatusCode.OUT_OF_RANGE.value[0])

    def test_aborts_before_go(self):
        talk = Negotiator(self.stub)
        self.assertTrue(talk.step(
            abort=negotiation.NegotiateAbort()).HasField("aborted"))
        self.assertEqual(talk.close(), [])

    def test_a_half_close_ends_it(self):
        talk = Negotiator(self.stub)
        self.assertEqual(talk.close(), [])
        self.assertEqual(talk.call.code(), grpc.StatusCode.OK)

    def test_has_no_data_before_go(self):
        talk = Negotiator(self.stub)
        reply = talk.step(io=STUBS.io.IoRequest(
            command=STUBS.common.COMMAND_READ, length=1))
        self.assertEqual(reply.io.error.code,
                         grpc.StatusCode.INVALID_ARGUMENT.value[0])
        talk.close()

    def test_begins_with_connect(self):
        for step in (Step(list=negotiation.NegotiateList()), Step()):
            self.assert_fails(grpc.StatusCode.INVALID_ARGUMENT,
                              self.stub.Negotiate, iter([step]))

    def test_opens_a_volume_from_a_uri_for_its_client_alone(self):
        volume = self.volumes.OpenVolume(
            STUBS.volumes.OpenVolumeRequest(uri=self.nbd["disk"].uri),
            timeout=PATIENCE)
        self.assertTrue(volume.ad_hoc)
        self.assertEqual(volume.export.size, 64 * MIB)
        self.assertEqual(len(self.read(volume.name, 0, 4096)), 4096)
        with self.daemon.channel() as other:
            self.assert_fails(
                grpc.StatusCode.NOT_FOUND,
                STUBS.io_grpc.IOStub(other).Read,
                STUBS.io.ReadRequest(volume=volume.name, length=1))
        self.volumes.CloseVolume(
            STUBS.volumes.CloseVolumeRequest(name=volume.name),
            timeout=PATIENCE)
        self.assert_fails(
            grpc.StatusCode.NOT_FOUND, self.io.Read,
            STUBS.io.ReadRequest(volume=volume.name, length=1))


if __name__ == "__main__":
    main()
