/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of commands by cookie. */
#include "client-lib/engine/in_flight.h"

#include "client-lib/engine/command.h"
#include "tests/support/unit.h"

static void
an_empty_table_knows_no_cookie(void **state)
{
	struct in_flight table = { 0 };

	(void)state;
	assert_null(in_flight_find(&table, 0));
	assert_null(in_flight_find(&table, 1));
	in_flight_done(&table);
}

static void
commands_are_found_while_the_table_grows(void **state)
{
	enum {
		N = 5000
	};
	struct in_flight table = { 0 };
	static struct command *commands[N + 1];

	(void)state;
	for (uint64_t cookie = 1; cookie <= N; cookie++) {
		commands[cookie] = in_flight_add(&table, cookie);
		assert_non_null(commands[cookie]);
	}
	for (uint64_t cookie = 1; cookie <= N; cookie++)
		assert_ptr_equal(in_flight_find(&table, cookie),
				 commands[cookie]);
	assert_null(in_flight_find(&table, N + 1));
	for (uint64_t cookie = 1; cookie <= N; cookie += 2)
		in_flight_remove(&table, commands[cookie]);
	for (uint64_t cookie = 1; cookie <= N; cookie++)
		assert_ptr_equal(in_flight_find(&table, cookie),
				 cookie % 2 ? NULL : commands[cookie]);
	assert_int_equal(table.n_commands, N / 2);
	in_flight_done(&table);
}

static void
a_straggler_does_not_make_the_table_grow(void **state)
{
	struct in_flight table = { 0 };
	struct command *straggler = in_flight_add(&table, 1);

	(void)state;
	for (uint64_t cookie = 2; cookie < 10000; cookie++) {
		struct command *command = in_flight_add(&table, cookie);

		assert_ptr_equal(in_flight_find(&table, cookie), command);
		in_flight_remove(&table, command);
	}
	assert_ptr_equal(in_flight_find(&table, 1), straggler);
	assert_int_equal(table.n_slots, 64);
	in_flight_done(&table);
}

static void
memory_is_used_again(void **state)
{
	struct in_flight table = { 0 };
	struct command *first = in_flight_add(&table, 1);
	struct command *second;

	(void)state;
	in_flight_remove(&table, first);
	second = in_flight_add(&table, 2);
	assert_ptr_equal(first, second);
	assert_int_equal(second->cookie, 2);
	in_flight_done(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_table_knows_no_cookie),
		cmocka_unit_test(commands_are_found_while_the_table_grows),
		cmocka_unit_test(a_straggler_does_not_make_the_table_grow),
		cmocka_unit_test(memory_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
