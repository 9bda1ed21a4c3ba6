/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From disk to disk: everything arrives, and no more than needed moves. */
#include "cli/transfer.h"

#include <string.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/export_facts.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "tests/support/unit.h"
#include "tests/unit/cli/memory_disk.h"

#define MIB  (UINT64_C(1) << 20)
#define SIZE (4 * MIB)

static const struct disk_extent holes[] = {
	{ MIB, 0 },  { 2 * MIB, DISK_EXTENT_HOLE | DISK_EXTENT_ZERO },
	{ 1000, 0 }, { MIB - 1000, DISK_EXTENT_HOLE | DISK_EXTENT_ZERO },
	{ 0, 0 },
};

struct fixture {
	struct options options;
	struct progress progress;
	struct memory_disk from;
	struct memory_disk to;
	struct transfer transfer;
};

static void
fill(unsigned char *bytes, uint64_t length, unsigned int seed)
{
	for (uint64_t i = 0; i < length; i++) {
		seed = seed * 1103515245 + 12345;
		bytes[i] = (unsigned char)(seed >> 16) | 1;
	}
}

static int
setup(void **state)
{
	static struct fixture fixture;

	failure_clear();
	memset(&fixture, 0, sizeof(fixture));
	memory_disk_init(&fixture.from, &fixture.options, SIZE);
	memory_disk_init(&fixture.to, &fixture.options, SIZE);
	/* Data at [0, 1 MiB) and [3 MiB, +1000); the rest reads as zeroes. */
	fill(fixture.from.bytes, MIB, 1);
	fill(fixture.from.bytes + 3 * MIB, 1000, 2);
	fill(fixture.to.bytes, SIZE, 3);
	progress_start(&fixture.progress, &fixture.options, SIZE);
	fixture.progress.is_silent = true;
	fixture.transfer = (struct transfer){
		.options = &fixture.options,
		.source = &fixture.from.disk,
		.destination = &fixture.to.disk,
		.length = SIZE,
		.jobs = 8,
		.progress = &fixture.progress,
	};
	*state = &fixture;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *fixture = *state;

	memory_disk_done(&fixture->from);
	memory_disk_done(&fixture->to);
	failure_clear();
	return 0;
}

static void
tell_holes(struct fixture *fixture)
{
	char context[] = "base:allocation";
	char *const contexts[] = { context, NULL };

	fixture->from.extents = holes;
	assert_true(export_set_contexts(fixture->from.disk.export, contexts));
}

static void
assert_equal(const struct fixture *fixture)
{
	assert_memory_equal(fixture->from.bytes, fixture->to.bytes, SIZE);
	assert_int_equal(fixture->progress.done, SIZE);
}

static uint64_t
n_pieces(uint64_t length)
{
	return (length + TRANSFER_CHUNK - 1) / TRANSFER_CHUNK;
}

static void
all_of_it_arrives(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_equal(fixture);
	assert_int_equal(fixture->transfer.copied, SIZE);
	assert_int_equal(fixture->from.n_reads, n_pieces(SIZE));
}

static void
holes_are_not_read_but_zeroed(void **state)
{
	struct fixture *fixture = *state;

	tell_holes(fixture);
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_equal(fixture);
	assert_int_equal(fixture->from.bytes_read, MIB + 1000);
	assert_int_equal(fixture->to.bytes_zeroed, 3 * MIB - 1000);
	assert_int_equal(fixture->to.bytes_written, MIB + 1000);
}

/* Whoever frees blocks need not promise what they read as. */
static void
a_hole_that_may_hold_something_is_read(void **state)
{
	static const struct disk_extent just_holes[] = {
		{ SIZE, DISK_EXTENT_HOLE },
		{ 0, 0 },
	};
	struct fixture *fixture = *state;

	tell_holes(fixture);
	fixture->from.extents = just_holes;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_equal(fixture);
	assert_int_equal(fixture->from.bytes_read, SIZE);
}

static void
holes_are_skipped_where_it_is_zero_already(void **state)
{
	struct fixture *fixture = *state;

	tell_holes(fixture);
	memset(fixture->to.bytes, 0, SIZE);
	fixture->transfer.skip_zeroes = true;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_equal(fixture);
	assert_int_equal(fixture->to.n_zeroes, 0);
	assert_int_equal(fixture->transfer.skipped, 3 * MIB - 1000);
}

static void
zeroes_in_data_are_found_when_asked_for(void **state)
{
	struct fixture *fixture = *state;
	/* The piece with the 1000 bytes is data as a whole. */
	uint64_t data = (n_pieces(MIB) + 1) * TRANSFER_CHUNK;

	fixture->transfer.find_zeroes = true;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_equal(fixture);
	assert_int_equal(fixture->to.bytes_written, data);
	assert_int_equal(fixture->to.bytes_zeroed, SIZE - data);
}

static void
a_server_that_cannot_zero_is_sent_zeroes(void **state)
{
	struct fixture *fixture = *state;

	tell_holes(fixture);
	fixture->to.disk.export->can_zero = false;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_equal(fixture);
	assert_int_equal(fixture->to.bytes_written, SIZE);
	assert_int_equal(fixture->from.bytes_read, MIB + 1000);
}

static void
extents_finer_than_the_block_size_are_rounded(void **state)
{
	struct fixture *fixture = *state;

	tell_holes(fixture);
	fixture->to.disk.alignment = 4096;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_equal(fixture);
	assert_true(fixture->to.smallest_unit >= 4096);
	assert_int_equal(fixture->to.bytes_written, MIB + 4096);
}

static void
a_pipe_gets_everything_in_order(void **state)
{
	struct fixture *fixture = *state;

	tell_holes(fixture);
	fixture->to.disk.is_sequential = true;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_equal(fixture);
	assert_false(fixture->to.is_out_of_order);
	assert_int_equal(fixture->to.next_offset, SIZE);
}

static void
a_range_moves_to_another_place(void **state)
{
	struct fixture *fixture = *state;

	tell_holes(fixture);
	fixture->transfer.source_offset = MIB - 777;
	fixture->transfer.length = 2 * MIB;
	fixture->transfer.destination_offset = 5;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_memory_equal(fixture->to.bytes + 5,
			    fixture->from.bytes + MIB - 777, 2 * MIB);
	assert_int_equal(fixture->progress.done, 2 * MIB);
	/* What lies beside it stays. */
	assert_int_not_equal(fixture->to.bytes[4], 0);
	assert_int_not_equal(fixture->to.bytes[5 + 2 * MIB], 0);
}

static void
nothing_to_move_is_no_failure(void **state)
{
	struct fixture *fixture = *state;

	fixture->transfer.length = 0;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_OK);
	assert_int_equal(fixture->from.n_reads, 0);
}

static void
a_failure_in_the_middle_is_partly_done(void **state)
{
	struct fixture *fixture = *state;

	fixture->to.fails_at = 2 * MIB;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_PARTIAL);
	assert_int_equal(failure_code(), EXIT_PARTIAL);
	/* Every request was answered. */
	assert_int_equal(fixture->from.disk.n_pending, 0);
	assert_int_equal(fixture->to.disk.n_pending, 0);
}

/* Pieces that wait for their turn must not be waited for. */
static void
a_pipe_that_breaks_ends_the_transfer(void **state)
{
	struct fixture *fixture = *state;

	fixture->to.disk.is_sequential = true;
	fixture->to.fails_at = 10 * TRANSFER_CHUNK;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_PARTIAL);
	assert_false(fixture->to.is_out_of_order);
	assert_int_equal(fixture->to.bytes_written, 10 * TRANSFER_CHUNK);
}

static void
a_failure_at_the_start_keeps_its_code(void **state)
{
	struct fixture *fixture = *state;

	fixture->to.fails_at = 0;
	assert_int_equal(transfer_run(&fixture->transfer), EXIT_NBD);
	assert_int_equal(fixture->to.n_writes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_of_it_arrives),
		TEST(holes_are_not_read_but_zeroed),
		TEST(a_hole_that_may_hold_something_is_read),
		TEST(holes_are_skipped_where_it_is_zero_already),
		TEST(zeroes_in_data_are_found_when_asked_for),
		TEST(a_server_that_cannot_zero_is_sent_zeroes),
		TEST(extents_finer_than_the_block_size_are_rounded),
		TEST(a_pipe_gets_everything_in_order),
		TEST(a_range_moves_to_another_place),
		TEST(nothing_to_move_is_no_failure),
		TEST(a_failure_in_the_middle_is_partly_done),
		TEST(a_pipe_that_breaks_ends_the_transfer),
		TEST(a_failure_at_the_start_keeps_its_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
