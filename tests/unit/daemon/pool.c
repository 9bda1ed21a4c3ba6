/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which connection gets the next part, and which connections agree. */
#include "daemon/core/agreement.h"
#include "daemon/core/target.h"
#include "tests/support/unit.h"

#define LIMIT 4

struct fixture {
	struct request_target target;
	struct connection connections[3];
};

static void
set_up(struct fixture *fixture)
{
	*fixture = (struct fixture){ 0 };
	list_init(&fixture->target.connections);
	fixture->target.in_flight_limit = LIMIT;
	for (size_t i = 0; i < 3; i++)
		list_append(&fixture->target.connections,
			    &fixture->connections[i].link);
}

static void
set_load(struct connection *connection, unsigned n, uint64_t bytes)
{
	connection->in_flight = n;
	connection->bytes_in_flight = bytes;
}

static void
the_fewest_bytes_in_flight_win(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	set_load(&f.connections[0], 1, 1000000);
	set_load(&f.connections[1], 3, 3000);
	set_load(&f.connections[2], 2, 4000);
	assert_ptr_equal(target_choose(&f.target), &f.connections[1]);
}

static void
a_connection_at_its_limit_gets_no_more(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	set_load(&f.connections[0], 1, 1000000);
	set_load(&f.connections[1], LIMIT, 3000);
	set_load(&f.connections[2], 2, 2000000);
	assert_ptr_equal(target_choose(&f.target), &f.connections[0]);
	set_load(&f.connections[0], LIMIT, 1);
	set_load(&f.connections[2], LIMIT, 1);
	assert_null(target_choose(&f.target));
}

static void
without_connections_there_is_nothing_to_choose(void **state)
{
	struct request_target target = { 0 };

	(void)state;
	list_init(&target.connections);
	assert_null(target_choose(&target));
}

static void
connections_agree_on_size_flags_blocks_and_contexts(void **state)
{
	struct export_info a = { .size = 1024, .can_multi_conn = true };
	struct export_info b = a;

	(void)state;
	assert_null(agreement_difference(&a, &b));
	b.size = 2048;
	assert_string_equal(agreement_difference(&a, &b), "size");
	b = a;
	b.is_read_only = true;
	assert_string_equal(agreement_difference(&a, &b), "read-only flag");
	b = a;
	b.can_multi_conn = false;
	assert_string_equal(agreement_difference(&a, &b), "set of flags");
	b = a;
	b.block_minimum = 512;
	assert_string_equal(agreement_difference(&a, &b), "set of block sizes");
	b = a;
	string_list_append(&b.contexts, "base:allocation");
	assert_string_equal(agreement_difference(&a, &b),
			    "set of metadata contexts");
	string_list_done(&b.contexts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fewest_bytes_in_flight_win),
		cmocka_unit_test(a_connection_at_its_limit_gets_no_more),
		cmocka_unit_test(
			without_connections_there_is_nothing_to_choose),
		cmocka_unit_test(
			connections_agree_on_size_flags_blocks_and_contexts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
