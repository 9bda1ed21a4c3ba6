#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The standard services, and the daemon's own: health, reflection, admin.

Usage: test-services.py NBD-CLIENTD PROTO-ROOT
"""

import os

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from harness import PATIENCE, STUBS, DaemonTest, main

MIB = 1024 * 1024
SERVICES = ["grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            "nbdclientd.v1.Admin", "nbdclientd.v1.IO",
            "nbdclientd.v1.Negotiation", "nbdclientd.v1.Volumes"]


class Health(DaemonTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.health = STUBS.health_grpc.HealthStub(cls.connection)
        cls.status = STUBS.health.HealthCheckResponse

    def check(self, service):
        return self.health.Check(
            STUBS.health.HealthCheckRequest(service=service),
            timeout=PATIENCE).status

    def test_daemon_services_and_volumes_serve(self):
        self.read("disk", 0, 1)
        for service in ["", "disk", *SERVICES]:
            self.assertEqual(self.check(service), self.status.SERVING)

    def test_knows_no_other_service(self):
        self.assert_fails(grpc.StatusCode.NOT_FOUND, self.health.Check,
                          STUBS.health.HealthCheckRequest(service="nowhere"))
        watch = self.health.Watch(
            STUBS.health.HealthCheckRequest(service="nowhere"),
            timeout=PATIENCE)
        self.assertEqual(next(watch).status, self.status.SERVICE_UNKNOWN)
        watch.cancel()

    def watch(self, service):
        watch = self.health.Watch(
            STUBS.health.HealthCheckRequest(service=service),
            timeout=PATIENCE)
        self.addCleanup(watch.cancel)
        return watch

    def reload_with(self, name, *lines):
        """With the volume NAME of these lines, or without one."""
        path = self.workdir.file("volumes.d", name + ".conf")
        if lines:
            with open(path, "w", encoding="utf-8") as out:
                out.write("[Volume]\n" + "\n".join(lines) + "\n")
        else:
            os.unlink(path)
        self.admin.Reload(STUBS.admin.ReloadRequest(), timeout=PATIENCE)

    def test_follows_a_name_through_reloads(self):
        watch = self.watch("later")
        self.assertEqual(next(watch).status, self.status.SERVICE_UNKNOWN)
        uri = "Uri=" + self.nbd["disk"].uri
        self.reload_with("later", uri)
        self.await_status(watch, self.status.SERVING)
        # Another number of connections makes it anew.
        self.reload_with("later", uri, "Connections=2")
        self.await_status(watch, self.status.NOT_SERVING)
        self.await_status(watch, self.status.SERVING)
        self.reload_with("later")
        self.await_status(watch, self.status.SERVICE_UNKNOWN)
        self.read("disk", 0, 1)

    def await_status(self, watch, status):
        """Others may come before it: a volume connects before it serves."""
        for told in watch:
            if told.status == status:
                return
        self.fail("the stream ends")

    def test_a_server_that_is_not_there_yet(self):
        self.nbd["disk"].kill()
        self.reload_with("early", "Uri=" + self.nbd["disk"].uri)
        self.addCleanup(self.reload_with, "early")
        watch = self.watch("early")
        self.assertEqual(next(watch).status, self.status.NOT_SERVING)
        self.nbd["disk"].start()
        self.assertEqual(next(watch).status, self.status.SERVING)

    def test_tells_when_a_server_goes_and_comes_back(self):
        self.read("disk", 0, 1)
        watch = self.health.Watch(
            STUBS.health.HealthCheckRequest(service="disk"), timeout=PATIENCE)
        self.assertEqual(next(watch).status, self.status.SERVING)
        self.nbd["disk"].kill()
        self.assertEqual(next(watch).status, self.status.NOT_SERVING)
        self.nbd["disk"].start()
        self.assertEqual(next(watch).status, self.status.SERVING)
        watch.cancel()


class Reflection(DaemonTest):
    """A client that has no .proto files."""

    def ask(self, *questions, name="reflection"):
        module = getattr(STUBS, name)
        stub = getattr(STUBS, name + "_grpc").ServerReflectionStub(
            self.connection)
        requests = [module.ServerReflectionRequest(**question)
                    for question in questions]
        return list(stub.ServerReflectionInfo(iter(requests),
                                              timeout=PATIENCE))

    def test_lists_services(self):
        for name in ("reflection", "reflection_alpha"):
            answer, = self.ask({"list_services": "*"}, name=name)
            self.assertEqual(
                sorted(service.name for service
                       in answer.list_services_response.service), SERVICES)

    def test_answers_in_order_and_says_what_is_unknown(self):
        answers = self.ask({"file_by_filename": "nbdclientd/v1/io.proto"},
                           {"file_by_filename": "nowhere.proto"},
                           {"file_containing_symbol": "nbdclientd.v1.Nothing"},
                           {"file_containing_symbol": "nbdclientd.v1.IO.Read"},
                           {})
        self.assertEqual([answer.WhichOneof("message_response")
                          for answer in answers],
                         ["file_descriptor_response", "error_response",
                          "error_response", "file_descriptor_response",
                          "error_response"])
        self.assertEqual(answers[1].error_response.error_code,
                         grpc.StatusCode.NOT_FOUND.value[0])
        self.assertEqual(answers[3].original_request.file_containing_symbol,
                         "nbdclientd.v1.IO.Read")

    def test_every_service_is_described(self):
        for service in SERVICES:
            answer, = self.ask({"file_containing_symbol": service})
            files = [descriptor_pb2.FileDescriptorProto.FromString(file)
                     for file in answer.file_descriptor_response
                     .file_descriptor_proto]
            names = [f"{file.package}.{declared.name}" for file in files
                     for declared in file.service]
            self.assertIn(service, names)

    def test_a_call_can_be_made_from_what_it_tells(self):
        answer, = self.ask({"file_containing_symbol": "nbdclientd.v1.IO"})
        pool = descriptor_pool.DescriptorPool()
        # What is imported has to be known first.
        for file in reversed(
                answer.file_descriptor_response.file_descriptor_proto):
            pool.AddSerializedFile(file)
        factory = message_factory.MessageFactory(pool)
        method = pool.FindMethodByName("nbdclientd.v1.IO.Read")
        request = factory.GetPrototype(method.input_type)
        response = factory.GetPrototype(method.output_type)
        call = self.connection.unary_unary(
            f"/{method.containing_service.full_name}/{method.name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString)
        answer = call(request(volume="disk", offset=0, length=4096),
                      timeout=PATIENCE)
        self.assertEqual(len(answer.data), 4096)


class Admin(DaemonTest):
    def test_tells_its_status(self):
        status = self.admin.GetStatus(STUBS.admin.GetStatusRequest(),
                                      timeout=PATIENCE)
        self.assertEqual(status.pid, self.daemon.process.pid)
        self.assertEqual(status.state, "running")
        self.assertEqual([volume.name for volume in status.volumes], ["disk"])
        self.assertGreaterEqual(status.clients, 1)
        self.assertGreater(status.resident_memory, MIB)
        self.assertIn("libnbd", status.library)

    def test_lists_clients(self):
        clients = self.admin.ListClients(STUBS.admin.ListClientsRequest(),
                                         timeout=PATIENCE).clients
        mine = [client for client in clients if client.pid == os.getpid()]
        self.assertEqual({client.uid for client in mine}, {os.getuid()})
        self.assertIn(1, [client.calls for client in mine])

    def test_lists_connections(self):
        self.read("disk", 0, 1)
        listed = self.admin.ListConnections(
            STUBS.admin.ListConnectionsRequest(volume="disk"),
            timeout=PATIENCE).connections
        self.assertGreaterEqual(len(listed), 1)
        self.assertEqual({connection.endpoint for connection in listed},
                         {self.nbd["disk"].uri})
        self.assert_fails(grpc.StatusCode.NOT_FOUND,
                          self.admin.ListConnections,
                          STUBS.admin.ListConnectionsRequest(volume="no"))

    def test_reloads(self):
        path = self.workdir.file("volumes.d", "second.conf")
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"[Volume]\nUri={self.nbd['disk'].uri}\n")
        reloaded = self.admin.Reload(STUBS.admin.ReloadRequest(),
                                     timeout=PATIENCE)
        self.assertEqual(reloaded.volumes_added, 1)
        self.assert_serves("second")
        with open(path, "w", encoding="utf-8") as out:
            out.write("[Volume]\nUrl=nbd://example.com\n")
        error = self.assert_fails(grpc.StatusCode.FAILED_PRECONDITION,
                                  self.admin.Reload,
                                  STUBS.admin.ReloadRequest())
        self.assertIn("second.conf:2", error.details())
        self.assert_serves("second")
        os.unlink(path)
        reloaded = self.admin.Reload(STUBS.admin.ReloadRequest(),
                                     timeout=PATIENCE)
        self.assertEqual(reloaded.volumes_removed, 1)


if __name__ == "__main__":
    main()
