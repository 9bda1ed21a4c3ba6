/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arithmetic on numbers from outside, and integers as they stand on the wire. */
#include "common/checked.h"

#include "common/byteorder.h"
#include "tests/support/unit.h"

static void
sums_and_products_that_fit_are_given(void **state)
{
	size_t result = 0;

	(void)state;
	assert_true(checked_add_size(SIZE_MAX - 1, 1, &result));
	assert_true(result == SIZE_MAX);
	assert_true(checked_mul_size(3, 5, &result));
	assert_int_equal(result, 15);
}

static void
what_overflows_leaves_the_result_alone(void **state)
{
	size_t result = 42;

	(void)state;
	assert_false(checked_add_size(SIZE_MAX, 1, &result));
	assert_false(checked_mul_size(SIZE_MAX / 2, 3, &result));
	assert_int_equal(result, 42);
}

static void
ranges_are_compared_without_wrapping(void **state)
{
	(void)state;
	assert_true(checked_range(0, 512, 512));
	assert_true(checked_range(512, 0, 512));
	assert_false(checked_range(1, 512, 512));
	assert_false(checked_range(UINT64_MAX, 2, 512));
	assert_false(checked_range(2, UINT64_MAX, 512));
	assert_true(checked_range(UINT64_MAX, 0, UINT64_MAX));
}

static void
integers_are_big_endian_at_any_address(void **state)
{
	unsigned char bytes[9] = { 0 };

	(void)state;
	store_be64(bytes + 1, 0x0102030405060708);
	assert_int_equal(bytes[1], 1);
	assert_int_equal(bytes[8], 8);
	assert_true(load_be64(bytes + 1) == 0x0102030405060708);
	assert_int_equal(load_be32(bytes + 5), 0x05060708);
	assert_int_equal(load_be16(bytes + 1), 0x0102);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_and_products_that_fit_are_given),
		cmocka_unit_test(what_overflows_leaves_the_result_alone),
		cmocka_unit_test(ranges_are_compared_without_wrapping),
		cmocka_unit_test(integers_are_big_endian_at_any_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
