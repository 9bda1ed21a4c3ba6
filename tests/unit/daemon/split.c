/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests cut into commands, and widened to whole blocks. */
#include "daemon/core/split.h"

#include "daemon/core/export.h"
#include "tests/support/unit.h"

#define MIB (1ull << 20)
#define TIB (1ull << 40)

static void
payload_is_bounded_by_the_server_and_by_us(void **state)
{
	struct export_info export = { 0 };

	(void)state;
	assert_int_equal(split_max_payload(&export), 32 * MIB);
	export.block_maximum = UINT32_MAX;
	assert_int_equal(split_max_payload(&export), 32 * MIB);
	export.block_maximum = 1 * MIB;
	assert_int_equal(split_max_payload(&export), 1 * MIB);
	/* In whole blocks. */
	export.block_minimum = 4096;
	export.block_maximum = 10000;
	assert_int_equal(split_max_payload(&export), 8192);
	export.block_maximum = 100;
	assert_int_equal(split_max_payload(&export), 4096);
}

static void
reads_are_cut_at_the_payload(void **state)
{
	struct export_info export = { .block_maximum = 1 * MIB };

	(void)state;
	assert_int_equal(split_next(REQUEST_READ, &export, 0, 3 * MIB + 1),
			 MIB);
	assert_int_equal(
		split_next(REQUEST_WRITE, &export, 3 * MIB, 3 * MIB + 1), 1);
}

static void
commands_without_payload_are_cut_at_32_bits(void **state)
{
	struct export_info export = { .block_maximum = 1 * MIB };
	uint64_t length = split_next(REQUEST_TRIM, &export, 0, TIB);

	(void)state;
	assert_true(length == SPLIT_MAX_LENGTH);
	assert_true(length <= UINT32_MAX);
	/* The next command begins on a block, whatever the block. */
	assert_int_equal(length % 65536, 0);
	assert_true(split_next(REQUEST_ZERO, &export, TIB - 512, TIB) == 512);
}

static void
pieces_join_and_cover_the_range(void **state)
{
	static const enum request_command commands[] = {
		REQUEST_READ,
		REQUEST_TRIM,
		REQUEST_BLOCK_STATUS,
	};
	struct export_info export = { .block_minimum = 512,
				      .block_maximum = 1 * MIB };

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		uint64_t at = 512, end = 33 * MIB + 1024;

		while (at < end) {
			uint64_t n = split_next(commands[i], &export, at, end);

			assert_true(n > 0 && n <= end - at);
			assert_true(split_is_aligned(&export, at, n));
			at += n;
		}
		assert_true(at == end);
	}
}

static void
widening_goes_to_whole_blocks_but_not_past_the_end(void **state)
{
	struct export_info export = { .block_minimum = 4096,
				      .size = 10 * 4096 + 100 };
	uint64_t start = 4097, end = 8191;

	(void)state;
	split_widen(&export, &start, &end);
	assert_int_equal(start, 4096);
	assert_int_equal(end, 8192);
	split_widen(&export, &start, &end);
	assert_int_equal(start, 4096);
	assert_int_equal(end, 8192);
	end = export.size - 1;
	split_widen(&export, &start, &end);
	assert_int_equal(end, export.size);
}

static void
narrowing_may_leave_nothing(void **state)
{
	struct export_info export = { .block_minimum = 4096,
				      .size = 10 * 4096 };
	uint64_t start = 1, end = 8193;

	(void)state;
	split_narrow(&export, &start, &end);
	assert_int_equal(start, 4096);
	assert_int_equal(end, 8192);
	start = 4097;
	end = 12287;
	split_narrow(&export, &start, &end);
	assert_int_equal(start, end);
	start = 4097;
	end = 4099;
	split_narrow(&export, &start, &end);
	assert_int_equal(start, end);
}

static void
without_a_minimum_everything_is_aligned(void **state)
{
	struct export_info export = { .size = 1000 };
	uint64_t start = 1, end = 2;

	(void)state;
	split_widen(&export, &start, &end);
	assert_int_equal(start, 1);
	assert_int_equal(end, 2);
	assert_true(split_is_aligned(&export, 1, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(payload_is_bounded_by_the_server_and_by_us),
		cmocka_unit_test(reads_are_cut_at_the_payload),
		cmocka_unit_test(commands_without_payload_are_cut_at_32_bits),
		cmocka_unit_test(pieces_join_and_cover_the_range),
		cmocka_unit_test(
			widening_goes_to_whole_blocks_but_not_past_the_end),
		cmocka_unit_test(narrowing_may_leave_nothing),
		cmocka_unit_test(without_a_minimum_everything_is_aligned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
