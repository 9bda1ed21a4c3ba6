/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the interface has gained since 1.14, on every server: only on our
 * library, because older ones lack these functions. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/outcome.h"

static struct nbd_handle *
open_negotiating(const struct fixture *fixture)
{
	struct nbd_handle *h = fixture_new_handle(fixture);

	assert_nbd_ok(nbd_set_opt_mode(h, true));
	fixture_connect(fixture, h);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	return h;
}

static void
shutdown_leaves_option_mode(void **state)
{
	struct nbd_handle *h = open_negotiating(*state);

	assert_nbd_ok(nbd_shutdown(h, 0));
	assert_int_equal(nbd_aio_is_closed(h), 1);
	nbd_close(h);
}

static int
count_context(void *user_data, const char *name)
{
	unsigned *n = user_data;

	assert_string_equal(name, LIBNBD_CONTEXT_BASE_ALLOCATION);
	++*n;
	return 0;
}

static void
contexts_are_set_by_hand(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = open_negotiating(fixture);
	unsigned n = 0;
	nbd_context_callback context = { .callback = count_context,
					 .user_data = &n };

	if (fixture->target->can & CAN_MAP) {
		assert_nbd_ok(nbd_set_request_meta_context(h, false));
		assert_int_equal(nbd_opt_set_meta_context(h, context), 1);
		assert_int_equal(n, 1);
		assert_nbd_ok(nbd_opt_go(h));
		assert_int_equal(
			nbd_can_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION),
			1);
	}
	nbd_close(h);
}

static int
sum_extents(void *user_data, const char *context, uint64_t offset,
	    nbd_extent *entries, size_t n_entries, int *error)
{
	uint64_t *sum = user_data;

	assert_int_equal(*error, 0);
	assert_string_equal(context, LIBNBD_CONTEXT_BASE_ALLOCATION);
	assert_int_equal(offset, *sum);
	for (size_t i = 0; i < n_entries; i++)
		*sum += entries[i].length;
	return 0;
}

static void
the_map_in_64_bits(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t sum = 0;
	nbd_extent64_callback extent = { .callback = sum_extents,
					 .user_data = &sum };

	if (!(fixture->target->can & CAN_MAP))
		return;
	while (sum < DISK_SIZE)
		assert_nbd_ok(nbd_block_status_64(fixture->h, DISK_SIZE - sum,
						  sum, extent, 0));
	assert_int_equal(sum, DISK_SIZE);
}

static void
traffic_is_counted(void **state)
{
	const struct fixture *fixture = *state;
	uint64_t sent = nbd_stats_bytes_sent(fixture->h);
	uint64_t received = nbd_stats_bytes_received(fixture->h);
	uint8_t block[512];

	assert_nbd_ok(nbd_pread(fixture->h, block, 512, 0, 0));
	assert_int_equal(nbd_stats_bytes_sent(fixture->h), sent + 28);
	assert_in_range(nbd_stats_bytes_received(fixture->h), received + 16,
			received + 512 + 64);
	assert_in_range(nbd_stats_chunks_sent(fixture->h), 1, UINT32_MAX);
	assert_in_range(nbd_stats_chunks_received(fixture->h), 1, UINT32_MAX);
}

static void
poll2_also_watches_another_descriptor(void **state)
{
	const struct fixture *fixture = *state;
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(nbd_poll2(fixture->h, pipes[0], 0), 0);
	assert_int_equal(write(pipes[1], "x", 1), 1);
	assert_int_equal(nbd_poll2(fixture->h, pipes[0], 30000), 1);
	close(pipes[0]);
	close(pipes[1]);
}

static void
the_subprocess_is_known(void **state)
{
	static const char *const words[] = {
		"nbdkit", "-s", "--exit-with-parent", "memory", "1M", NULL
	};
	union {
		const char *const *given;
		char **wanted;
	} argv = { .given = words };
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_get_subprocess_pid(h), -1);
	assert_nbd_ok(nbd_connect_command(h, argv.wanted));
	assert_in_range(nbd_get_subprocess_pid(h), 2, INT32_MAX);
	assert_nbd_ok(nbd_shutdown(h, 0));
	nbd_close(h);
}

struct tally {
	unsigned n_completions;
	unsigned n_frees;
	int error;
};

static int
on_completion(void *user_data, int *error)
{
	struct tally *tally = user_data;

	tally->n_completions++;
	tally->error = *error;
	return 1;
}

static void
on_free(void *user_data)
{
	struct tally *tally = user_data;

	tally->n_frees++;
}

/* Each ends once, with ENOTCONN. */
static void
a_handle_closed_with_commands_in_flight(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();
	struct tally tally = { 0 };
	nbd_completion_callback completion = { .callback = on_completion,
					       .free = on_free,
					       .user_data = &tally };
	uint8_t buffers[8][512];

	(void)state;
	server_start_line(&server, SERVER_UNIX,
			  "nbdkit --filter=delay memory 1M rdelay=60");
	assert_nbd_ok(nbd_connect_unix(h, server.socket));
	for (uint64_t i = 0; i < 8; i++)
		assert_nbd_ok(nbd_aio_pread(h, buffers[i], 512, i * 512,
					    completion, 0));
	nbd_close(h);
	assert_int_equal(tally.n_completions, 8);
	assert_int_equal(tally.n_frees, 8);
	assert_int_equal(tally.error, ENOTCONN);
}

static void
the_payload_limit_is_known(void **state)
{
	const struct fixture *fixture = *state;

	assert_in_range(nbd_get_block_size(fixture->h, LIBNBD_SIZE_PAYLOAD),
			1 << 20, 64 << 20);
}

static void
what_is_a_uri(void **state)
{
	const struct fixture *fixture = *state;

	assert_int_equal(nbd_is_uri(fixture->h, fixture->server.uri), 1);
	assert_int_equal(nbd_is_uri(fixture->h, "/dev/null"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shutdown_leaves_option_mode),
		cmocka_unit_test(contexts_are_set_by_hand),
		cmocka_unit_test(the_map_in_64_bits),
		cmocka_unit_test(traffic_is_counted),
		cmocka_unit_test(poll2_also_watches_another_descriptor),
		cmocka_unit_test(the_subprocess_is_known),
		cmocka_unit_test(a_handle_closed_with_commands_in_flight),
		cmocka_unit_test(the_payload_limit_is_known),
		cmocka_unit_test(what_is_a_uri),
	};

	fixture_check_library();
	return fixture_run_everywhere(tests, sizeof(tests) / sizeof(tests[0]),
				      CAN_LIST);
}
