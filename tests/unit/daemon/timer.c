/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The heap of timers. */
#include "daemon/core/timer.h"

#include <stdlib.h>

#include "common/list.h"
#include "tests/support/unit.h"

#define MANY 500

struct clock_hand {
	struct timer timer;
	uint64_t ran;
};

static uint64_t n_ran;

static void
note(struct timer *timer)
{
	container_of(timer, struct clock_hand, timer)->ran = ++n_ran;
}

static void
make(struct clock_hand *hands, size_t n)
{
	n_ran = 0;
	for (size_t i = 0; i < n; i++)
		hands[i] = (struct clock_hand){ .timer.on_due = note };
}

static void
timers_run_in_order_of_time_whatever_the_order_they_were_set(void **state)
{
	struct clock_hand hands[MANY];
	struct timers timers = { 0 };

	(void)state;
	make(hands, MANY);
	/* 7 and 500 have no common factor: each time occurs once. */
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(
			timer_set(&timers, &hands[i].timer, i * 7 % MANY), 0);
	assert_int_equal(timers_next(&timers), 0);
	timers_run(&timers, MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(hands[i].ran, i * 7 % MANY + 1);
	assert_true(timers_next(&timers) == UINT64_MAX);
	timers_done(&timers);
}

static void
what_is_not_due_does_not_run(void **state)
{
	struct clock_hand hands[2];
	struct timers timers = { 0 };

	(void)state;
	make(hands, 2);
	timer_set(&timers, &hands[0].timer, 10);
	timer_set(&timers, &hands[1].timer, 11);
	timers_run(&timers, 10);
	assert_int_equal(hands[0].ran, 1);
	assert_int_equal(hands[1].ran, 0);
	assert_int_equal(timers_next(&timers), 11);
	timers_done(&timers);
}

static void
a_timer_can_be_moved_and_stopped_anywhere_in_the_heap(void **state)
{
	struct clock_hand hands[MANY];
	struct timers timers = { 0 };
	uint64_t last = 0;

	(void)state;
	make(hands, MANY);
	for (size_t i = 0; i < MANY; i++)
		timer_set(&timers, &hands[i].timer, i * 7 % MANY);
	for (size_t i = 0; i < MANY; i += 3)
		timer_stop(&timers, &hands[i].timer);
	for (size_t i = 1; i < MANY; i += 3)
		timer_set(&timers, &hands[i].timer, MANY + i);
	timer_stop(&timers, &hands[0].timer);
	while (timers.n > 0) {
		assert_true(timers_next(&timers) >= last);
		last = timers_next(&timers);
		timers_run(&timers, last);
	}
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(hands[i].ran != 0, i % 3 != 0);
	timers_done(&timers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			timers_run_in_order_of_time_whatever_the_order_they_were_set),
		cmocka_unit_test(what_is_not_due_does_not_run),
		cmocka_unit_test(
			a_timer_can_be_moved_and_stopped_anywhere_in_the_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
