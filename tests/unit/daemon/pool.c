/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which connection gets the next part, and which connections agree. */
#include "daemon/core/agreement.h"
#include "daemon/core/choose.h"
#include "daemon/core/connection.h"
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

/* CONNECTION has answered commands after NS, with BYTES in flight. */
static void
set_pace(struct connection *connection, uint64_t bytes, uint64_t ns)
{
	connection->load = bytes;
	connection->answer_time = ns;
}

static void
a_quick_server_is_asked_over_one_connection(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	set_pace(&f.connections[0], 200 << 10, 200000);
	set_load(&f.connections[0], 3, 300 << 10);
	assert_ptr_equal(target_choose_for_batch(&f.target, 1),
			 &f.connections[0]);
	/* Not more than it is quick with, and not above its limit. */
	set_load(&f.connections[0], 3, 400 << 10);
	assert_ptr_equal(target_choose_for_batch(&f.target, 2),
			 &f.connections[1]);
	set_load(&f.connections[0], LIMIT, 300 << 10);
	assert_ptr_equal(target_choose_for_batch(&f.target, 3),
			 &f.connections[1]);
}

static void
a_slow_server_is_asked_over_all_of_them(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	for (size_t i = 0; i < 3; i++)
		set_pace(&f.connections[i], 4096, 5000000);
	set_load(&f.connections[0], 2, 8192);
	set_load(&f.connections[1], 1, 4096);
	assert_ptr_equal(target_choose_for_batch(&f.target, 1),
			 &f.connections[2]);
	/* What comes together goes together. */
	set_load(&f.connections[2], 3, 12288);
	assert_ptr_equal(target_choose_for_batch(&f.target, 1),
			 &f.connections[2]);
	assert_ptr_equal(target_choose_for_batch(&f.target, 2),
			 &f.connections[1]);
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
		cmocka_unit_test(a_quick_server_is_asked_over_one_connection),
		cmocka_unit_test(a_slow_server_is_asked_over_all_of_them),
		cmocka_unit_test(
			connections_agree_on_size_flags_blocks_and_contexts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
