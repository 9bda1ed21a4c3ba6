/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block status: one callback for each context that was negotiated. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/engine/peer.h"

enum {
	DONE = NBD_REPLY_FLAG_DONE
};

/* The callbacks so far, as text. */
static char seen[4096];

static int
on_extents(void *user_data, const char *context, uint64_t offset,
	   uint32_t *entries, size_t n_entries, int *error)
{
	const int *answer = user_data;
	size_t used = strlen(seen);

	used += (size_t)snprintf(seen + used, sizeof(seen) - used, "%s@%d",
				 context, (int)offset);
	for (size_t i = 0; i < n_entries && i < 8; i++)
		used += (size_t)snprintf(seen + used, sizeof(seen) - used,
					 " %u", entries[i]);
	snprintf(seen + used, sizeof(seen) - used, ";");
	if (*answer)
		*error = *answer;
	return *answer ? -1 : 0;
}

static int answer;

static void
get_ready(struct peer *peer)
{
	seen[0] = '\0';
	answer = 0;
	string_list_append(&peer->h->config.meta_contexts, "a:b");
	string_list_append(&peer->h->config.meta_contexts, "c:d");
	peer_get_ready(peer, true);
	assert_int_equal(peer->h->export.n_contexts, 2);
}

static uint64_t
ask(struct peer *peer, struct outcome *outcome)
{
	nbd_extent_callback extent = { .callback = on_extents,
				       .user_data = &answer };
	nbd_completion_callback completion = peer_completion(outcome);
	struct command_request request = {
		.type = NBD_CMD_BLOCK_STATUS,
		.offset = 512,
		.count = 4096,
		.extent = &extent,
		.completion = &completion,
	};
	int64_t cookie = command_submit(peer->h, &request);

	assert_true(cookie > 0);
	return (uint64_t)cookie;
}

static void
put_status(struct peer *peer, uint16_t flags, uint64_t cookie, uint32_t id,
	   uint32_t n_extents, uint32_t length)
{
	peer_put_chunk(peer, flags, NBD_REPLY_TYPE_BLOCK_STATUS, cookie,
		       4 + 8 * n_extents);
	peer_put_u32(peer, id);
	for (uint32_t i = 0; i < n_extents; i++) {
		peer_put_u32(peer, length);
		peer_put_u32(peer, i);
	}
}

static void
each_context_is_reported_with_its_name(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	get_ready(peer);
	cookie = ask(peer, outcome);
	put_status(peer, 0, cookie, 2, 1, 4096);
	put_status(peer, DONE, cookie, 1, 2, 2048);
	peer_say(peer);
	assert_string_equal(seen, "c:d@512 4096 0;a:b@512 2048 0 2048 1;");
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, 0);
}

/* hostile.md 115, 166 */
static void
a_missing_context_is_an_error(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	get_ready(peer);
	cookie = ask(peer, outcome);
	put_status(peer, DONE, cookie, 2, 1, 4096);
	peer_say(peer);
	assert_int_equal(outcome->error, EPROTO);

	outcome->error = 0;
	cookie = ask(peer, outcome);
	peer_put_chunk(peer, DONE, NBD_REPLY_TYPE_NONE, cookie, 0);
	peer_say(peer);
	assert_int_equal(outcome->error, EPROTO);

	outcome->error = 0;
	cookie = ask(peer, outcome);
	peer_put_simple(peer, 0, cookie);
	peer_say(peer);
	assert_int_equal(outcome->error, EPROTO);
	assert_int_equal(outcome->n_calls, 3);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
}

/* hostile.md 165 */
static void
an_unknown_context_is_ignored(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	get_ready(peer);
	cookie = ask(peer, outcome);
	put_status(peer, 0, cookie, 77, 3, 10);
	put_status(peer, 0, cookie, 1, 1, 4096);
	put_status(peer, DONE, cookie, 2, 1, 4096);
	peer_say(peer);
	assert_string_equal(seen, "a:b@512 4096 0;c:d@512 4096 0;");
	assert_int_equal(outcome->error, 0);
}

/* hostile.md 167 */
static void
two_answers_for_one_context_are_an_error(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	get_ready(peer);
	cookie = ask(peer, outcome);
	put_status(peer, 0, cookie, 1, 1, 4096);
	put_status(peer, DONE, cookie, 1, 1, 4096);
	peer_say(peer);
	assert_string_equal(seen, "a:b@512 4096 0;");
	assert_int_equal(outcome->error, EPROTO);
}

/* hostile.md 157, 170, 171 */
static void
a_malformed_answer_fails_its_command_only(void **state)
{
	static const struct {
		uint16_t type;
		uint32_t length;
	} cases[] = {
		{ NBD_REPLY_TYPE_BLOCK_STATUS, 0 },
		{ NBD_REPLY_TYPE_BLOCK_STATUS, 3 },
		{ NBD_REPLY_TYPE_BLOCK_STATUS, 4 },
		{ NBD_REPLY_TYPE_BLOCK_STATUS, 15 },
		{ NBD_REPLY_TYPE_BLOCK_STATUS_EXT, 24 },
		{ NBD_REPLY_TYPE_OFFSET_DATA, 12 },
	};
	struct peer *peer = *state;

	get_ready(peer);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome *outcome = peer_outcomes(peer, 1);
		uint64_t cookie = ask(peer, outcome);

		peer_put_chunk(peer, DONE, cases[i].type, cookie,
			       cases[i].length);
		peer_put_zeroes(peer, cases[i].length);
		peer_say(peer);
		assert_int_equal(outcome->n_calls, 1);
		assert_int_equal(outcome->error, EPROTO);
		assert_int_equal(peer_state(peer), PUBLIC_READY);
	}
	assert_string_equal(seen, "");
}

static void
a_callback_that_fails_fails_the_command(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	get_ready(peer);
	answer = ENOSPC;
	cookie = ask(peer, outcome);
	put_status(peer, 0, cookie, 1, 1, 4096);
	put_status(peer, DONE, cookie, 2, 1, 4096);
	peer_say(peer);
	assert_string_equal(seen, "a:b@512 4096 0;c:d@512 4096 0;");
	assert_int_equal(outcome->error, ENOSPC);
}

/* More descriptors than the receive buffer holds. */
static void
many_extents_arrive_in_parts(void **state)
{
	enum {
		N = 100000
	};
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer->is_bytewise = false;
	get_ready(peer);
	peer->h->export.size = UINT32_MAX;
	cookie = ask(peer, outcome);
	put_status(peer, 0, cookie, 1, 1, 4096);
	put_status(peer, DONE, cookie, 2, N, 1);
	peer_say(peer);
	assert_int_equal(outcome->error, 0);
	assert_int_equal(outcome->n_calls, 1);
	/* Those behind the request are of no interest. */
	assert_string_equal(seen, "a:b@512 4096 0;c:d@512 1 0 1 1 1 2 1 3;");
	assert_int_equal(peer->h->receive.extents.n_items, 4096);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(each_context_is_reported_with_its_name),
		PEER_TEST(a_missing_context_is_an_error),
		PEER_TEST(an_unknown_context_is_ignored),
		PEER_TEST(two_answers_for_one_context_are_an_error),
		PEER_TEST(a_malformed_answer_fails_its_command_only),
		PEER_TEST(a_callback_that_fails_fails_the_command),
		PEER_TEST(many_extents_arrive_in_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
