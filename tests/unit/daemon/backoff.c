/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pauses between attempts to connect. */
#include "daemon/core/backoff.h"

#include "tests/support/unit.h"

static void
the_first_attempt_does_not_wait(void **state)
{
	(void)state;
	assert_int_equal(backoff_delay(0, 12345), 0);
}

static void
pauses_double_up_to_the_limit(void **state)
{
	(void)state;
	/* Zero draws the shortest pause: half of the whole. */
	assert_true(backoff_delay(1, 0) == BACKOFF_FIRST / 2);
	assert_true(backoff_delay(2, 0) == BACKOFF_FIRST);
	assert_true(backoff_delay(3, 0) == BACKOFF_FIRST * 2);
	assert_true(backoff_delay(30, 0) == BACKOFF_LIMIT / 2);
	assert_true(backoff_delay(UINT32_MAX, 0) == BACKOFF_LIMIT / 2);
}

static void
chance_moves_a_pause_between_half_and_all(void **state)
{
	(void)state;
	for (uint32_t random = 0; random < 1000; random++) {
		uint64_t delay = backoff_delay(4, random * 4294967);

		assert_true(delay >= BACKOFF_FIRST * 4);
		assert_true(delay <= BACKOFF_FIRST * 8);
	}
	assert_true(backoff_delay(4, 1) != backoff_delay(4, 2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_attempt_does_not_wait),
		cmocka_unit_test(pauses_double_up_to_the_limit),
		cmocka_unit_test(chance_moves_a_pause_between_half_and_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
