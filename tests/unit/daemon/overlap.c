/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranges in use, small, large and many. */
#include "daemon/core/overlap.h"
#include "tests/support/unit.h"

#define PAGE 4096ull
#define GIB  (1ull << 30)

static void
ranges_that_share_a_byte_meet(void **state)
{
	struct overlap overlap;
	struct range range = { 0 };

	(void)state;
	overlap_init(&overlap);
	assert_false(overlap_meets(&overlap, 0, UINT64_MAX));
	overlap_add(&overlap, &range, 1000, 2000);
	assert_true(overlap_meets(&overlap, 1999, 2000));
	assert_true(overlap_meets(&overlap, 0, 1001));
	assert_true(overlap_meets(&overlap, 0, 100 * GIB));
	/* Neighbours in the same page do not. */
	assert_false(overlap_meets(&overlap, 2000, 2001));
	assert_false(overlap_meets(&overlap, 0, 1000));
	overlap_remove(&overlap, &range);
	assert_false(overlap_meets(&overlap, 0, 100 * GIB));
	overlap_remove(&overlap, &range);
}

static void
a_large_range_is_found_from_a_small_one(void **state)
{
	struct overlap overlap;
	struct range large = { 0 }, small = { 0 };

	(void)state;
	overlap_init(&overlap);
	overlap_add(&overlap, &large, 10 * GIB, 11 * GIB);
	assert_true(overlap_meets(&overlap, 11 * GIB - 1, 11 * GIB));
	assert_false(overlap_meets(&overlap, 11 * GIB, 12 * GIB));
	overlap_add(&overlap, &small, 0, 1);
	overlap_remove(&overlap, &large);
	assert_false(overlap_meets(&overlap, 10 * GIB, 11 * GIB));
	assert_true(overlap_meets(&overlap, 0, 100 * PAGE));
}

/* Pages that share a slot of the table are told apart. */
static void
distant_ranges_do_not_meet(void **state)
{
	struct overlap overlap;
	struct range ranges[100] = { 0 };

	(void)state;
	overlap_init(&overlap);
	for (uint64_t i = 0; i < 100; i++)
		overlap_add(&overlap, &ranges[i], i * OVERLAP_SLOTS * PAGE,
			    i * OVERLAP_SLOTS * PAGE + PAGE);
	assert_false(overlap_meets(&overlap, 200 * OVERLAP_SLOTS * PAGE,
				   200 * OVERLAP_SLOTS * PAGE + 1));
	assert_true(overlap_meets(&overlap, 99 * OVERLAP_SLOTS * PAGE,
				  99 * OVERLAP_SLOTS * PAGE + 1));
	for (uint64_t i = 0; i < 100; i++)
		overlap_remove(&overlap, &ranges[i]);
	assert_false(overlap_meets(&overlap, 0, UINT64_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_share_a_byte_meet),
		cmocka_unit_test(a_large_range_is_found_from_a_small_one),
		cmocka_unit_test(distant_ranges_do_not_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
