/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The synchronous data commands on every server. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/pattern.h"

enum {
	SEED = 42
};

static void
write_pattern(struct nbd_handle *h, size_t length, uint64_t offset,
	      uint64_t seed)
{
	CLEANUP_FREE uint8_t *buffer = malloc(length);

	pattern_fill(buffer, length, seed, offset);
	assert_nbd_ok(nbd_pwrite(h, buffer, length, offset, 0));
}

static void
expect_pattern(struct nbd_handle *h, size_t length, uint64_t offset,
	       uint64_t seed)
{
	CLEANUP_FREE uint8_t *buffer = malloc(length);

	assert_nbd_ok(nbd_pread(h, buffer, length, offset, 0));
	assert_int_equal(pattern_mismatch(buffer, length, seed, offset),
			 length);
}

static void
expect_zero(struct nbd_handle *h, size_t length, uint64_t offset)
{
	CLEANUP_FREE uint8_t *buffer = malloc(length);

	memset(buffer, 0xff, length);
	assert_nbd_ok(nbd_pread(h, buffer, length, offset, 0));
	assert_true(pattern_is_all(buffer, length, 0));
}

static void
a_new_disk_has_its_size_and_is_zero(void **state)
{
	const struct fixture *fixture = *state;

	assert_int_equal(nbd_get_size(fixture->h), DISK_SIZE);
	expect_zero(fixture->h, 1 << 20, 0);
	expect_zero(fixture->h, 512, DISK_SIZE - 512);
}

static void
what_is_written_is_read_back(void **state)
{
	static const struct {
		uint64_t offset;
		size_t length;
	} ranges[] = {
		{ 0, 1 },
		{ 1, 511 },
		{ 512, 512 },
		{ 4096, 65536 },
		{ 100000, 77777 },
		{ 1 << 20, 4 << 20 },
		{ DISK_SIZE - 1, 1 },
	};
	const struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		write_pattern(fixture->h, ranges[i].length, ranges[i].offset,
			      SEED);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		expect_pattern(fixture->h, ranges[i].length, ranges[i].offset,
			       SEED);
}

static void
a_later_write_wins(void **state)
{
	const struct fixture *fixture = *state;

	write_pattern(fixture->h, 8192, 8192, 1);
	write_pattern(fixture->h, 4096, 10000, 2);
	expect_pattern(fixture->h, 10000 - 8192, 8192, 1);
	expect_pattern(fixture->h, 4096, 10000, 2);
	expect_pattern(fixture->h, 16384 - 14096, 14096, 1);
}

static void
the_whole_disk_in_one_command(void **state)
{
	const struct fixture *fixture = *state;

	write_pattern(fixture->h, DISK_SIZE, 0, 3);
	expect_pattern(fixture->h, DISK_SIZE, 0, 3);
}

static void
flush_and_fua_succeed(void **state)
{
	const struct fixture *fixture = *state;
	uint8_t block[512] = { 7 };

	assert_int_equal(nbd_can_flush(fixture->h), 1);
	assert_int_equal(nbd_can_fua(fixture->h), 1);
	assert_nbd_ok(nbd_pwrite(fixture->h, block, sizeof(block), 0,
				 LIBNBD_CMD_FLAG_FUA));
	assert_nbd_ok(nbd_flush(fixture->h, 0));
}

static void
zero_makes_zeroes(void **state)
{
	const struct fixture *fixture = *state;

	if (!(fixture->target->can & CAN_ZERO))
		return;
	assert_int_equal(nbd_can_zero(fixture->h), 1);
	write_pattern(fixture->h, 1 << 20, 0, SEED);
	assert_nbd_ok(nbd_zero(fixture->h, 65536, 4096, 0));
	expect_pattern(fixture->h, 4096, 0, SEED);
	expect_zero(fixture->h, 65536, 4096);
	expect_pattern(fixture->h, 4096, 4096 + 65536, SEED);
	assert_nbd_ok(nbd_zero(fixture->h, 65536, 131072,
			       LIBNBD_CMD_FLAG_NO_HOLE | LIBNBD_CMD_FLAG_FUA));
	expect_zero(fixture->h, 65536, 131072);
}

static void
trim_leaves_its_neighbours_alone(void **state)
{
	const struct fixture *fixture = *state;

	if (!(fixture->target->can & CAN_TRIM))
		return;
	assert_int_equal(nbd_can_trim(fixture->h), 1);
	write_pattern(fixture->h, 1 << 20, 0, SEED);
	assert_nbd_ok(nbd_trim(fixture->h, 65536, 65536, 0));
	expect_pattern(fixture->h, 65536, 0, SEED);
	expect_pattern(fixture->h, 65536, 131072, SEED);
}

static void
cache_changes_nothing(void **state)
{
	const struct fixture *fixture = *state;

	if (!(fixture->target->can & CAN_CACHE) ||
	    nbd_can_cache(fixture->h) != 1)
		return;
	write_pattern(fixture->h, 65536, 0, SEED);
	assert_nbd_ok(nbd_cache(fixture->h, 65536, 0, 0));
	expect_pattern(fixture->h, 65536, 0, SEED);
}

static void
what_is_out_of_bounds_is_refused(void **state)
{
	const struct fixture *fixture = *state;
	uint8_t block[512] = { 0 };

	assert_nbd_errno(nbd_pread(fixture->h, block, 512, DISK_SIZE, 0),
			 EINVAL);
	assert_nbd_errno(nbd_pread(fixture->h, block, 512, DISK_SIZE - 511, 0),
			 EINVAL);
	assert_nbd_errno(nbd_pwrite(fixture->h, block, 512, DISK_SIZE, 0),
			 ENOSPC);
	assert_nbd_errno(nbd_pread(fixture->h, block, 512, UINT64_MAX, 0),
			 EINVAL);
}

/* The server is asked, refuses, and the connection lives on. */
static void
the_server_refuses_what_we_let_through(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = fixture_open(fixture);
	uint32_t strict = nbd_get_strict_mode(h);
	uint8_t block[512] = { 0 };

	assert_nbd_ok(nbd_set_strict_mode(
		h, strict & ~(uint32_t)LIBNBD_STRICT_BOUNDS));
	assert_int_equal(nbd_pread(h, block, 512, DISK_SIZE, 0), -1);
	assert_int_equal(nbd_get_errno(), EINVAL);
	assert_int_equal(nbd_aio_is_ready(h), 1);
	assert_nbd_ok(nbd_pread(h, block, 512, 0, 0));
	assert_nbd_ok(nbd_shutdown(h, 0));
	nbd_close(h);
}

static void
flags_that_do_not_fit_are_refused(void **state)
{
	const struct fixture *fixture = *state;
	uint8_t block[512] = { 0 };

	assert_nbd_errno(
		nbd_pread(fixture->h, block, 512, 0, LIBNBD_CMD_FLAG_FUA),
		EINVAL);
	assert_nbd_errno(nbd_pread(fixture->h, block, 0, 0, 0), EINVAL);
	assert_nbd_errno(nbd_flush(fixture->h, LIBNBD_CMD_FLAG_FUA), EINVAL);
}

static void
shutdown_ends_a_connection(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = fixture_open(fixture);
	uint8_t block[512];

	assert_nbd_ok(nbd_pread(h, block, 512, 0, 0));
	assert_nbd_ok(nbd_shutdown(h, 0));
	assert_int_equal(nbd_aio_is_closed(h), 1);
	assert_int_equal(nbd_get_size(h), DISK_SIZE);
	assert_nbd_errno(nbd_pread(h, block, 512, 0, 0), EINVAL);
	assert_nbd_errno(nbd_shutdown(h, 0), EINVAL);
	nbd_close(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_disk_has_its_size_and_is_zero),
		cmocka_unit_test(what_is_out_of_bounds_is_refused),
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(a_later_write_wins),
		cmocka_unit_test(the_whole_disk_in_one_command),
		cmocka_unit_test(flush_and_fua_succeed),
		cmocka_unit_test(zero_makes_zeroes),
		cmocka_unit_test(trim_leaves_its_neighbours_alone),
		cmocka_unit_test(cache_changes_nothing),
		cmocka_unit_test(the_server_refuses_what_we_let_through),
		cmocka_unit_test(flags_that_do_not_fit_are_refused),
		cmocka_unit_test(shutdown_ends_a_connection),
	};

	fixture_check_library();
	return fixture_run_everywhere(tests, sizeof(tests) / sizeof(tests[0]),
				      0);
}
