/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many pieces are under way: few while they pass quickly. */
#include "common/window.h"

#include "tests/support/unit.h"

#define MS UINT64_C(1000000)

static void
what_the_user_says_stays(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 3, 8, 64);
	assert_int_equal(window.size, 3);
	window_adapt(&window, window.since + 10000 * MS);
	assert_int_equal(window.size, 3);
	assert_int_equal(window.max, 3);
	assert_false(window.is_slow);
}

static void
no_more_than_the_disks_take(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 100, 8, 64);
	assert_int_equal(window.size, 64);
	window_init(&window, 0, 8, 2);
	assert_int_equal(window.size, 2);
	window_adapt(&window, window.since + 10000 * MS);
	assert_int_equal(window.size, 2);
}

static void
quick_turns_leave_it_small(void **state)
{
	struct window window;

	(void)state;
	window_init(&window, 0, 8, 64);
	assert_int_equal(window.size, 8);
	for (int i = 0; i < 100; i++) {
		unsigned int size = window.size;

		window_adapt(&window, window.since + 4 * MS);
		assert_int_equal(window.size, size);
	}
}

static void
slow_turns_double_it_to_the_most(void **state)
{
	struct window window;
	unsigned int before;

	(void)state;
	window_init(&window, 0, 8, 50);
	before = window.size;
	window_adapt(&window, window.since + 100 * MS);
	assert_int_equal(window.size, 2 * before);
	assert_false(window.is_slow);
	for (int i = 0; i < 10; i++)
		window_adapt(&window, window.since + 100 * MS);
	assert_int_equal(window.size, 50);
	assert_true(window.is_slow);
}

/* Some turns are counted before the clock is looked at. */
static void
pieces_are_counted(void **state)
{
	struct window window;
	uint64_t since;

	(void)state;
	window_init(&window, 2, 8, 64);
	since = window.since;
	window_add_done(&window);
	assert_int_equal(window.n_done, 1);
	assert_int_equal(window.since, since);
	while (window.n_done > 0)
		window_add_done(&window);
	assert_true(window.since >= since);
}

static void
idle_time_is_no_delay(void **state)
{
	struct window window;
	uint64_t now;

	(void)state;
	window_init(&window, 0, 8, 64);
	now = window.since;
	window_add_done(&window);
	window.since -= 10000 * MS;
	window_resume(&window);
	assert_int_equal(window.n_done, 0);
	assert_true(window.since >= now);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_user_says_stays),
		cmocka_unit_test(no_more_than_the_disks_take),
		cmocka_unit_test(quick_turns_leave_it_small),
		cmocka_unit_test(slow_turns_double_it_to_the_most),
		cmocka_unit_test(pieces_are_counted),
		cmocka_unit_test(idle_time_is_no_delay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
