/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What reflection serves, and the list of methods against it. */
#include "proto/descriptors.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/methods.h"
#include "proto/wire.h"
#include "tests/support/unit.h"

static void
files_are_found_by_name(void **state)
{
	int index = descriptor_find_file("nbdclientd/v1/io.proto");
	struct descriptor_file file;

	(void)state;
	assert_true(index >= 0);
	file = descriptor_file_get((size_t)index);
	/* FileDescriptorProto begins with its name. */
	assert_int_equal(file.bytes[0], 0x0a);
	assert_memory_equal(file.bytes + 2, "nbdclientd/v1/io.proto", 22);
	assert_int_equal(descriptor_find_file("nbdclientd/v1/io"), -1);
	assert_int_equal(descriptor_find_file(""), -1);
}

static void
symbols_are_found_in_the_file_that_declares_them(void **state)
{
	/* clang-format off */
	static const struct {
		const char *symbol;
		const char *file;
	} rows[] = {
		{ "nbdclientd.v1.IO", "nbdclientd/v1/io.proto" },
		{ "nbdclientd.v1.IO.Read", "nbdclientd/v1/io.proto" },
		{ "nbdclientd.v1.ReadRequest", "nbdclientd/v1/io.proto" },
		{ "nbdclientd.v1.ReadRequest.offset", "nbdclientd/v1/io.proto" },
		{ "nbdclientd.v1.Command", "nbdclientd/v1/common.proto" },
		{ "nbdclientd.v1.COMMAND_READ", "nbdclientd/v1/common.proto" },
		{ "nbdclientd.v1.NegotiateRequest.step",
		  "nbdclientd/v1/negotiation.proto" },
		{ "grpc.health.v1.HealthCheckResponse.ServingStatus",
		  "grpc/health/v1/health.proto" },
		{ "grpc.health.v1.HealthCheckResponse.SERVING",
		  "grpc/health/v1/health.proto" },
		{ "grpc.reflection.v1alpha.ServerReflection",
		  "grpc/reflection/v1alpha/reflection.proto" },
		{ "google.rpc.Status", "google/rpc/status.proto" },
	};
	static const char *const unknown[] = {
		"", ".", "nbdclientd", "nbdclientd.v1", "nbdclientd.v1.",
		"nbdclientd.v1.I", "nbdclientd.v1.IOO", "nbdclientd.v1.IO.R",
		"nbdclientd.v1.IO.Read.x", "nbdclientd.v1.Command.x",
		".nbdclientd.v1.IO",
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int index = descriptor_find_symbol(rows[i].symbol);

		assert_true(index >= 0);
		assert_int_equal(index, descriptor_find_file(rows[i].file));
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(descriptor_find_symbol(unknown[i]), -1);
}

static bool
contains(const size_t *indexes, size_t n, const char *file)
{
	int wanted = descriptor_find_file(file);

	for (size_t i = 0; i < n; i++)
		if ((int)indexes[i] == wanted)
			return true;
	return false;
}

static void
a_file_comes_with_all_that_it_imports(void **state)
{
	size_t indexes[64];
	int index = descriptor_find_file("nbdclientd/v1/negotiation.proto");
	size_t n;

	(void)state;
	assert_in_range(descriptor_n_files(), 1, 64);
	n = descriptor_closure((size_t)index, indexes);
	assert_int_equal(n, 3);
	assert_int_equal(indexes[0], index);
	assert_true(contains(indexes, n, "nbdclientd/v1/io.proto"));
	assert_true(contains(indexes, n, "nbdclientd/v1/common.proto"));
}

/* A MethodDescriptorProto, as much of it as matters. */
struct described {
	char name[64];
	char request[128];
	char response[128];
	bool client_streams;
	bool server_streams;
};

static void
copy_text(char *to, size_t size, struct wire_reader value)
{
	assert_in_range(value.left, 0, size - 1);
	to[value.left] = '\0';
	wire_copy(&value, to);
}

static struct described
read_method(struct wire_reader reader)
{
	struct described method = { 0 };
	struct wire_reader value;
	uint32_t field;
	enum wire_type type;
	uint64_t flag;

	while (wire_next(&reader, &field, &type) > 0) {
		if (type == WIRE_VARINT) {
			assert_true(wire_varint(&reader, &flag));
			if (field == 5)
				method.client_streams = flag;
			if (field == 6)
				method.server_streams = flag;
			continue;
		}
		assert_true(wire_sub(&reader, &value));
		if (field == 1)
			copy_text(method.name, sizeof(method.name), value);
		if (field == 2)
			copy_text(method.request, sizeof(method.request),
				  value);
		if (field == 3)
			copy_text(method.response, sizeof(method.response),
				  value);
	}
	return method;
}

static const struct rpc_method *
find_method(const char *service, const char *name)
{
	for (size_t i = 0; i < RPC_N_METHODS; i++)
		if (strcmp(rpc_methods[i].service, service) == 0 &&
		    strcmp(rpc_methods[i].name, name) == 0)
			return &rpc_methods[i];
	return NULL;
}

static void
check_method(const char *service, struct wire_reader reader)
{
	struct described described = read_method(reader);
	const struct rpc_method *method = find_method(service, described.name);
	enum rpc_kind kind = RPC_UNARY;
	char path[400];

	if (described.server_streams)
		kind = described.client_streams ? RPC_BIDI : RPC_SERVER_STREAM;
	assert_non_null(method);
	assert_int_equal(method->kind, kind);
	/* The type's full name after a dot. */
	assert_string_equal(described.request + 1, method->request->name);
	assert_string_equal(described.response + 1, method->response->name);
	snprintf(path, sizeof(path), "/%s/%s", service, described.name);
	assert_string_equal(method->path, path);
}

/* The number of methods of a ServiceDescriptorProto. */
static size_t
check_service(const char *package, struct wire_reader reader)
{
	struct wire_reader value;
	uint32_t field;
	enum wire_type type;
	char name[64] = "";
	char service[256];
	size_t n = 0;

	while (wire_next(&reader, &field, &type) > 0) {
		assert_true(wire_sub(&reader, &value));
		if (field == 1) {
			copy_text(name, sizeof(name), value);
			snprintf(service, sizeof(service), "%s.%s", package,
				 name);
		}
		if (field == 2) {
			check_method(service, value);
			n++;
		}
	}
	return n;
}

static void
the_list_of_methods_is_what_the_files_say(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < descriptor_n_files(); i++) {
		struct descriptor_file file = descriptor_file_get(i);
		grpc_slice slice = grpc_slice_from_static_buffer(file.bytes,
								 file.length);
		struct wire_reader reader = wire_read_slice(&slice);
		struct wire_reader value;
		uint32_t field;
		enum wire_type type;
		char package[64] = "";

		while (wire_next(&reader, &field, &type) > 0) {
			if (type != WIRE_LENGTH) {
				assert_true(wire_skip(&reader, type));
				continue;
			}
			assert_true(wire_sub(&reader, &value));
			if (field == 2)
				copy_text(package, sizeof(package), value);
			if (field == 6)
				n += check_service(package, value);
		}
	}
	assert_int_equal(n, RPC_N_METHODS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_found_by_name),
		cmocka_unit_test(
			symbols_are_found_in_the_file_that_declares_them),
		cmocka_unit_test(a_file_comes_with_all_that_it_imports),
		cmocka_unit_test(the_list_of_methods_is_what_the_files_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
