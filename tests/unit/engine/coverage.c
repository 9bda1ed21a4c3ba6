/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bytes of a read have arrived: exactly, whatever their order. */
#include "client-lib/engine/coverage.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/unit.h"

static void
pieces_in_order_cover_without_memory(void **state)
{
	struct coverage coverage = { 0 };

	(void)state;
	assert_int_equal(coverage_add(&coverage, 0, 100, 512), COVERAGE_OK);
	assert_false(coverage_is_full(&coverage, 512));
	assert_int_equal(coverage_add(&coverage, 100, 412, 512), COVERAGE_OK);
	assert_true(coverage_is_full(&coverage, 512));
	assert_null(coverage.bitmap);
	coverage_done(&coverage);
}

/* hostile.md 132 */
static void
pieces_in_reverse_order_cover(void **state)
{
	struct coverage coverage = { 0 };

	(void)state;
	for (uint64_t at = 512; at > 0; at -= 64) {
		assert_false(coverage_is_full(&coverage, 512));
		assert_int_equal(coverage_add(&coverage, at - 64, 64, 512),
				 COVERAGE_OK);
	}
	assert_true(coverage_is_full(&coverage, 512));
	coverage_done(&coverage);
}

/* hostile.md 131 */
static void
an_overlap_cannot_hide_a_gap(void **state)
{
	struct coverage coverage = { 0 };

	(void)state;
	assert_int_equal(coverage_add(&coverage, 0, 256, 512), COVERAGE_OK);
	assert_int_equal(coverage_add(&coverage, 0, 256, 512),
			 COVERAGE_OVERLAP);
	assert_false(coverage_is_full(&coverage, 512));
	assert_int_equal(coverage_add(&coverage, 256, 256, 512), COVERAGE_OK);
	assert_true(coverage_is_full(&coverage, 512));
	coverage_done(&coverage);
}

static void
nothing_covers_nothing(void **state)
{
	struct coverage coverage = { 0 };

	(void)state;
	assert_true(coverage_is_full(&coverage, 0));
	assert_int_equal(coverage_add(&coverage, 77, 0, 512), COVERAGE_OK);
	assert_int_equal(coverage.covered, 0);
	assert_null(coverage.bitmap);
}

/* Compares with the obvious way to count, on random pieces. */
static void
random_pieces_agree_with_counting_bytes(void **state)
{
	enum {
		COUNT = 1000
	};
	(void)state;
	srand(1);
	for (int round = 0; round < 200; round++) {
		struct coverage coverage = { 0 };
		unsigned char seen[COUNT] = { 0 };
		uint64_t n_seen = 0;

		for (int i = 0; i < 40; i++) {
			uint64_t at = (uint64_t)rand() % COUNT;
			uint64_t length = (uint64_t)rand() % (COUNT - at) / 8;
			bool overlaps = false;

			for (uint64_t k = at; k < at + length; k++) {
				overlaps |= seen[k];
				n_seen += !seen[k];
				seen[k] = 1;
			}
			assert_int_equal(
				coverage_add(&coverage, at, length, COUNT),
				overlaps ? COVERAGE_OVERLAP : COVERAGE_OK);
			assert_int_equal(coverage.covered, n_seen);
		}
		coverage_done(&coverage);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_in_order_cover_without_memory),
		cmocka_unit_test(pieces_in_reverse_order_cover),
		cmocka_unit_test(an_overlap_cannot_hide_a_gap),
		cmocka_unit_test(nothing_covers_nothing),
		cmocka_unit_test(random_pieces_agree_with_counting_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
