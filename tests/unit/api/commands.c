/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands: what strict mode refuses, in which order, and what passes. */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/server.h"
#include "tests/unit/api/support.h"

enum {
	SIZE = 1 << 20,
};

/* 1 MiB that can do everything; the same, read-only, with blocks of 512
 * bytes; the same that only reads and writes. */
static struct server full;
static struct server blocks;
static struct server bare;

static int
start_servers(void **state)
{
	(void)state;
	server_start_line(&full, SERVER_UNIX, "nbdkit memory 1M");
	server_start_line(&blocks, SERVER_UNIX, "nbdkit -r " MEMORY_OF_BLOCKS);
	server_start_line(&bare, SERVER_UNIX, "nbdkit " BARE_ZEROES);
	return 0;
}

static int
stop_servers(void **state)
{
	(void)state;
	server_stop(&full);
	server_stop(&blocks);
	server_stop(&bare);
	return 0;
}

static struct nbd_handle *
connect_to(const struct server *server)
{
	struct nbd_handle *h = nbd_create();

	assert_int_equal(nbd_add_meta_context(h, "base:allocation"), 0);
	if (nbd_connect_uri(h, server->uri) != 0)
		fail_msg("%s", nbd_get_error());
	return h;
}

static char buffer[128 << 20];

static int
ignore_extents(void *data, const char *metacontext, uint64_t offset,
	       uint32_t *entries, size_t nr_entries, int *error)
{
	(void)data;
	(void)metacontext;
	(void)offset;
	(void)entries;
	(void)nr_entries;
	(void)error;
	return 0;
}

static const nbd_extent_callback extent = { ignore_extents, NULL, NULL };

static void
flags_a_call_does_not_take_are_refused(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);

	(void)state;
	assert_fails_with(nbd_pread(h, buffer, 512, 0, 1), EINVAL,
			  "invalid value for flag: 0x1");
	assert_fails_with(nbd_pwrite(h, buffer, 512, 0, LIBNBD_CMD_FLAG_DF),
			  EINVAL, "flag");
	assert_fails_with(nbd_flush(h, 1), EINVAL, "flag");
	assert_fails_with(nbd_trim(h, 512, 0, 2), EINVAL, "flag");
	assert_fails_with(nbd_zero(h, 512, 0, 4), EINVAL, "flag");
	assert_fails_with(nbd_cache(h, 512, 0, 1), EINVAL, "flag");
	assert_fails_with(nbd_block_status(h, 512, 0, extent, 1), EINVAL,
			  "flag");
	assert_fails_with(nbd_aio_disconnect(h, 1), EINVAL, "flag");
	/* Wrong in three ways: flags come before count and bounds. */
	assert_fails_with(nbd_pread(h, buffer, 0, SIZE + 1, 1), EINVAL, "flag");
}

static void
without_strict_flags_sixteen_bits_pass(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);

	(void)state;
	assert_int_equal(nbd_set_strict_mode(h, LIBNBD_STRICT_MASK &
							~LIBNBD_STRICT_FLAGS),
			 0);
	assert_fails_with(nbd_pread(h, buffer, 512, 0, 1 << 16), EINVAL,
			  "flag");
	assert_fails_with(nbd_aio_disconnect(h, 1 << 16), EINVAL, "flag");
	/* nbdkit itself refuses a flag it does not know for a command. */
	(void)nbd_pread(h, buffer, 512, 0, LIBNBD_CMD_FLAG_NO_HOLE);
	assert_int_equal(nbd_aio_is_ready(h), 1);
}

static void
counts_of_zero_are_refused(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);

	(void)state;
	assert_fails_with(nbd_pread(h, buffer, 0, 0, 0), EINVAL, "count");
	assert_fails_with(nbd_pwrite(h, buffer, 0, 0, 0), EINVAL, "count");
	assert_fails_with(nbd_trim(h, 0, 0, 0), EINVAL, "count");
	assert_fails_with(nbd_zero(h, 0, 0, 0), EINVAL, "count");
	/* Before the bounds. */
	assert_fails_with(nbd_zero(h, 0, SIZE + 1, 0), EINVAL, "count");
}

static void
ranges_beyond_the_end_are_refused(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);

	(void)state;
	assert_fails_with(nbd_pread(h, buffer, 1, SIZE, 0), EINVAL, "");
	assert_fails_with(nbd_pread(h, buffer, 2, SIZE - 1, 0), EINVAL, "");
	assert_fails_with(nbd_pread(h, buffer, 2, UINT64_MAX, 0), EINVAL, "");
	assert_fails_with(nbd_cache(h, 1, SIZE, 0), EINVAL, "");
	assert_fails_with(nbd_block_status(h, 1, SIZE, extent, 0), EINVAL, "");
	assert_fails_with(nbd_pwrite(h, buffer, 1, SIZE, 0), ENOSPC, "");
	assert_fails_with(nbd_trim(h, 1, SIZE, 0), ENOSPC, "");
	assert_fails_with(nbd_zero(h, UINT64_MAX, 0, 0), ENOSPC, "");
	assert_int_equal(nbd_pread(h, buffer, 1, SIZE - 1, 0), 0);
	assert_int_equal(nbd_pread(h, buffer, SIZE, 0, 0), 0);
}

static void
without_strict_bounds_the_server_decides(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);

	(void)state;
	assert_int_equal(nbd_set_strict_mode(h, LIBNBD_STRICT_MASK &
							~LIBNBD_STRICT_BOUNDS),
			 0);
	assert_fails_with(nbd_pread(h, buffer, 1, SIZE, 0), EINVAL,
			  "read: command failed");
	assert_int_equal(nbd_aio_is_ready(h), 1);
}

static void
changes_to_a_read_only_export_are_refused(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&blocks);

	(void)state;
	assert_int_equal(nbd_is_read_only(h), 1);
	assert_fails_with(nbd_pwrite(h, buffer, 512, 0, 0), EPERM, "read-only");
	/* Before count and alignment. */
	assert_fails_with(nbd_pwrite(h, buffer, 0, 1, 0), EPERM, "read-only");
	/* What is not offered at all is not a matter of permission. */
	assert_int_equal(nbd_can_trim(h), 0);
	assert_fails_with(nbd_trim(h, 512, 0, 0), EINVAL, "");
}

static void
blocks_must_be_whole(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&blocks);

	(void)state;
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM), 512);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED), 4096);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM), 65536);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_PAYLOAD), 1 << 20);
	assert_fails_with(nbd_get_block_size(h, 4), EINVAL,
			  "size_type: invalid value for parameter: 4");
	assert_fails_with(nbd_pread(h, buffer, 512, 1, 0), EINVAL, "512");
	assert_fails_with(nbd_pread(h, buffer, 1, 512, 0), EINVAL, "512");
	assert_int_equal(nbd_pread(h, buffer, 512, 512, 0), 0);
}

static void
what_the_server_cannot_do_is_refused(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&bare);

	(void)state;
	assert_int_equal(nbd_can_flush(h), 0);
	assert_int_equal(nbd_can_fua(h), 0);
	assert_fails_with(nbd_flush(h, 0), EINVAL, "");
	assert_fails_with(nbd_trim(h, 512, 0, 0), EINVAL, "");
	assert_fails_with(nbd_zero(h, 512, 0, 0), EINVAL, "");
	assert_fails_with(nbd_pwrite(h, buffer, 512, 0, LIBNBD_CMD_FLAG_FUA),
			  EINVAL, "FUA");
	assert_int_equal(nbd_pwrite(h, buffer, 512, 0, 0), 0);
}

static void
payloads_have_a_limit(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);

	(void)state;
	assert_int_equal(nbd_set_strict_mode(h, 0), 0);
	assert_fails_with(nbd_pread(h, buffer, (64 << 20) + 1, 0, 0), ERANGE,
			  "");
	assert_fails_with(nbd_pwrite(h, buffer, (64 << 20) + 1, 0, 0), ERANGE,
			  "");
	assert_fails_with(nbd_trim(h, UINT64_C(1) << 32, 0, 0), ERANGE, "");
	assert_int_equal(nbd_set_strict_mode(h, LIBNBD_STRICT_PAYLOAD), 0);
	assert_fails_with(nbd_pwrite(h, buffer, (32 << 20) + 1, 0, 0), ERANGE,
			  "");
}

static void
block_status_needs_a_context(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_connect_uri(h, full.uri), 0);
	assert_int_equal(nbd_can_meta_context(h, "base:allocation"), 0);
	assert_fails_with(nbd_block_status(h, 512, 0, extent, 0), ENOTSUP, "");
}

static void
nothing_follows_a_disconnect(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);

	(void)state;
	assert_int_equal(nbd_aio_disconnect(h, 0), 0);
	if (!nbd_aio_is_closed(h)) {
		assert_fails_with(nbd_pread(h, buffer, 512, 0, 0), EINVAL,
				  "NBD_CMD_DISC");
		assert_fails_with(nbd_aio_disconnect(h, 0), EINVAL,
				  "NBD_CMD_DISC");
	}
	while (!nbd_aio_is_closed(h))
		assert_int_not_equal(nbd_poll(h, -1), -1);
}

static void
data_goes_there_and_back(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);
	char written[1000];
	char read[1000];

	(void)state;
	memset(written, 'w', sizeof(written));
	assert_int_equal(nbd_pwrite(h, written, sizeof(written), 77,
				    LIBNBD_CMD_FLAG_FUA),
			 0);
	assert_int_equal(nbd_flush(h, 0), 0);
	assert_int_equal(nbd_pread(h, read, sizeof(read), 77, 0), 0);
	assert_memory_equal(written, read, sizeof(read));
	assert_int_equal(nbd_zero(h, 500, 77, 0), 0);
	assert_int_equal(nbd_cache(h, 500, 77, 0), 0);
	assert_int_equal(nbd_trim(h, 500, 577, 0), 0);
	memset(written, 0, sizeof(written));
	assert_int_equal(nbd_pread(h, read, sizeof(read), 77, 0), 0);
	assert_memory_equal(written, read, sizeof(read));
	assert_true(nbd_stats_bytes_sent(h) > 1000);
	assert_true(nbd_stats_bytes_received(h) > 2000);
	assert_true(nbd_stats_chunks_sent(h) >= 7);
	assert_true(nbd_stats_chunks_received(h) >= 8);
}

static void
a_failed_read_leaves_zeroes(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);
	char read[4] = "abc";

	(void)state;
	assert_int_equal(nbd_pread(h, read, sizeof(read), SIZE, 0), -1);
	assert_memory_equal(read, "\0\0\0\0", 4);
	memcpy(read, "abc", 4);
	assert_int_equal(nbd_set_pread_initialize(h, false), 0);
	assert_int_equal(nbd_pread(h, read, sizeof(read), SIZE, 0), -1);
	assert_memory_equal(read, "abc", 4);
}

static void
many_commands_fly_at_once(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);
	nbd_completion_callback none = NBD_NULL_COMPLETION;
	int64_t first = 0;
	int n_done = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		int64_t cookie = nbd_aio_pread(h, buffer + i * 64, 64,
					       (uint64_t)i * 64, none, 0);

		assert_true(cookie > 0);
		if (!first)
			first = cookie;
		assert_int_equal(cookie, first + i);
	}
	assert_fails_with(nbd_aio_command_completed(h, 0), EINVAL, "cookie");
	assert_int_equal(nbd_aio_command_completed(h, 1 << 30), 0);
	while (n_done < 1000) {
		int64_t cookie = nbd_aio_peek_command_completed(h);

		if (cookie == 0) {
			assert_int_equal(nbd_poll(h, -1), 1);
			continue;
		}
		assert_int_equal(nbd_aio_command_completed(h, (uint64_t)cookie),
				 1);
		n_done++;
	}
	assert_int_equal(nbd_aio_in_flight(h), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_a_call_does_not_take_are_refused),
		cmocka_unit_test(without_strict_flags_sixteen_bits_pass),
		cmocka_unit_test(counts_of_zero_are_refused),
		cmocka_unit_test(ranges_beyond_the_end_are_refused),
		cmocka_unit_test(without_strict_bounds_the_server_decides),
		cmocka_unit_test(changes_to_a_read_only_export_are_refused),
		cmocka_unit_test(blocks_must_be_whole),
		cmocka_unit_test(what_the_server_cannot_do_is_refused),
		cmocka_unit_test(payloads_have_a_limit),
		cmocka_unit_test(block_status_needs_a_context),
		cmocka_unit_test(nothing_follows_a_disconnect),
		cmocka_unit_test(data_goes_there_and_back),
		cmocka_unit_test(a_failed_read_leaves_zeroes),
		cmocka_unit_test(many_commands_fly_at_once),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
