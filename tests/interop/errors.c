/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Servers that refuse, limit, hang up and die. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"
#include "tests/support/workdir.h"

static struct nbd_handle *
open_line(struct server *server, const char *line)
{
	struct nbd_handle *h = nbd_create();

	server_start_line(server, SERVER_UNIX, line);
	assert_non_null(h);
	assert_nbd_ok(nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION));
	assert_nbd_ok(nbd_connect_unix(h, server->socket));
	return h;
}

/* The connection is alive and in sync. */
static void
expect_usable(struct nbd_handle *h)
{
	assert_int_equal(nbd_aio_is_ready(h), 1);
	assert_nbd_ok(nbd_shutdown(h, 0));
	nbd_close(h);
}

static int
no_extents(void *user_data, const char *context, uint64_t offset,
	   uint32_t *entries, size_t n_entries, int *error)
{
	(void)user_data;
	(void)context;
	(void)offset;
	(void)entries;
	(void)n_entries;
	(void)error;
	fail_msg("there should be no extents");
	return 0;
}

static void
each_command_gives_the_error_of_the_server(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(
		&server,
		"nbdkit --filter=error memory 1M error=ENOSPC "
		"error-pread=EIO error-extents=ENOMEM error-rate=100%");
	nbd_extent_callback extent = { .callback = no_extents };
	uint8_t block[512] = { 0 };

	(void)state;
	assert_nbd_errno(nbd_pread(h, block, 512, 0, 0), EIO);
	assert_nbd_errno(nbd_pwrite(h, block, 512, 0, 0), ENOSPC);
	assert_nbd_errno(nbd_trim(h, 512, 0, 0), ENOSPC);
	assert_nbd_errno(nbd_zero(h, 512, 0, 0), ENOSPC);
	assert_nbd_errno(nbd_cache(h, 512, 0, 0), ENOSPC);
	assert_nbd_errno(nbd_block_status(h, 512, 0, extent, 0), ENOMEM);
	expect_usable(h);
}

static void
an_error_without_structured_replies(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(&server,
					 "nbdkit --no-sr --filter=error memory "
					 "1M error=EIO error-rate=100%");
	uint8_t block[512] = { 0 };

	(void)state;
	assert_nbd_errno(nbd_pread(h, block, 512, 0, 0), EIO);
	assert_nbd_errno(nbd_pwrite(h, block, 512, 0, 0), EIO);
	expect_usable(h);
}

struct tally {
	unsigned n_good;
	unsigned n_bad;
	unsigned n_frees;
	int last_error;
};

static int
on_completion(void *user_data, int *error)
{
	struct tally *tally = user_data;

	if (*error) {
		tally->n_bad++;
		tally->last_error = *error;
	} else {
		tally->n_good++;
	}
	return 1;
}

static void
on_free(void *user_data)
{
	struct tally *tally = user_data;

	tally->n_frees++;
}

static nbd_completion_callback
counting(struct tally *tally)
{
	return (nbd_completion_callback){ .callback = on_completion,
					  .free = on_free,
					  .user_data = tally };
}

static void
some_of_many_fail_and_the_others_do_not(void **state)
{
	enum {
		N = 400
	};
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(&server,
					 "nbdkit --filter=error memory 1M "
					 "error-pread=EIO error-rate=50%");
	CLEANUP_FREE uint8_t *buffers = malloc(N * 512);
	struct tally tally = { 0 };

	(void)state;
	for (uint64_t i = 0; i < N; i++)
		assert_nbd_ok(nbd_aio_pread(h, buffers + i * 512, 512, i * 512,
					    counting(&tally), 0));
	while (nbd_aio_in_flight(h) > 0)
		assert_int_equal(nbd_poll(h, 30000), 1);
	assert_int_equal(tally.n_good + tally.n_bad, N);
	assert_int_equal(tally.n_frees, N);
	assert_in_range(tally.n_good, 1, N - 1);
	assert_int_equal(tally.last_error, EIO);
	expect_usable(h);
}

static void
a_read_only_export_refuses_writes(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(&server, "nbdkit -r memory 1M");
	uint8_t block[512] = { 0 };

	(void)state;
	assert_int_equal(nbd_is_read_only(h), 1);
	assert_nbd_errno(nbd_pwrite(h, block, 512, 0, 0), EPERM);
	/* The server is asked once we do not check. */
	assert_nbd_ok(nbd_set_strict_mode(h, 0));
	assert_nbd_errno(nbd_pwrite(h, block, 512, 0, 0), EPERM);
	expect_usable(h);
}

static void
block_sizes_are_obeyed(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(
		&server, "nbdkit --filter=blocksize-policy memory 1M "
			 "blocksize-error-policy=error blocksize-minimum=512 "
			 "blocksize-preferred=4096 blocksize-maximum=65536");
	uint8_t block[1024] = { 0 };

	(void)state;
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM), 512);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED), 4096);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM), 65536);
	assert_nbd_errno(nbd_pread(h, block, 100, 0, 0), EINVAL);
	assert_nbd_errno(nbd_pwrite(h, block, 512, 100, 0), EINVAL);
	assert_nbd_ok(nbd_pwrite(h, block, 512, 512, 0));
	assert_nbd_ok(nbd_set_strict_mode(h, 0));
	assert_nbd_errno(nbd_pread(h, block, 100, 0, 0), EINVAL);
	expect_usable(h);
}

/* Without the flags nothing is sent, and the server would not know how. */
static void
what_is_not_offered_is_refused_here(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(&server,
					 "nbdkit --filter=nozero memory 1M");
	uint32_t strict = nbd_get_strict_mode(h);

	(void)state;
	assert_int_equal(nbd_can_zero(h), 0);
	assert_nbd_errno(nbd_zero(h, 512, 0, 0), EINVAL);
	assert_int_equal(nbd_set_strict_mode(
				 h, strict & ~(uint32_t)LIBNBD_STRICT_COMMANDS),
			 0);
	assert_nbd_errno(nbd_zero(h, 512, 0, 0), EINVAL);
	expect_usable(h);
}

/* DEPTH reads are in flight, none is answered, then END happens. */
static void
lose_the_server(const char *line, int end)
{
	enum {
		DEPTH = 32
	};
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(&server, line);
	CLEANUP_FREE uint8_t *buffers = malloc(DEPTH * 512);
	struct tally tally = { 0 };
	uint8_t block[512];

	for (uint64_t i = 0; i < DEPTH; i++)
		assert_nbd_ok(nbd_aio_pread(h, buffers + i * 512, 512, i * 512,
					    counting(&tally), 0));
	process_signal(server.pid, end);
	while (!nbd_aio_is_dead(h) && !nbd_aio_is_closed(h))
		nbd_poll(h, 30000);
	assert_int_equal(tally.n_good, 0);
	assert_int_equal(tally.n_bad, DEPTH);
	assert_int_equal(tally.n_frees, DEPTH);
	assert_int_equal(tally.last_error, ENOTCONN);
	assert_int_equal(nbd_pread(h, block, 512, 0, 0), -1);
	nbd_close(h);
	assert_int_equal(tally.n_bad, DEPTH);
}

static void
a_server_killed_with_commands_in_flight(void **state)
{
	(void)state;
	lose_the_server("nbdkit --filter=delay memory 1M rdelay=60", SIGKILL);
}

static void
a_synchronous_call_when_the_server_is_killed(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(&server, "nbdkit memory 1M");
	uint8_t block[512];

	(void)state;
	assert_nbd_ok(nbd_pread(h, block, 512, 0, 0));
	server_kill(&server);
	assert_int_equal(nbd_pread(h, block, 512, 0, 0), -1);
	assert_true(nbd_aio_is_dead(h) || nbd_aio_is_closed(h));
	assert_int_equal(nbd_shutdown(h, 0), -1);
	nbd_close(h);
}

static void
a_stopped_server_lets_the_caller_poll_with_a_timeout(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(&server, "nbdkit memory 1M");
	struct tally tally = { 0 };
	uint8_t block[512];

	(void)state;
	process_stop(server.pid);
	assert_nbd_ok(nbd_aio_pread(h, block, 512, 0, counting(&tally), 0));
	assert_int_equal(nbd_poll(h, 10), 0);
	assert_int_equal(tally.n_good + tally.n_bad, 0);
	process_signal(server.pid, SIGCONT);
	while (nbd_aio_in_flight(h) > 0)
		assert_int_equal(nbd_poll(h, 30000), 1);
	assert_int_equal(tally.n_good, 1);
	expect_usable(h);
}

static void
a_read_too_large_is_refused_here(void **state)
{
	enum {
		TOO_LARGE = (64 << 20) + 1
	};
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = open_line(&server, "nbdkit memory 1G");
	CLEANUP_FREE uint8_t *buffer = malloc(TOO_LARGE);

	(void)state;
	assert_nbd_ok(nbd_set_pread_initialize(h, false));
	assert_nbd_errno(nbd_pread(h, buffer, TOO_LARGE, 0, 0), ERANGE);
	assert_nbd_errno(nbd_pwrite(h, buffer, TOO_LARGE, 0, 0), ERANGE);
	expect_usable(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_command_gives_the_error_of_the_server),
		cmocka_unit_test(an_error_without_structured_replies),
		cmocka_unit_test(some_of_many_fail_and_the_others_do_not),
		cmocka_unit_test(a_read_only_export_refuses_writes),
		cmocka_unit_test(block_sizes_are_obeyed),
		cmocka_unit_test(what_is_not_offered_is_refused_here),
		cmocka_unit_test(a_server_killed_with_commands_in_flight),
		cmocka_unit_test(a_synchronous_call_when_the_server_is_killed),
		cmocka_unit_test(
			a_stopped_server_lets_the_caller_poll_with_a_timeout),
		cmocka_unit_test(a_read_too_large_is_refused_here),
	};

	fixture_check_library();
	test_require_program("nbdkit");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
