/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cursors never leave their buffers. */
#include <string.h>

#include "client-lib/wire/reader.h"
#include "client-lib/wire/writer.h"
#include "tests/support/unit.h"

static void
a_reader_reads_big_endian_integers_in_turn(void **state)
{
	const uint8_t bytes[] = {
		1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
	};
	struct reader reader = reader_over(bytes, sizeof(bytes));
	uint16_t u16 = 0;
	uint32_t u32 = 0;
	uint64_t u64 = 0;

	(void)state;
	assert_true(reader_u16(&reader, &u16));
	assert_true(reader_u32(&reader, &u32));
	assert_true(reader_u64(&reader, &u64));
	assert_int_equal(u16, 0x0102);
	assert_int_equal(u32, 0x03040506);
	assert_true(u64 == UINT64_C(0x0708090a0b0c0d0e));
	assert_int_equal(reader.left, 0);
}

static void
a_read_that_does_not_fit_moves_nothing(void **state)
{
	const uint8_t bytes[] = { 1, 2, 3 };
	struct reader reader = reader_over(bytes, sizeof(bytes));
	const uint8_t *taken = NULL;
	uint32_t u32 = 7;
	uint16_t u16 = 0;

	(void)state;
	assert_false(reader_u32(&reader, &u32));
	assert_int_equal(u32, 7);
	assert_false(reader_take(&reader, SIZE_MAX, &taken));
	assert_null(taken);
	assert_true(reader_u16(&reader, &u16));
	assert_int_equal(u16, 0x0102);
}

static void
a_writer_writes_big_endian_integers_in_turn(void **state)
{
	const uint8_t expected[] = { 1, 2,  3,  4,  5,  6,  7,  8,
				     9, 10, 11, 12, 13, 14, 'x' };
	uint8_t bytes[sizeof(expected)] = { 0 };
	struct writer writer = writer_over(bytes, sizeof(bytes));

	(void)state;
	writer_u16(&writer, 0x0102);
	writer_u32(&writer, 0x03040506);
	writer_u64(&writer, UINT64_C(0x0708090a0b0c0d0e));
	writer_bytes(&writer, "x", 1);
	assert_false(writer.is_full);
	assert_memory_equal(bytes, expected, sizeof(expected));
}

static void
a_full_writer_stays_full_and_writes_nothing(void **state)
{
	uint8_t bytes[8] = { 0 };
	const uint8_t untouched[6] = { 0 };
	struct writer writer = writer_over(bytes, 5);

	(void)state;
	writer_u16(&writer, 0xffff);
	writer_u32(&writer, 0xffffffff);
	assert_true(writer.is_full);
	writer_u16(&writer, 0xffff);
	assert_true(writer.is_full);
	assert_memory_equal(bytes + 2, untouched, sizeof(untouched));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reader_reads_big_endian_integers_in_turn),
		cmocka_unit_test(a_read_that_does_not_fit_moves_nothing),
		cmocka_unit_test(a_writer_writes_big_endian_integers_in_turn),
		cmocka_unit_test(a_full_writer_stays_full_and_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
