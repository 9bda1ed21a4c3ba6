/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands: what is refused, and how they are completed and retired. */
#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "tests/unit/engine/peer.h"

static char buffer[4096];

struct refusal {
	struct command_request request;
	uint16_t flags_off; /* of the export */
	uint16_t flags_on;
	uint32_t strict; /* the bit that refuses, 0: always refused */
	int error;
};

/* clang-format off */
static const struct refusal refusals[] = {
	{ { .type = NBD_CMD_READ, .count = 1, .flags = LIBNBD_CMD_FLAG_FUA }, 0, 0, LIBNBD_STRICT_FLAGS, EINVAL },
	{ { .type = NBD_CMD_READ, .count = 1, .flags = 0x10000 }, 0, 0, 0, EINVAL },
	{ { .type = NBD_CMD_WRITE, .count = 1 }, 0, NBD_FLAG_READ_ONLY, LIBNBD_STRICT_COMMANDS, EPERM },
	{ { .type = NBD_CMD_TRIM, .count = 1 }, 0, NBD_FLAG_READ_ONLY, LIBNBD_STRICT_COMMANDS, EPERM },
	{ { .type = NBD_CMD_WRITE_ZEROES, .count = 1 }, 0, NBD_FLAG_READ_ONLY, LIBNBD_STRICT_COMMANDS, EPERM },
	{ { .type = NBD_CMD_TRIM, .count = 1 }, NBD_FLAG_SEND_TRIM, NBD_FLAG_READ_ONLY, LIBNBD_STRICT_COMMANDS, EINVAL },
	{ { .type = NBD_CMD_FLUSH }, NBD_FLAG_SEND_FLUSH, 0, LIBNBD_STRICT_COMMANDS, EINVAL },
	{ { .type = NBD_CMD_CACHE, .count = 1 }, NBD_FLAG_SEND_CACHE, 0, LIBNBD_STRICT_COMMANDS, EINVAL },
	{ { .type = NBD_CMD_WRITE, .count = 1, .flags = 1, .accepts = 1 }, NBD_FLAG_SEND_FUA, 0, LIBNBD_STRICT_COMMANDS, EINVAL },
	{ { .type = NBD_CMD_READ, .count = 1, .flags = 4, .accepts = 4 }, NBD_FLAG_SEND_DF, 0, LIBNBD_STRICT_COMMANDS, EINVAL },
	{ { .type = NBD_CMD_WRITE_ZEROES, .count = 1, .flags = 16, .accepts = 16 }, NBD_FLAG_SEND_FAST_ZERO, 0, LIBNBD_STRICT_COMMANDS, EINVAL },
	{ { .type = NBD_CMD_BLOCK_STATUS, .count = 1 }, 0, 0, LIBNBD_STRICT_COMMANDS, ENOTSUP },
	{ { .type = NBD_CMD_READ }, 0, 0, LIBNBD_STRICT_ZERO_SIZE, EINVAL },
	{ { .type = NBD_CMD_READ, .count = 1, .offset = PEER_SIZE }, 0, 0, LIBNBD_STRICT_BOUNDS, EINVAL },
	{ { .type = NBD_CMD_CACHE, .count = 2, .offset = PEER_SIZE - 1 }, 0, 0, LIBNBD_STRICT_BOUNDS, EINVAL },
	{ { .type = NBD_CMD_WRITE, .count = 2, .offset = UINT64_MAX }, 0, 0, LIBNBD_STRICT_BOUNDS, ENOSPC },
	{ { .type = NBD_CMD_TRIM, .count = 2, .offset = PEER_SIZE - 1 }, 0, 0, LIBNBD_STRICT_BOUNDS, ENOSPC },
	{ { .type = NBD_CMD_WRITE_ZEROES, .count = UINT64_MAX }, 0, 0, 0, ENOSPC },
};
/* clang-format on */

static void
what_the_server_cannot_do_is_refused_unless_the_check_is_off(void **state)
{
	struct peer *peer = *state;

	peer_get_ready(peer, true);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *refusal = &refusals[i];
		struct command_request request = refusal->request;

		request.buffer = buffer;
		request.payload = buffer;
		peer->h->export.flags = (uint16_t)((PEER_FLAGS &
						    ~refusal->flags_off) |
						   refusal->flags_on);
		peer->h->config.strict = LIBNBD_STRICT_MASK;
		assert_int_equal(command_submit(peer->h, &request), -1);
		assert_int_equal(error_last_errno(), refusal->error);
		if (!refusal->strict)
			continue;
		peer->h->config.strict = LIBNBD_STRICT_MASK & ~refusal->strict;
		assert_true(command_submit(peer->h, &request) > 0);
	}
}

static void
alignment_counts_if_the_server_announced_a_block_size(void **state)
{
	struct peer *peer = *state;
	struct command_request request = {
		.type = NBD_CMD_READ,
		.buffer = buffer,
		.count = 512,
		.offset = 100,
	};

	peer_get_ready(peer, true);
	assert_true(command_submit(peer->h, &request) > 0);
	peer->h->export.block_minimum = 512;
	assert_int_equal(command_submit(peer->h, &request), -1);
	assert_int_equal(error_last_errno(), EINVAL);
	request.offset = 512;
	assert_true(command_submit(peer->h, &request) > 0);
	request.count = 100;
	assert_int_equal(command_submit(peer->h, &request), -1);
}

static void
lengths_have_limits(void **state)
{
	struct peer *peer = *state;
	struct command_request request = {
		.type = NBD_CMD_WRITE,
		.payload = buffer,
	};

	peer_get_ready(peer, true);
	peer->h->export.size = UINT64_C(1) << 40;
	request.count = (32 << 20) + 1;
	assert_int_equal(command_submit(peer->h, &request), -1);
	assert_int_equal(error_last_errno(), ERANGE);
	peer->h->config.strict = 0;
	request.count = (64 << 20) + 1;
	assert_int_equal(command_submit(peer->h, &request), -1);
	assert_int_equal(error_last_errno(), ERANGE);
	request.type = NBD_CMD_READ;
	assert_int_equal(command_submit(peer->h, &request), -1);
	assert_int_equal(error_last_errno(), ERANGE);
	request.type = NBD_CMD_TRIM;
	assert_true(command_submit(peer->h, &request) > 0);
	request.count = UINT64_C(1) << 32;
	assert_int_equal(command_submit(peer->h, &request), -1);
	assert_int_equal(error_last_errno(), ERANGE);
}

static void
flags_reach_the_server(void **state)
{
	struct peer *peer = *state;
	struct command_request request = {
		.type = NBD_CMD_WRITE_ZEROES,
		.flags = 0x13,
		.accepts = 0x13,
		.offset = 512,
		.count = 1024,
	};

	peer_get_ready(peer, true);
	assert_int_equal(command_submit(peer->h, &request), 1);
	peer_expect_request(peer, 0x13, NBD_CMD_WRITE_ZEROES, 1, 512, 1024);
}

static void
a_completed_command_is_retired_when_asked_for(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, false);
	assert_int_equal(command_peek_completed(peer->h), -1);
	assert_int_equal(error_last_errno(), EINVAL);
	assert_int_equal(command_completed(peer->h, 0), -1);
	cookie = peer_write(peer, buffer, 512, 0, outcome);
	assert_int_equal(command_peek_completed(peer->h), 0);
	assert_int_equal(command_completed(peer->h, cookie), 0);
	peer_put_simple(peer, 0, cookie);
	peer_say(peer);
	assert_int_equal(command_in_flight_count(peer->h), 0);
	assert_int_equal(command_peek_completed(peer->h), cookie);
	assert_int_equal(outcome->n_frees, 0);
	assert_int_equal(command_completed(peer->h, cookie), 1);
	assert_int_equal(outcome->n_frees, 1);
	assert_int_equal(command_completed(peer->h, cookie), 0);
}

static void
a_completion_that_returns_one_retires_at_once(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	outcome->verdict = 1;
	peer_get_ready(peer, false);
	cookie = peer_write(peer, buffer, 512, 0, outcome);
	peer_put_simple(peer, 5, cookie);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, EIO);
	assert_int_equal(outcome->n_frees, 1);
	assert_int_equal(command_completed(peer->h, cookie), 0);
	assert_int_equal(command_peek_completed(peer->h), -1);
}

static int
replace_error(void *user_data, int *error)
{
	*error = *(int *)user_data;
	return -1;
}

static void
a_completion_that_fails_replaces_the_error(void **state)
{
	struct peer *peer = *state;
	int replacement = ENOSPC;
	nbd_completion_callback completion = { .callback = replace_error,
					       .user_data = &replacement };
	struct command_request request = {
		.type = NBD_CMD_FLUSH,
		.completion = &completion,
	};
	int64_t cookie;

	peer_get_ready(peer, false);
	cookie = command_submit(peer->h, &request);
	peer_put_simple(peer, 0, (uint64_t)cookie);
	peer_say(peer);
	assert_int_equal(command_completed(peer->h, (uint64_t)cookie), -1);
	assert_int_equal(error_last_errno(), ENOSPC);

	replacement = 0;
	/* The first one has taken it. */
	completion.callback = replace_error;
	completion.user_data = &replacement;
	cookie = command_submit(peer->h, &request);
	peer_put_simple(peer, 5, (uint64_t)cookie);
	peer_say(peer);
	assert_int_equal(command_completed(peer->h, (uint64_t)cookie), -1);
	assert_int_equal(error_last_errno(), EIO);
}

/* hostile.md 200 */
static void
closing_the_handle_completes_and_frees_once(void **state)
{
	struct peer *peer = *state;
	struct outcome *completed = peer_outcomes(peer, 1);
	struct outcome *sent = peer_outcomes(peer, 1);
	struct outcome *queued = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, false);
	cookie = peer_write(peer, buffer, 512, 0, completed);
	peer_put_simple(peer, 0, cookie);
	peer_say(peer);
	peer_write(peer, buffer, 512, 0, sent);
	peer_write(peer, buffer, 512, 0, queued);
	handle_free(peer->h);
	peer->h = NULL;
	assert_int_equal(completed->n_calls, 1);
	assert_int_equal(completed->error, 0);
	assert_int_equal(sent->n_calls, 1);
	assert_int_equal(sent->error, ENOTCONN);
	assert_int_equal(queued->n_calls, 1);
	assert_int_equal(queued->error, ENOTCONN);
	assert_int_equal(completed->n_frees, 1);
	assert_int_equal(sent->n_frees, 1);
	assert_int_equal(queued->n_frees, 1);
}

/* A connection that runs does not allocate: the table stays as it is. */
static void
memory_is_used_again(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint8_t heard[64];

	outcome->verdict = 1;
	peer_get_ready(peer, false);
	for (int i = 0; i < 1000; i++) {
		uint64_t cookie = peer_write(peer, buffer, 1, 0, outcome);

		(void)peer_hear(peer, heard, sizeof(heard));
		peer_put_simple(peer, 0, cookie);
		peer_say(peer);
	}
	assert_int_equal(outcome->n_calls, 1000);
	assert_int_equal(peer->h->commands.n_slots, 64);
	assert_int_equal(peer->h->commands.n_commands, 0);
}

/* One chunk with everything to leave behind: wrong chunks, an error with a
 * message, bytes out of order. */
static void
fail_in_every_way(struct peer *peer, uint64_t cookie)
{
	peer_put_data(peer, 0, cookie, 32, (uint8_t[16]){ 0 }, 16);
	peer_put_chunk(peer, 0, 99, cookie, 0);
	peer_put_chunk(peer, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_ERROR, cookie,
		       4 + 2 + 3);
	peer_put_u32(peer, EIO);
	peer_put_u16(peer, 3);
	peer_put(peer, "bad", 3);
	peer_say(peer);
}

static int
count_chunk(void *user_data, const void *bytes, size_t count, uint64_t offset,
	    unsigned status, int *error)
{
	(void)bytes;
	(void)count;
	(void)offset;
	(void)status;
	(void)error;
	(*(int *)user_data)++;
	return 0;
}

/* Its memory is all that a command has from the one before. */
static void
nothing_of_a_command_is_left_to_the_next(void **state)
{
	struct peer *peer = *state;
	int n_chunks = 0;
	nbd_chunk_callback chunk = { .callback = count_chunk,
				     .user_data = &n_chunks };
	struct command_request failing = {
		.type = NBD_CMD_READ,
		.count = 64,
		.buffer = buffer,
		.chunk = &chunk,
	};
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint8_t heard[64];
	struct command *memory;
	uint64_t cookie;
	int n_before;

	peer_get_ready(peer, true);
	cookie = (uint64_t)command_submit(peer->h, &failing);
	memory = in_flight_find(&peer->h->commands, cookie);
	(void)peer_hear(peer, heard, sizeof(heard));
	fail_in_every_way(peer, cookie);
	assert_int_equal(command_completed(peer->h, cookie), -1);
	n_before = n_chunks;

	outcome->verdict = 1;
	cookie = peer_read(peer, buffer, 64, 0, outcome);
	assert_ptr_equal(in_flight_find(&peer->h->commands, cookie), memory);
	(void)peer_hear(peer, heard, sizeof(heard));
	peer_put_data(peer, NBD_REPLY_FLAG_DONE, cookie, 0, (uint8_t[64]){ 0 },
		      64);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, 0);
	assert_int_equal(n_chunks, n_before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(
			what_the_server_cannot_do_is_refused_unless_the_check_is_off),
		PEER_TEST(
			alignment_counts_if_the_server_announced_a_block_size),
		PEER_TEST(lengths_have_limits),
		PEER_TEST(flags_reach_the_server),
		PEER_TEST(a_completed_command_is_retired_when_asked_for),
		PEER_TEST(a_completion_that_returns_one_retires_at_once),
		PEER_TEST(a_completion_that_fails_replaces_the_error),
		PEER_TEST(closing_the_handle_completes_and_frees_once),
		PEER_TEST(memory_is_used_again),
		PEER_TEST(nothing_of_a_command_is_left_to_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
