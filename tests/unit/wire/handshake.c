/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The messages of the handshake as bytes. */
#include "client-lib/wire/handshake.h"

#include <string.h>

#include "client-lib/wire/protocol.h"
#include "client-lib/wire/writer.h"
#include "tests/support/unit.h"

static void
the_greeting_tells_oldstyle_from_newstyle(void **state)
{
	uint8_t bytes[16];
	enum greeting greeting = GREETING_OLDSTYLE;

	(void)state;
	memcpy(bytes, "NBDMAGICIHAVEOPT", 16);
	for (size_t n = 0; n < 16; n++)
		assert_int_equal(greeting_parse(bytes, n, &greeting),
				 WIRE_SHORT);
	assert_int_equal(greeting_parse(bytes, 16, &greeting), WIRE_OK);
	assert_int_equal(greeting, GREETING_NEWSTYLE);

	store_be64(bytes + 8, NBD_OLDSTYLE_MAGIC);
	assert_int_equal(greeting_parse(bytes, 16, &greeting), WIRE_OK);
	assert_int_equal(greeting, GREETING_OLDSTYLE);
}

/* hostile.md 4, 5 */
static void
other_greetings_are_invalid(void **state)
{
	enum greeting greeting;

	(void)state;
	assert_int_equal(greeting_parse("HTTP/1.1", 8, &greeting),
			 WIRE_INVALID);
	assert_int_equal(greeting_parse("NBDMAGICNBDMAGIC", 16, &greeting),
			 WIRE_INVALID);
}

static void
an_oldstyle_export_has_both_halves_of_its_flags(void **state)
{
	uint8_t bytes[NBD_OLDSTYLE_REST_SIZE] = { 0 };
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct export_description description;

	(void)state;
	writer_u64(&writer, 1 << 20);
	writer_u16(&writer, 7);
	writer_u16(&writer, 0x1234);
	assert_int_equal(oldstyle_parse(bytes, sizeof(bytes) - 1, &description),
			 WIRE_SHORT);
	assert_int_equal(oldstyle_parse(bytes, sizeof(bytes), &description),
			 WIRE_OK);
	assert_int_equal(description.size, 1 << 20);
	assert_int_equal(description.handshake_flags, 7);
	assert_int_equal(description.flags, 0x1234);
}

static void
an_option_reply_needs_its_magic(void **state)
{
	uint8_t bytes[NBD_OPTION_REPLY_SIZE];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct option_reply reply;

	(void)state;
	writer_u64(&writer, NBD_REP_MAGIC);
	writer_u32(&writer, NBD_OPT_GO);
	writer_u32(&writer, NBD_REP_ERR_UNKNOWN);
	writer_u32(&writer, 99);
	assert_int_equal(option_reply_parse(bytes, 19, &reply), WIRE_SHORT);
	assert_int_equal(option_reply_parse(bytes, 20, &reply), WIRE_OK);
	assert_int_equal(reply.option, NBD_OPT_GO);
	assert_true(reply.type == NBD_REP_ERR_UNKNOWN);
	assert_int_equal(reply.length, 99);
	bytes[0] ^= 1;
	assert_int_equal(option_reply_parse(bytes, 20, &reply), WIRE_INVALID);
}

/* hostile.md 61 to 63 */
static void
a_list_item_cannot_promise_more_than_it_has(void **state)
{
	uint8_t bytes[4 + 3 + 2] = { 0, 0, 0, 3, 'a', 'b', 'c', 'd', 'e' };
	struct server_item item;

	(void)state;
	assert_int_equal(server_item_parse(bytes, sizeof(bytes), &item),
			 WIRE_OK);
	assert_int_equal(item.name.length, 3);
	assert_memory_equal(item.name.text, "abc", 3);
	assert_int_equal(item.description.length, 2);
	assert_memory_equal(item.description.text, "de", 2);

	for (size_t n = 0; n < 4 + 3; n++)
		assert_int_equal(server_item_parse(bytes, n, &item),
				 WIRE_INVALID);
	assert_int_equal(server_item_parse(bytes, 4 + 3, &item), WIRE_OK);
	assert_int_equal(item.description.length, 0);

	store_be32(bytes, UINT32_MAX);
	assert_int_equal(server_item_parse(bytes, sizeof(bytes), &item),
			 WIRE_INVALID);
}

static void
strings_longer_than_the_specification_allows_are_invalid(void **state)
{
	static uint8_t bytes[4 + 2 * 4096 + 1];
	struct server_item server;
	struct context_item context;
	struct info_item info;

	(void)state;
	store_be32(bytes, 4096);
	assert_int_equal(server_item_parse(bytes, 4 + 2 * 4096, &server),
			 WIRE_OK);
	assert_int_equal(server_item_parse(bytes, 4 + 2 * 4096 + 1, &server),
			 WIRE_INVALID);
	store_be32(bytes, 4097);
	assert_int_equal(server_item_parse(bytes, 4 + 4097, &server),
			 WIRE_INVALID);

	assert_int_equal(context_item_parse(bytes, 4 + 4096, &context),
			 WIRE_OK);
	assert_int_equal(context_item_parse(bytes, 4 + 4097, &context),
			 WIRE_INVALID);

	store_be16(bytes, NBD_INFO_NAME);
	assert_int_equal(info_item_parse(bytes, 2 + 4096, &info), WIRE_OK);
	assert_int_equal(info_item_parse(bytes, 2 + 4097, &info), WIRE_INVALID);
}

/* hostile.md 74 */
static void
a_context_item_has_an_id_and_a_name(void **state)
{
	const uint8_t bytes[] = { 0, 0, 1, 0, 'x' };
	struct context_item item;

	(void)state;
	for (size_t n = 0; n < 5; n++)
		assert_int_equal(context_item_parse(bytes, n, &item),
				 WIRE_INVALID);
	assert_int_equal(context_item_parse(bytes, 5, &item), WIRE_OK);
	assert_int_equal(item.id, 256);
	assert_int_equal(item.name.length, 1);
}

/* hostile.md 41 to 43 */
static void
an_info_item_has_exactly_the_length_of_its_type(void **state)
{
	static const struct {
		uint16_t type;
		size_t length;
	} exact[] = {
		{ NBD_INFO_EXPORT, 12 },
		{ NBD_INFO_BLOCK_SIZE, 14 },
	};
	uint8_t bytes[32] = { 0 };
	struct info_item item;

	(void)state;
	assert_int_equal(info_item_parse(bytes, 0, &item), WIRE_INVALID);
	assert_int_equal(info_item_parse(bytes, 1, &item), WIRE_INVALID);
	for (size_t i = 0; i < 2; i++) {
		store_be16(bytes, exact[i].type);
		for (size_t n = 2; n <= sizeof(bytes); n++)
			assert_int_equal(info_item_parse(bytes, n, &item),
					 n == exact[i].length ? WIRE_OK
							      : WIRE_INVALID);
	}
	store_be16(bytes, 0x7777);
	assert_int_equal(info_item_parse(bytes, 2, &item), WIRE_OK);
	assert_int_equal(info_item_parse(bytes, 32, &item), WIRE_OK);
	assert_int_equal(item.type, 0x7777);
}

static void
info_items_are_read_in_the_order_of_the_specification(void **state)
{
	uint8_t bytes[14];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	struct info_item item;

	(void)state;
	writer_u16(&writer, NBD_INFO_BLOCK_SIZE);
	writer_u32(&writer, 1);
	writer_u32(&writer, 4096);
	writer_u32(&writer, 33554432);
	assert_int_equal(info_item_parse(bytes, 14, &item), WIRE_OK);
	assert_int_equal(item.block_minimum, 1);
	assert_int_equal(item.block_preferred, 4096);
	assert_int_equal(item.block_maximum, 33554432);

	writer = writer_over(bytes, 12);
	writer_u16(&writer, NBD_INFO_EXPORT);
	writer_u64(&writer, UINT64_MAX);
	writer_u16(&writer, 0x0bff);
	assert_int_equal(info_item_parse(bytes, 12, &item), WIRE_OK);
	assert_true(item.export.size == UINT64_MAX);
	assert_int_equal(item.export.flags, 0x0bff);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greeting_tells_oldstyle_from_newstyle),
		cmocka_unit_test(other_greetings_are_invalid),
		cmocka_unit_test(
			an_oldstyle_export_has_both_halves_of_its_flags),
		cmocka_unit_test(an_option_reply_needs_its_magic),
		cmocka_unit_test(a_list_item_cannot_promise_more_than_it_has),
		cmocka_unit_test(
			strings_longer_than_the_specification_allows_are_invalid),
		cmocka_unit_test(a_context_item_has_an_id_and_a_name),
		cmocka_unit_test(
			an_info_item_has_exactly_the_length_of_its_type),
		cmocka_unit_test(
			info_items_are_read_in_the_order_of_the_specification),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
