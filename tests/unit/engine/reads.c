/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replies to reads: where their bytes go, and which of them are believed. */
#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/unit/engine/peer.h"

enum {
	DONE = NBD_REPLY_FLAG_DONE
};

/* LENGTH times BYTE. */
static void
put_data(struct peer *peer, uint16_t flags, uint64_t cookie, uint64_t offset,
	 char byte, uint32_t length)
{
	CLEANUP_FREE char *bytes = malloc(length);

	assert_non_null(bytes);
	memset(bytes, byte, length);
	peer_put_data(peer, flags, cookie, offset, bytes, length);
}

/* Is BUFFER "aaa...bbb..." for a string of (byte, length) pairs? */
static void
assert_bytes(const char *buffer, char byte, size_t length)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(buffer[i], byte);
}

static void
simple_replies_come_in_any_order(void **state)
{
	struct peer *peer = *state;
	struct outcome *first = peer_outcomes(peer, 1);
	struct outcome *second = peer_outcomes(peer, 1);
	char buffers[2][600];
	uint64_t cookies[2];

	peer_get_ready(peer, false);
	cookies[0] = peer_read(peer, buffers[0], 512, 0, first);
	cookies[1] = peer_read(peer, buffers[1], 600, 512, second);
	peer_put_simple(peer, 0, cookies[1]);
	for (int i = 0; i < 600; i++)
		peer_put(peer, "b", 1);
	peer_say(peer);
	assert_int_equal(second->n_calls, 1);
	assert_int_equal(second->error, 0);
	assert_int_equal(first->n_calls, 0);
	assert_bytes(buffers[1], 'b', 600);
	peer_put_simple(peer, 0, cookies[0]);
	for (int i = 0; i < 512; i++)
		peer_put(peer, "a", 1);
	peer_say(peer);
	assert_int_equal(first->n_calls, 1);
	assert_bytes(buffers[0], 'a', 512);
	assert_int_equal(command_completed(peer->h, cookies[0]), 1);
	assert_int_equal(command_completed(peer->h, cookies[1]), 1);
	assert_int_equal(first->n_frees, 1);
}

/* hostile.md 118 */
static void
a_simple_error_fails_its_command_only(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	char buffer[512];
	uint64_t cookie;

	peer_get_ready(peer, false);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	peer_put_simple(peer, 28, cookie);
	peer_say(peer);
	assert_int_equal(outcome->error, ENOSPC);
	assert_int_equal(command_completed(peer->h, cookie), -1);
	assert_int_equal(error_last_errno(), ENOSPC);

	cookie = peer_read(peer, buffer, 512, 0, outcome);
	peer_put_simple(peer, 4711, cookie);
	peer_say(peer);
	assert_int_equal(outcome->error, EINVAL);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
}

/* hostile.md 132, 142 */
static void
chunks_come_in_any_order_and_size(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	char buffer[1024];
	uint64_t cookie;

	peer_get_ready(peer, true);
	memset(buffer, 'x', sizeof(buffer));
	cookie = peer_read(peer, buffer, 1024, 4096, outcome);
	put_data(peer, 0, cookie, 4096 + 1000, 'z', 24);
	peer_put_hole(peer, 0, cookie, 4096 + 500, 500);
	for (uint64_t i = 500; i > 0; i--)
		put_data(peer, 0, cookie, 4096 + i - 1, 'a', 1);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 0);
	peer_put_chunk(peer, DONE | 0xfff0, NBD_REPLY_TYPE_NONE, cookie, 0);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, 0);
	assert_bytes(buffer, 'a', 500);
	assert_bytes(buffer + 500, 0, 500);
	assert_bytes(buffer + 1000, 'z', 24);
}

/* A chunk callback's memory. */
struct chunks {
	int n_calls;
	size_t count;
	uint64_t offset;
	unsigned status;
	int error;
	int answer;
	int answer_error;
};

static int
on_chunk(void *user_data, const void *subbuf, size_t count, uint64_t offset,
	 unsigned status, int *error)
{
	struct chunks *chunks = user_data;

	(void)subbuf;
	chunks->n_calls++;
	chunks->count = count;
	chunks->offset = offset;
	chunks->status = status;
	chunks->error = *error;
	*error = chunks->answer_error;
	return chunks->answer;
}

static uint64_t
read_structured(struct peer *peer, void *buffer, uint64_t count,
		struct chunks *chunks, struct outcome *outcome)
{
	nbd_chunk_callback chunk = { .callback = on_chunk,
				     .user_data = chunks };
	nbd_completion_callback completion = peer_completion(outcome);
	struct command_request request = {
		.type = NBD_CMD_READ,
		.buffer = buffer,
		.count = count,
		.chunk = &chunk,
		.completion = &completion,
	};
	int64_t cookie = command_submit(peer->h, &request);

	assert_true(cookie > 0);
	return (uint64_t)cookie;
}

static void
the_chunk_callback_sees_data_holes_and_errors_with_offset(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	struct chunks chunks = { 0 };
	char buffer[1024];
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = read_structured(peer, buffer, 1024, &chunks, outcome);
	put_data(peer, 0, cookie, 0, 'a', 100);
	peer_say(peer);
	assert_int_equal(chunks.n_calls, 1);
	assert_int_equal(chunks.status, LIBNBD_READ_DATA);
	assert_int_equal(chunks.count, 100);
	peer_put_hole(peer, 0, cookie, 100, 412);
	peer_say(peer);
	assert_int_equal(chunks.n_calls, 2);
	assert_int_equal(chunks.status, LIBNBD_READ_HOLE);
	assert_int_equal(chunks.offset, 100);
	assert_int_equal(chunks.count, 412);
	peer_put_chunk(peer, DONE, NBD_REPLY_TYPE_ERROR_OFFSET, cookie, 14);
	peer_put_u32(peer, 5);
	peer_put_u16(peer, 0);
	peer_put_u64(peer, 512);
	peer_say(peer);
	assert_int_equal(chunks.n_calls, 3);
	assert_int_equal(chunks.status, LIBNBD_READ_ERROR);
	assert_int_equal(chunks.error, EIO);
	assert_int_equal(chunks.count, 0);
	assert_int_equal(chunks.offset, 512);
	assert_int_equal(outcome->error, EIO);
}

/* hostile.md 199 */
static void
a_chunk_callback_that_fails_fails_the_command(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	struct chunks chunks = { .answer = -1, .answer_error = ENOSPC };
	char buffer[512];
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = read_structured(peer, buffer, 512, &chunks, outcome);
	put_data(peer, 0, cookie, 0, 'a', 256);
	put_data(peer, DONE, cookie, 256, 'a', 256);
	peer_say(peer);
	assert_int_equal(chunks.n_calls, 2);
	assert_int_equal(chunks.error, ENOSPC);
	assert_int_equal(outcome->error, ENOSPC);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
}

/* hostile.md 130, 131 */
static void
gaps_and_overlaps_are_seen_by_the_completion(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	char buffer[512];
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	peer_put_chunk(peer, DONE, NBD_REPLY_TYPE_NONE, cookie, 0);
	peer_say(peer);
	assert_int_equal(outcome->error, EPROTO);

	cookie = peer_read(peer, buffer, 512, 0, outcome);
	put_data(peer, DONE, cookie, 0, 'a', 511);
	peer_say(peer);
	assert_int_equal(outcome->error, EPROTO);

	cookie = peer_read(peer, buffer, 512, 0, outcome);
	put_data(peer, 0, cookie, 0, 'a', 256);
	put_data(peer, DONE, cookie, 0, 'b', 256);
	peer_say(peer);
	assert_int_equal(outcome->error, EPROTO);
	assert_int_equal(command_completed(peer->h, cookie), -1);
	assert_int_equal(outcome->n_calls, 3);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
}

/* hostile.md 123 to 125 */
static void
content_outside_the_request_kills(void **state)
{
	static const struct {
		uint16_t type;
		uint64_t offset;
		uint32_t length;
	} cases[] = {
		{ NBD_REPLY_TYPE_OFFSET_DATA, UINT64_MAX, 2 },
		{ NBD_REPLY_TYPE_OFFSET_DATA, 1024 - 1, 1 },
		{ NBD_REPLY_TYPE_OFFSET_DATA, 1024 + 512, 1 },
		{ NBD_REPLY_TYPE_OFFSET_DATA, 1024 + 511, 2 },
		{ NBD_REPLY_TYPE_OFFSET_DATA, 1024, 513 },
		{ NBD_REPLY_TYPE_OFFSET_HOLE, 1024, 513 },
		{ NBD_REPLY_TYPE_OFFSET_HOLE, 1024, UINT32_MAX },
		{ NBD_REPLY_TYPE_OFFSET_HOLE, UINT64_MAX - 5, 6 },
	};
	bool *way = ((struct peer *)*state)->is_bytewise ? &peer_bytewise
							 : &peer_whole;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome outcome = { 0 };
		struct outcome other = { 0 };
		char buffer[512 + 2] = { 0 };
		char elsewhere[512];
		void *fresh = way;
		struct peer *peer;
		uint64_t cookie;

		assert_int_equal(peer_setup(&fresh), 0);
		peer = fresh;
		peer_get_ready(peer, true);
		cookie = peer_read(peer, buffer + 1, 512, 1024, &outcome);
		peer_read(peer, elsewhere, 512, 0, &other);
		if (cases[i].type == NBD_REPLY_TYPE_OFFSET_HOLE)
			peer_put_hole(peer, DONE, cookie, cases[i].offset,
				      cases[i].length);
		else
			put_data(peer, DONE, cookie, cases[i].offset, 'x',
				 cases[i].length);
		peer_say(peer);
		assert_int_equal(peer_state(peer), PUBLIC_DEAD);
		assert_int_equal(outcome.n_calls, 1);
		assert_int_equal(outcome.error, EPROTO);
		assert_int_equal(other.n_calls, 1);
		assert_int_equal(other.error, ENOTCONN);
		assert_bytes(buffer, 0, sizeof(buffer));
		peer_teardown(&fresh);
	}
}

/* hostile.md 126, 127 */
static void
empty_chunks_are_harmless(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	char buffer[512];
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	put_data(peer, 0, cookie, 256, 'x', 0);
	peer_put_hole(peer, 0, cookie, 512, 0);
	put_data(peer, DONE, cookie, 0, 'a', 512);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, 0);
	assert_bytes(buffer, 'a', 512);
}

/* hostile.md 128, 129, 134, 135 */
static void
wrong_chunks_fail_their_command_only(void **state)
{
	static const struct {
		uint16_t flags, type;
		uint32_t length;
	} cases[] = {
		{ DONE, NBD_REPLY_TYPE_OFFSET_DATA, 7 },
		{ DONE, NBD_REPLY_TYPE_OFFSET_HOLE, 11 },
		{ DONE, NBD_REPLY_TYPE_OFFSET_HOLE, 13 },
		{ DONE, NBD_REPLY_TYPE_NONE, 4 },
		{ 0, NBD_REPLY_TYPE_NONE, 0 },
		{ DONE, 3, 300 },
		{ DONE, NBD_REPLY_TYPE_BLOCK_STATUS, 12 },
		{ DONE, NBD_REPLY_TYPE_BLOCK_STATUS_EXT, 24 },
		{ DONE, NBD_REPLY_TYPE_ERROR, 3 },
		{ DONE, NBD_REPLY_TYPE_ERROR, 6 }, /* error 0 */
	};
	struct peer *peer = *state;
	char buffer[512];

	peer_get_ready(peer, true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome *outcome = peer_outcomes(peer, 1);
		uint64_t cookie = peer_read(peer, buffer, 512, 0, outcome);

		outcome->verdict = 1;

		peer_put_chunk(peer, cases[i].flags, cases[i].type, cookie,
			       cases[i].length);
		peer_put_zeroes(peer, cases[i].length);
		if (!(cases[i].flags & DONE))
			put_data(peer, DONE, cookie, 0, 'x', 512);
		peer_say(peer);
		assert_int_equal(outcome->n_calls, 1);
		assert_int_equal(outcome->error, EPROTO);
		assert_int_equal(outcome->n_frees, 1);
		assert_int_equal(peer_state(peer), PUBLIC_READY);
	}
}

/* hostile.md 138, 141 */
static void
endless_chunks_kill(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	char buffer[512];
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	for (int i = 0; i < 3000 && !peer->has_failed; i++) {
		peer_put_hole(peer, 0, cookie, 0, 1);
		peer_say(peer);
	}
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, EPROTO);
}

/* hostile.md 113 (as nbd-server's splice does), 114 */
static void
simple_replies_despite_structured_ones_are_taken(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	char buffer[512];
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	peer_put_simple(peer, 0, cookie);
	for (int i = 0; i < 512; i++)
		peer_put(peer, "s", 1);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, 0);
	assert_bytes(buffer, 's', 512);

	cookie = peer_read(peer, buffer, 512, 0, outcome);
	peer_put_simple(peer, 1, cookie);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 2);
	assert_int_equal(outcome->error, EPERM);
}

/* hostile.md 140 */
static void
a_simple_reply_after_chunks_is_an_error(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	char buffer[512];
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	put_data(peer, 0, cookie, 0, 'a', 256);
	peer_put_simple(peer, 0, cookie);
	peer_put_zeroes(peer, 512);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, EPROTO);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
}

/* hostile.md 116 */
static void
chunks_that_were_not_negotiated_fail_their_command(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	char buffer[512];
	uint64_t cookie;

	peer_get_ready(peer, false);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	put_data(peer, DONE, cookie, 0, 'x', 512);
	peer_say(peer);
	assert_int_equal(outcome->error, EPROTO);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
}

/* The buffer is bypassed; a part of the payload is in it nevertheless. */
static void
large_reads_land_in_the_callers_buffer(void **state)
{
	struct peer *peer = *state;
	static char buffers[3][300000];
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookies[3];

	/* Byte by byte this takes a million notifications. */
	peer->is_bytewise = false;
	peer_get_ready(peer, true);
	for (int i = 0; i < 3; i++)
		cookies[i] = peer_read(peer, buffers[i], 300000,
				       (uint64_t)i * 300000, outcome);
	for (int i = 2; i >= 0; i--)
		put_data(peer, DONE, cookies[i], (uint64_t)i * 300000,
			 (char)('a' + i), 300000);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 3);
	assert_int_equal(outcome->error, 0);
	for (int i = 0; i < 3; i++)
		assert_bytes(buffers[i], (char)('a' + i), 300000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(simple_replies_come_in_any_order),
		PEER_TEST(a_simple_error_fails_its_command_only),
		PEER_TEST(chunks_come_in_any_order_and_size),
		PEER_TEST(
			the_chunk_callback_sees_data_holes_and_errors_with_offset),
		PEER_TEST(a_chunk_callback_that_fails_fails_the_command),
		PEER_TEST(gaps_and_overlaps_are_seen_by_the_completion),
		PEER_TEST(content_outside_the_request_kills),
		PEER_TEST(empty_chunks_are_harmless),
		PEER_TEST(wrong_chunks_fail_their_command_only),
		PEER_TEST(endless_chunks_kill),
		PEER_TEST(simple_replies_despite_structured_ones_are_taken),
		PEER_TEST(a_simple_reply_after_chunks_is_an_error),
		PEER_TEST(chunks_that_were_not_negotiated_fail_their_command),
		PEER_TEST(large_reads_land_in_the_callers_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
