/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many commands at once on every server, checked against a model. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/pattern.h"

enum {
	BLOCK = 4096,
	N_BLOCKS = 512,
	DEPTH = 64,
	N_COMMANDS = 2000,
};

/* One command in flight. A block has at most one, so order does not matter. */
struct slot {
	struct test_run *run;
	bool is_busy;
	bool is_write;
	uint32_t block;
	unsigned n_completions;
	unsigned n_frees;
	uint8_t buffer[BLOCK];
};

struct test_run {
	struct nbd_handle *h;
	uint64_t random;
	uint64_t seeds[N_BLOCKS]; /* of each block's content; 0 is zeroes */
	bool is_busy[N_BLOCKS];
	struct slot slots[DEPTH];
	unsigned n_issued;
	unsigned n_done;
	unsigned n_wrong;
	bool completions_retire;
};

static uint32_t
next_random(struct test_run *run)
{
	run->random = run->random * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(run->random >> 33);
}

static bool
holds_what_it_should(const struct slot *slot)
{
	uint64_t seed = slot->run->seeds[slot->block];

	if (seed == 0)
		return pattern_is_all(slot->buffer, BLOCK, 0);
	return pattern_mismatch(slot->buffer, BLOCK, seed,
				(uint64_t)slot->block * BLOCK) == BLOCK;
}

static int
on_completion(void *user_data, int *error)
{
	struct slot *slot = user_data;
	struct test_run *run = slot->run;

	slot->n_completions++;
	if (*error != 0 || (!slot->is_write && !holds_what_it_should(slot)))
		run->n_wrong++;
	run->is_busy[slot->block] = false;
	slot->is_busy = false;
	run->n_done++;
	return run->completions_retire ? 1 : 0;
}

static void
on_free(void *user_data)
{
	struct slot *slot = user_data;

	slot->n_frees++;
}

static uint32_t
find_idle_block(struct test_run *run)
{
	uint32_t block;

	do
		block = next_random(run) % N_BLOCKS;
	while (run->is_busy[block]);
	return block;
}

static void
issue(struct test_run *run, struct slot *slot)
{
	nbd_completion_callback completion = { .callback = on_completion,
					       .free = on_free,
					       .user_data = slot };
	uint64_t offset;

	slot->run = run;
	slot->is_busy = true;
	slot->is_write = next_random(run) % 2;
	slot->block = find_idle_block(run);
	offset = (uint64_t)slot->block * BLOCK;
	run->is_busy[slot->block] = true;
	run->n_issued++;
	if (slot->is_write) {
		run->seeds[slot->block] = run->n_issued;
		pattern_fill(slot->buffer, BLOCK, run->n_issued, offset);
		assert_nbd_ok(nbd_aio_pwrite(run->h, slot->buffer, BLOCK,
					     offset, completion, 0));
	} else {
		memset(slot->buffer, 0xaa, BLOCK);
		assert_nbd_ok(nbd_aio_pread(run->h, slot->buffer, BLOCK, offset,
					    completion, 0));
	}
}

static void
issue_all_idle(struct test_run *run)
{
	for (size_t i = 0; i < DEPTH; i++)
		if (!run->slots[i].is_busy && run->n_issued < N_COMMANDS)
			issue(run, &run->slots[i]);
}

static void
retire_done(struct test_run *run)
{
	int64_t cookie;

	while (!run->completions_retire && nbd_aio_in_flight(run->h) >= 0 &&
	       (cookie = nbd_aio_peek_command_completed(run->h)) > 0)
		assert_int_equal(
			nbd_aio_command_completed(run->h, (uint64_t)cookie), 1);
}

/* One turn of a loop of the program's own. */
static void
turn_own_loop(struct nbd_handle *h)
{
	unsigned direction = nbd_aio_get_direction(h);
	struct pollfd poll_fd = { .fd = nbd_aio_get_fd(h) };

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		poll_fd.events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		poll_fd.events |= POLLOUT;
	assert_int_not_equal(direction, 0);
	assert_true(poll(&poll_fd, 1, 30000) > 0);
	if ((direction & LIBNBD_AIO_DIRECTION_READ) &&
	    (poll_fd.revents & (POLLIN | POLLHUP)))
		assert_nbd_ok(nbd_aio_notify_read(h));
	else
		assert_nbd_ok(nbd_aio_notify_write(h));
}

static void
turn_poll(struct nbd_handle *h)
{
	assert_int_equal(nbd_poll(h, 30000), 1);
}

/* Random reads and writes at full depth; every read is checked. */
static void
run_random(const struct fixture *fixture, void (*turn)(struct nbd_handle *h),
	   bool completions_retire)
{
	CLEANUP_FREE struct test_run *run = calloc(1, sizeof(*run));
	unsigned n_completions = 0;
	unsigned n_frees = 0;

	assert_non_null(run);
	run->h = fixture->h;
	run->random = 1;
	run->completions_retire = completions_retire;
	if (fixture->target->can & CAN_ZERO) {
		assert_nbd_ok(nbd_zero(run->h, BLOCK * N_BLOCKS, 0, 0));
	} else {
		CLEANUP_FREE uint8_t *zero = calloc(N_BLOCKS, BLOCK);

		assert_nbd_ok(nbd_pwrite(run->h, zero, BLOCK * N_BLOCKS, 0, 0));
	}
	while (run->n_done < N_COMMANDS) {
		issue_all_idle(run);
		turn(run->h);
		retire_done(run);
	}
	assert_int_equal(run->n_wrong, 0);
	assert_int_equal(nbd_aio_in_flight(run->h), 0);
	for (size_t i = 0; i < DEPTH; i++) {
		n_completions += run->slots[i].n_completions;
		n_frees += run->slots[i].n_frees;
	}
	assert_int_equal(n_completions, N_COMMANDS);
	assert_int_equal(n_frees, N_COMMANDS);
}

static void
random_commands_with_nbd_poll(void **state)
{
	run_random(*state, turn_poll, true);
}

static void
random_commands_in_a_loop_of_our_own(void **state)
{
	run_random(*state, turn_own_loop, true);
}

static void
random_commands_retired_by_hand(void **state)
{
	run_random(*state, turn_poll, false);
}

static void
commands_without_callbacks(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = fixture->h;
	uint8_t data[512] = { 1 };
	uint8_t back[512];
	int64_t write_cookie;
	int64_t read_cookie;

	write_cookie = nbd_aio_pwrite(h, data, sizeof(data), 0,
				      NBD_NULL_COMPLETION, 0);
	assert_true(write_cookie > 0);
	while (!nbd_aio_command_completed(h, (uint64_t)write_cookie))
		turn_poll(h);
	read_cookie = nbd_aio_pread(h, back, sizeof(back), 0,
				    NBD_NULL_COMPLETION, 0);
	assert_true(read_cookie > write_cookie);
	while (!nbd_aio_command_completed(h, (uint64_t)read_cookie))
		turn_poll(h);
	assert_memory_equal(data, back, sizeof(data));
	/* It is retired and forgotten. */
	assert_int_equal(nbd_aio_command_completed(h, (uint64_t)read_cookie),
			 0);
	assert_nbd_errno(nbd_aio_peek_command_completed(h), EINVAL);
}

/* Large writes and reads in both directions at once. */
static void
large_commands_both_ways(void **state)
{
	enum {
		LARGE = 1 << 20,
		N = 3
	};
	const struct fixture *fixture = *state;
	struct nbd_handle *h = fixture->h;
	CLEANUP_FREE uint8_t *out = malloc(LARGE * N);
	CLEANUP_FREE uint8_t *in = malloc(LARGE * N);

	pattern_fill(out, LARGE * N, 9, 0);
	assert_nbd_ok(nbd_pwrite(h, out, LARGE * N, 0, 0));
	for (int i = 0; i < N; i++) {
		uint64_t offset = (uint64_t)i * LARGE;

		assert_nbd_ok(nbd_aio_pread(h, in + offset, LARGE, offset,
					    NBD_NULL_COMPLETION, 0));
		assert_nbd_ok(nbd_aio_pwrite(h, out + offset, LARGE,
					     LARGE * N + offset,
					     NBD_NULL_COMPLETION, 0));
	}
	while (nbd_aio_in_flight(h) > 0)
		turn_poll(h);
	for (int64_t cookie; (cookie = nbd_aio_peek_command_completed(h)) > 0;)
		assert_int_equal(nbd_aio_command_completed(h, (uint64_t)cookie),
				 1);
	assert_memory_equal(in, out, LARGE * N);
	assert_nbd_ok(nbd_pread(h, in, LARGE * N, LARGE * N, 0));
	assert_memory_equal(in, out, LARGE * N);
}

static void
poll_times_out_when_nothing_happens(void **state)
{
	const struct fixture *fixture = *state;

	assert_int_equal(nbd_poll(fixture->h, 0), 0);
	assert_int_equal(nbd_poll(fixture->h, 1), 0);
}

static void
shutdown_waits_for_what_is_in_flight(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = fixture_open(fixture);
	uint8_t buffers[16][512];
	int64_t cookies[16];

	for (int i = 0; i < 16; i++) {
		cookies[i] = nbd_aio_pread(h, buffers[i], 512, i * 512U,
					   NBD_NULL_COMPLETION, 0);
		assert_true(cookies[i] > 0);
	}
	/* Servers answer what they have been asked before they go. */
	assert_nbd_ok(nbd_shutdown(h, 0));
	for (int i = 0; i < 16; i++)
		assert_int_not_equal(
			nbd_aio_command_completed(h, (uint64_t)cookies[i]), 0);
	nbd_close(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_commands_with_nbd_poll),
		cmocka_unit_test(random_commands_in_a_loop_of_our_own),
		cmocka_unit_test(random_commands_retired_by_hand),
		cmocka_unit_test(commands_without_callbacks),
		cmocka_unit_test(large_commands_both_ways),
		cmocka_unit_test(poll_times_out_when_nothing_happens),
		cmocka_unit_test(shutdown_waits_for_what_is_in_flight),
	};

	fixture_check_library();
	return fixture_run_everywhere(tests, sizeof(tests) / sizeof(tests[0]),
				      0);
}
