/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to bytes and back, and what becomes of bytes that are none. */
#include "proto/codec.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nbdclientd/v1/io.pb-c.h"
#include "nbdclientd/v1/negotiation.pb-c.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/methods.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"
#include "tests/unit/proto/bytes.h"

static char volume_name[] = "disk0";

static void
a_message_comes_back_as_it_was(void **state)
{
	Nbdclientd__V1__ReadRequest request =
		NBDCLIENTD__V1__READ_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__ReadRequest *back = NULL;
	grpc_byte_buffer *bytes;

	(void)state;
	request.volume = volume_name;
	request.offset = UINT64_C(1) << 62;
	request.length = 4096;
	bytes = codec_encode(&request);
	assert_int_equal(codec_decode(rpc_methods[RPC_IO_READ].request, bytes,
				      100, &back),
			 0);
	assert_string_equal(back->volume, "disk0");
	assert_true(back->offset == request.offset);
	assert_int_equal(back->length, 4096);
	grpc_byte_buffer_destroy(bytes);
}

static void
a_message_without_fields_is_no_bytes(void **state)
{
	Nbdclientd__V1__FlushResponse response =
		NBDCLIENTD__V1__FLUSH_RESPONSE__INIT;
	CLEANUP_MESSAGE void *back = NULL;
	grpc_byte_buffer *bytes = codec_encode(&response);

	(void)state;
	assert_int_equal(grpc_byte_buffer_length(bytes), 0);
	assert_int_equal(codec_decode(rpc_methods[RPC_IO_FLUSH].response, bytes,
				      0, &back),
			 0);
	assert_non_null(back);
	grpc_byte_buffer_destroy(bytes);
}

static unsigned n_released;

static void
count_release(void *user)
{
	(void)user;
	n_released++;
}

/* A write request with LENGTH bytes of payload. */
static grpc_byte_buffer *
encode_write(const void *data, size_t length)
{
	Nbdclientd__V1__WriteRequest request =
		NBDCLIENTD__V1__WRITE_REQUEST__INIT;
	struct payload payload = payload_wrap(data, length, count_release,
					      NULL);
	grpc_byte_buffer *bytes;

	request.volume = volume_name;
	request.offset = 512;
	bytes = codec_encode_with_data(&request, &payload);
	assert_null(payload.bytes);
	return bytes;
}

static void
a_payload_crosses_without_being_copied(void **state)
{
	static const uint8_t data[65536] = { 1, 2, 3 };
	CLEANUP_MESSAGE Nbdclientd__V1__WriteRequest *back = NULL;
	CLEANUP_PAYLOAD struct payload payload = PAYLOAD_EMPTY;
	grpc_byte_buffer *bytes;

	(void)state;
	n_released = 0;
	bytes = encode_write(data, sizeof(data));
	assert_int_equal(
		codec_decode_with_data(rpc_methods[RPC_IO_WRITE].request, bytes,
				       RPC_REQUEST_MAX, &back, &payload),
		0);
	assert_ptr_equal(payload.bytes, data);
	assert_int_equal(payload.length, sizeof(data));
	assert_int_equal(back->data.len, 0);
	assert_true(back->offset == 512);
	grpc_byte_buffer_destroy(bytes);
	assert_int_equal(n_released, 0);
	payload_release(&payload);
	assert_int_equal(n_released, 1);
}

static void
a_payload_in_pieces_is_joined(void **state)
{
	uint8_t data[3000];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (size_t piece = 1; piece < 700; piece += 13) {
		CLEANUP_MESSAGE Nbdclientd__V1__WriteRequest *back = NULL;
		CLEANUP_PAYLOAD struct payload payload = PAYLOAD_EMPTY;
		grpc_byte_buffer *whole = encode_write(data, sizeof(data));
		grpc_byte_buffer *cut = bytes_cut(whole, piece);

		assert_int_equal(codec_decode_with_data(
					 rpc_methods[RPC_IO_WRITE].request, cut,
					 RPC_REQUEST_MAX, &back, &payload),
				 0);
		assert_string_equal(back->volume, "disk0");
		assert_int_equal(payload.length, sizeof(data));
		assert_memory_equal(payload.bytes, data, sizeof(data));
		grpc_byte_buffer_destroy(cut);
		grpc_byte_buffer_destroy(whole);
	}
}

static void
payloads_of_all_small_sizes_cross(void **state)
{
	static const char data[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	(void)state;
	for (size_t length = 0; length < sizeof(data); length++) {
		CLEANUP_MESSAGE Nbdclientd__V1__WriteRequest *back = NULL;
		CLEANUP_PAYLOAD struct payload payload = PAYLOAD_EMPTY;
		grpc_byte_buffer *bytes = encode_write(data, length);

		assert_int_equal(codec_decode_with_data(
					 rpc_methods[RPC_IO_WRITE].request,
					 bytes, 1000, &back, &payload),
				 0);
		grpc_byte_buffer_destroy(bytes);
		assert_int_equal(payload.length, length);
		if (length)
			assert_memory_equal(payload.bytes, data, length);
	}
}

static void
the_payload_need_not_be_last(void **state)
{
	/* data = "xy", offset = 5, data = "z" */
	static const uint8_t message[] = { 0x7a, 2,    'x', 'y', 0x10,
					   5,    0x7a, 1,   'z' };
	CLEANUP_MESSAGE Nbdclientd__V1__WriteRequest *back = NULL;
	CLEANUP_PAYLOAD struct payload payload = PAYLOAD_EMPTY;
	grpc_byte_buffer *bytes = bytes_of(message, sizeof(message));

	(void)state;
	assert_int_equal(
		codec_decode_with_data(rpc_methods[RPC_IO_WRITE].request, bytes,
				       1000, &back, &payload),
		0);
	assert_true(back->offset == 5);
	assert_int_equal(payload.length, 1);
	assert_memory_equal(payload.bytes, "z", 1);
	grpc_byte_buffer_destroy(bytes);
}

static int
decode(const ProtobufCMessageDescriptor *type, const void *message,
       size_t length)
{
	grpc_byte_buffer *bytes = bytes_of(message, length);
	CLEANUP_MESSAGE void *back = NULL;
	int r = codec_decode(type, bytes, RPC_REQUEST_MAX, &back);

	assert_true((r == 0) == (back != NULL));
	grpc_byte_buffer_destroy(bytes);
	return r;
}

static void
broken_framing_is_refused(void **state)
{
	/* clang-format off */
	static const struct {
		size_t length;
		uint8_t bytes[16];
	} broken[] = {
		{ 1, { 0x08 } },		/* a tag and no value */
		{ 2, { 0x0a, 1 } },		/* a string that is not there */
		{ 2, { 0x00, 0 } },		/* field zero */
		{ 2, { 0x0b, 0x0c } },		/* a group */
		{ 2, { 0x0e, 0 } },		/* wire type six */
		{ 3, { 0x11, 1, 2 } },		/* eight bytes, two there */
		{ 3, { 0x15, 1, 2 } },		/* four bytes, two there */
		/* a varint of eleven bytes; one of more than 64 bits */
		{ 12, { 0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
			0x80, 0x80, 0 } },
		{ 11, { 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0x02 } },
		/* a length of 2^64 - 1 */
		{ 11, { 0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0x01 } },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_int_equal(decode(rpc_methods[RPC_IO_READ].request,
					broken[i].bytes, broken[i].length),
				 -EBADMSG);
}

static void
text_that_is_none_is_refused(void **state)
{
	/* clang-format off */
	static const char *const bad[] = {
		"\x0a\x01\x80", "\x0a\x02\xc0\x80", "\x0a\x02\xc3(",
		"\x0a\x03\xed\xa0\x80", "\x0a\x04\xf4\x90\x80\x80",
		"\x0a\x01\xff", "\x0a\x02 \xe2",
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(decode(rpc_methods[RPC_IO_READ].request,
					bad[i], strlen(bad[i])),
				 -EBADMSG);
	assert_int_equal(decode(rpc_methods[RPC_IO_READ].request,
				"\x0a\x03"
				"a\0b",
				5),
			 -EBADMSG);
	assert_int_equal(decode(rpc_methods[RPC_IO_READ].request,
				"\x0a\x05"
				"\xe2\x82\xac\xc3\xa4",
				7),
			 0);
}

static void
text_that_is_none_is_made_text_before_it_is_sent(void **state)
{
	char name[] = "a\xff\xc3\xa4\xc3z";
	char description[] = "\xed\xa0\x80";
	Nbdclientd__V1__Export export = NBDCLIENTD__V1__EXPORT__INIT;
	Nbdclientd__V1__ExportInfoResponse response =
		NBDCLIENTD__V1__EXPORT_INFO_RESPONSE__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__ExportInfoResponse *back = NULL;
	grpc_byte_buffer *bytes;

	(void)state;
	export.name = name;
	export.description = description;
	response.export = &export;
	bytes = codec_encode(&response);
	assert_int_equal(
		codec_decode(rpc_methods[RPC_NEGOTIATION_EXPORT_INFO].response,
			     bytes, 1000, &back),
		0);
	assert_string_equal(back->export->name, "a?\xc3\xa4?z");
	assert_string_equal(back->export->description, "???");
	/* What the caller has is left alone. */
	assert_string_equal(name, "a\xff\xc3\xa4\xc3z");
	grpc_byte_buffer_destroy(bytes);
}

static void
fields_that_are_not_known_are_passed_over(void **state)
{
	static const uint8_t message[] = { 0xf8, 0x7f, 1, /* 2047: varint */
					   0x10, 7,       /* offset */
					   0xf2, 0x7f, 2, 'a', 'b' };

	(void)state;
	assert_int_equal(decode(rpc_methods[RPC_IO_READ].request, message,
				sizeof(message)),
			 0);
}

static void
a_message_that_is_too_long_is_refused(void **state)
{
	static const uint8_t data[100];
	grpc_byte_buffer *bytes = encode_write(data, sizeof(data));
	size_t length = grpc_byte_buffer_length(bytes);
	struct payload payload;
	void *back;

	(void)state;
	assert_int_equal(
		codec_decode_with_data(rpc_methods[RPC_IO_WRITE].request, bytes,
				       length - 1, &back, &payload),
		-EMSGSIZE);
	assert_int_equal(codec_decode(rpc_methods[RPC_IO_WRITE].request, bytes,
				      length - 1, &back),
			 -EMSGSIZE);
	grpc_byte_buffer_destroy(bytes);
}

static void
few_bytes_do_not_become_much_memory(void **state)
{
	/* Two million exports with nothing in them. */
	const size_t length = RPC_REQUEST_MAX;
	uint8_t *message = malloc(length);

	(void)state;
	assert_non_null(message);
	for (size_t i = 0; i < length; i += 2) {
		message[i] = 0x12;
		message[i + 1] = 0;
	}
	assert_int_equal(
		decode(rpc_methods[RPC_NEGOTIATION_LIST_EXPORTS].response,
		       message, length),
		-EMSGSIZE);
	free(message);
}

static void
a_long_list_of_extents_is_taken(void **state)
{
	const size_t n = 100000;
	Nbdclientd__V1__Extent *extents = calloc(n, sizeof(*extents));
	Nbdclientd__V1__Extent **pointers = calloc(n, sizeof(*pointers));
	Nbdclientd__V1__ContextExtents context =
		NBDCLIENTD__V1__CONTEXT_EXTENTS__INIT;
	Nbdclientd__V1__ContextExtents *contexts[] = { &context };
	Nbdclientd__V1__BlockStatusResponse response =
		NBDCLIENTD__V1__BLOCK_STATUS_RESPONSE__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__BlockStatusResponse *back = NULL;
	grpc_byte_buffer *bytes;

	(void)state;
	assert_non_null(extents);
	assert_non_null(pointers);
	for (size_t i = 0; i < n; i++) {
		nbdclientd__v1__extent__init(&extents[i]);
		extents[i].length = i % 127 + 1;
		pointers[i] = &extents[i];
	}
	context.n_extents = n;
	context.extents = pointers;
	response.n_contexts = 1;
	response.contexts = contexts;
	bytes = codec_encode(&response);
	assert_int_equal(codec_decode(rpc_methods[RPC_IO_BLOCK_STATUS].response,
				      bytes, RPC_REQUEST_MAX, &back),
			 0);
	assert_int_equal(back->contexts[0]->n_extents, n);
	grpc_byte_buffer_destroy(bytes);
	free(extents);
	free(pointers);
}

/* A message with something in every field that can hurt. */
static grpc_byte_buffer *
encode_volume(void)
{
	static char one[] = "nbd://a/";
	static char two[] = "nbd+unix:///b?socket=\xc3\xa4";
	static char *endpoints[] = { one, two };
	Nbdclientd__V1__Counters counters = NBDCLIENTD__V1__COUNTERS__INIT;
	Nbdclientd__V1__BlockSizes sizes = NBDCLIENTD__V1__BLOCK_SIZES__INIT;
	Nbdclientd__V1__Export export = NBDCLIENTD__V1__EXPORT__INIT;
	Nbdclientd__V1__Volume volume = NBDCLIENTD__V1__VOLUME__INIT;

	counters.bytes_read = UINT64_MAX;
	sizes.minimum = 1;
	export.name = one;
	export.block_sizes = &sizes;
	export.n_contexts = 2;
	export.contexts = endpoints;
	volume.name = volume_name;
	volume.n_endpoints = 2;
	volume.endpoints = endpoints;
	volume.export = &export;
	volume.counters = &counters;
	return codec_encode(&volume);
}

static void
every_truncation_ends_well(void **state)
{
	grpc_byte_buffer *bytes = encode_volume();
	size_t length;
	uint8_t *flat = bytes_flatten(bytes, &length);
	size_t n_refused = 0;

	(void)state;
	for (size_t cut = 0; cut < length; cut++) {
		/* Exactly so much memory, for the sanitizer to watch. */
		uint8_t *part = malloc(cut ? cut : 1);
		int r;

		assert_non_null(part);
		memcpy(part, flat, cut);
		r = decode(rpc_methods[RPC_VOLUMES_GET_VOLUME].response, part,
			   cut);
		assert_true(r == 0 || r == -EBADMSG);
		n_refused += r != 0;
		free(part);
	}
	assert_true(n_refused > length / 2);
	free(flat);
	grpc_byte_buffer_destroy(bytes);
}

static void
random_changes_end_well(void **state)
{
	grpc_byte_buffer *bytes = encode_volume();
	size_t length;
	uint8_t *flat = bytes_flatten(bytes, &length);
	size_t n_refused = 0;
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint8_t *changed = bytes_mutate(flat, length, &seed);
		int r = decode(rpc_methods[RPC_VOLUMES_GET_VOLUME].response,
			       changed, length);

		assert_true(r == 0 || r == -EBADMSG || r == -EMSGSIZE);
		n_refused += r != 0;
		free(changed);
	}
	assert_in_range(n_refused, 1, 19999);
	free(flat);
	grpc_byte_buffer_destroy(bytes);
}

/* Types that contain themselves would let a message choose our depth. */
static void
assert_not_recursive(const ProtobufCMessageDescriptor *type, unsigned depth)
{
	assert_in_range(depth, 0, 10);
	for (unsigned i = 0; i < type->n_fields; i++)
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			assert_not_recursive(type->fields[i].descriptor,
					     depth + 1);
}

static void
no_message_contains_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < RPC_N_METHODS; i++) {
		assert_not_recursive(rpc_methods[i].request, 0);
		assert_not_recursive(rpc_methods[i].response, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_comes_back_as_it_was),
		cmocka_unit_test(a_message_without_fields_is_no_bytes),
		cmocka_unit_test(a_payload_crosses_without_being_copied),
		cmocka_unit_test(a_payload_in_pieces_is_joined),
		cmocka_unit_test(payloads_of_all_small_sizes_cross),
		cmocka_unit_test(the_payload_need_not_be_last),
		cmocka_unit_test(broken_framing_is_refused),
		cmocka_unit_test(text_that_is_none_is_refused),
		cmocka_unit_test(
			text_that_is_none_is_made_text_before_it_is_sent),
		cmocka_unit_test(fields_that_are_not_known_are_passed_over),
		cmocka_unit_test(a_message_that_is_too_long_is_refused),
		cmocka_unit_test(few_bytes_do_not_become_much_memory),
		cmocka_unit_test(a_long_list_of_extents_is_taken),
		cmocka_unit_test(every_truncation_ends_well),
		cmocka_unit_test(random_changes_end_well),
		cmocka_unit_test(no_message_contains_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
