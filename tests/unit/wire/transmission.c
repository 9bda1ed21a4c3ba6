/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests and replies as bytes. */
#include "client-lib/wire/transmission.h"

#include <errno.h>
#include <string.h>

#include "client-lib/wire/protocol.h"
#include "client-lib/wire/writer.h"
#include "tests/support/unit.h"

static const struct request a_request = {
	.flags = 0x0102,
	.type = NBD_CMD_WRITE,
	.cookie = UINT64_C(0x1112131415161718),
	.offset = UINT64_C(0x2122232425262728),
	.length = 0x31323334,
};

static void
a_compact_request_has_28_bytes_in_the_order_of_the_specification(void **state)
{
	const uint8_t expected[] = {
		0x25, 0x60, 0x95, 0x13, 0x01, 0x02, 0x00, 0x01, 0x11, 0x12,
		0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x21, 0x22, 0x23, 0x24,
		0x25, 0x26, 0x27, 0x28, 0x31, 0x32, 0x33, 0x34,
	};
	uint8_t bytes[32];

	(void)state;
	assert_int_equal(request_encode(bytes, &a_request, false),
			 sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
}

static void
an_extended_request_has_a_64_bit_length(void **state)
{
	const uint8_t expected[] = {
		0x21, 0xe4, 0x1c, 0x71, 0x01, 0x02, 0x00, 0x01,
		0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
		0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28,
		0x00, 0x00, 0x00, 0x00, 0x31, 0x32, 0x33, 0x34,
	};
	uint8_t bytes[32];

	(void)state;
	assert_int_equal(request_encode(bytes, &a_request, true),
			 sizeof(expected));
	assert_memory_equal(bytes, expected, sizeof(expected));
}

/* Every prefix is SHORT, the whole is OK. */
static void
assert_parses(const uint8_t *bytes, size_t length, bool is_extended,
	      struct reply *reply)
{
	for (size_t n = 0; n < length; n++)
		assert_int_equal(reply_parse(bytes, n, is_extended, reply),
				 WIRE_SHORT);
	assert_int_equal(reply_parse(bytes, length, is_extended, reply),
			 WIRE_OK);
	assert_int_equal(reply->header_size, length);
}

static void
a_simple_reply_is_parsed_once_it_is_complete(void **state)
{
	uint8_t bytes[NBD_SIMPLE_REPLY_SIZE];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reply reply;

	(void)state;
	writer_u32(&writer, NBD_SIMPLE_REPLY_MAGIC);
	writer_u32(&writer, 22);
	writer_u64(&writer, UINT64_C(0xfedcba9876543210));
	assert_parses(bytes, sizeof(bytes), false, &reply);
	assert_int_equal(reply.kind, REPLY_SIMPLE);
	assert_int_equal(reply.error, 22);
	assert_true(reply.cookie == UINT64_C(0xfedcba9876543210));
	assert_true(reply_is_done(&reply));
}

static void
a_structured_reply_is_parsed_once_it_is_complete(void **state)
{
	uint8_t bytes[NBD_STRUCTURED_REPLY_SIZE];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reply reply;

	(void)state;
	writer_u32(&writer, NBD_STRUCTURED_REPLY_MAGIC);
	writer_u16(&writer, 0xfffe);
	writer_u16(&writer, NBD_REPLY_TYPE_OFFSET_DATA);
	writer_u64(&writer, 42);
	writer_u32(&writer, UINT32_MAX);
	assert_parses(bytes, sizeof(bytes), false, &reply);
	assert_int_equal(reply.kind, REPLY_STRUCTURED);
	assert_int_equal(reply.type, NBD_REPLY_TYPE_OFFSET_DATA);
	assert_int_equal(reply.cookie, 42);
	assert_true(reply.length == UINT32_MAX);
	assert_false(reply_is_done(&reply));
	reply.flags |= NBD_REPLY_FLAG_DONE;
	assert_true(reply_is_done(&reply));
}

static void
an_extended_reply_is_parsed_once_it_is_complete(void **state)
{
	uint8_t bytes[NBD_EXTENDED_REPLY_SIZE];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct reply reply;

	(void)state;
	writer_u32(&writer, NBD_EXTENDED_REPLY_MAGIC);
	writer_u16(&writer, NBD_REPLY_FLAG_DONE);
	writer_u16(&writer, NBD_REPLY_TYPE_NONE);
	writer_u64(&writer, 42);
	writer_u64(&writer, UINT64_MAX);
	writer_u64(&writer, UINT64_C(1) << 40);
	assert_parses(bytes, sizeof(bytes), true, &reply);
	assert_int_equal(reply.kind, REPLY_EXTENDED);
	assert_true(reply.offset == UINT64_MAX);
	assert_true(reply.length == UINT64_C(1) << 40);
}

/* hostile.md 98, 117, 174 */
static void
a_wrong_magic_is_known_after_four_bytes(void **state)
{
	static const struct {
		uint32_t magic;
		bool is_extended;
	} cases[] = {
		{ 0, false },
		{ NBD_REQUEST_MAGIC, false },
		{ 0x96744668, false },
		{ NBD_EXTENDED_REPLY_MAGIC, false },
		{ NBD_SIMPLE_REPLY_MAGIC, true },
		{ NBD_STRUCTURED_REPLY_MAGIC, true },
	};
	struct reply reply;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[4];

		store_be32(bytes, cases[i].magic);
		assert_int_equal(
			reply_parse(bytes, 3, cases[i].is_extended, &reply),
			WIRE_SHORT);
		assert_int_equal(
			reply_parse(bytes, 4, cases[i].is_extended, &reply),
			WIRE_INVALID);
	}
}

static void
an_error_chunk_has_a_number_a_message_and_perhaps_an_offset(void **state)
{
	const uint8_t payload[] = { 0, 0, 0, 28, 0, 2, 'n', 'o',
				    0, 0, 0, 0,  0, 0, 2,   0 };
	struct error_chunk chunk;

	(void)state;
	assert_int_equal(
		error_chunk_parse(payload, sizeof(payload), true, &chunk),
		WIRE_OK);
	assert_int_equal(chunk.error, 28);
	assert_int_equal(chunk.message_length, 2);
	assert_memory_equal(chunk.message, "no", 2);
	assert_true(chunk.has_offset);
	assert_int_equal(chunk.offset, 512);

	assert_int_equal(error_chunk_parse(payload, 8, false, &chunk), WIRE_OK);
	assert_false(chunk.has_offset);
}

/* hostile.md 144 to 146, 151 */
static void
an_error_chunk_that_is_cut_short_still_has_its_number(void **state)
{
	const uint8_t payload[] = { 0, 0, 0, 5, 0x0c, 0, 'x', 'y' };
	struct error_chunk chunk;

	(void)state;
	for (size_t n = 0; n < 4; n++)
		assert_int_equal(error_chunk_parse(payload, n, true, &chunk),
				 WIRE_SHORT);
	for (size_t n = 4; n <= sizeof(payload); n++) {
		assert_int_equal(error_chunk_parse(payload, n, true, &chunk),
				 WIRE_OK);
		assert_int_equal(chunk.error, 5);
		assert_int_equal(chunk.message_length, 0);
		assert_false(chunk.has_offset);
	}
}

static void
error_numbers_are_those_of_the_protocol_not_of_the_host(void **state)
{
	static const struct {
		uint32_t wire;
		int host;
	} cases[] = {
		{ 0, 0 },          { 1, EPERM },           { 5, EIO },
		{ 12, ENOMEM },    { 22, EINVAL },         { 28, ENOSPC },
		{ 75, EOVERFLOW }, { 95, ENOTSUP },        { 108, ESHUTDOWN },
		{ 13, EINVAL },    { 0xffffffff, EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(errno_from_wire(cases[i].wire), cases[i].host);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_compact_request_has_28_bytes_in_the_order_of_the_specification),
		cmocka_unit_test(an_extended_request_has_a_64_bit_length),
		cmocka_unit_test(a_simple_reply_is_parsed_once_it_is_complete),
		cmocka_unit_test(
			a_structured_reply_is_parsed_once_it_is_complete),
		cmocka_unit_test(
			an_extended_reply_is_parsed_once_it_is_complete),
		cmocka_unit_test(a_wrong_magic_is_known_after_four_bytes),
		cmocka_unit_test(
			an_error_chunk_has_a_number_a_message_and_perhaps_an_offset),
		cmocka_unit_test(
			an_error_chunk_that_is_cut_short_still_has_its_number),
		cmocka_unit_test(
			error_numbers_are_those_of_the_protocol_not_of_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
