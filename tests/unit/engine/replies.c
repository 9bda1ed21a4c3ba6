/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Replies in general: whose they are, errors, strays, and the end. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/engine/peer.h"

enum {
	DONE = NBD_REPLY_FLAG_DONE
};

static char buffer[512];

static uint64_t
flush(struct peer *peer, struct outcome *outcome)
{
	nbd_completion_callback completion = peer_completion(outcome);
	struct command_request request = {
		.type = NBD_CMD_FLUSH,
		.completion = &completion,
	};
	int64_t cookie = command_submit(peer->h, &request);

	assert_true(cookie > 0);
	return (uint64_t)cookie;
}

static void
put_error(struct peer *peer, uint16_t type, uint64_t cookie, uint32_t error,
	  uint16_t message_length, const char *rest, uint32_t rest_length)
{
	peer_put_chunk(peer, DONE, type, cookie, 6 + rest_length);
	peer_put_u32(peer, error);
	peer_put_u16(peer, message_length);
	peer_put(peer, rest, rest_length);
}

static void
an_error_chunk_brings_the_servers_words(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = flush(peer, outcome);
	put_error(peer, NBD_REPLY_TYPE_ERROR, cookie, 5, 9, "disk\x1b gone", 9);
	peer_say(peer);
	assert_int_equal(outcome->error, EIO);
	assert_int_equal(command_completed(peer->h, cookie), -1);
	assert_int_equal(error_last_errno(), EIO);
	assert_non_null(strstr(error_last_text(), "flush: command failed"));
	assert_non_null(strstr(error_last_text(), "disk\\x1b gon"));
}

/* hostile.md 145 to 148, 150 to 153 */
static void
errors_count_whatever_surrounds_them(void **state)
{
	static const struct {
		uint16_t type;
		uint16_t message_length;
		const char *rest;
		uint32_t rest_length;
	} cases[] = {
		{ NBD_REPLY_TYPE_ERROR, 0x0c00, "Read failed", 12 },
		{ NBD_REPLY_TYPE_ERROR, 2, "no, and more", 12 },
		{ NBD_REPLY_TYPE_ERROR_OFFSET, 0,
		  "\xff\xff\xff\xff\xff\xff\xff\xff", 8 },
		{ NBD_REPLY_TYPE_ERROR_OFFSET, 0, "\0\0\0", 3 },
		{ 0x804d, 3, "odd tail", 8 },
	};
	struct peer *peer = *state;

	peer_get_ready(peer, true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome *outcome = peer_outcomes(peer, 1);
		uint64_t cookie = peer_read(peer, buffer, 512, 0, outcome);

		put_error(peer, cases[i].type, cookie, 12,
			  cases[i].message_length, cases[i].rest,
			  cases[i].rest_length);
		peer_say(peer);
		assert_int_equal(outcome->error, ENOMEM);
		assert_int_equal(peer_state(peer), PUBLIC_READY);
		assert_int_equal(command_completed(peer->h, cookie), -1);
	}
}

/* hostile.md 147 */
static void
an_endless_message_is_skipped(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = flush(peer, outcome);
	peer_put_chunk(peer, DONE, NBD_REPLY_TYPE_ERROR, cookie, 60006);
	peer_put_u32(peer, 1);
	peer_put_u16(peer, 60000);
	peer_put_zeroes(peer, 60000);
	peer_say(peer);
	assert_int_equal(outcome->error, EPERM);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
}

/* hostile.md 154, 155 */
static void
the_first_error_wins(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	peer_put_chunk(peer, 0, NBD_REPLY_TYPE_ERROR, cookie, 6);
	peer_put_u32(peer, 28);
	peer_put_u16(peer, 0);
	peer_put_data(peer, 0, cookie, 0, (uint8_t[512]){ 0 }, 512);
	put_error(peer, NBD_REPLY_TYPE_ERROR, cookie, 5, 0, "", 0);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, ENOSPC);
}

/* hostile.md 139, 156 */
static void
an_impossible_length_kills(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = flush(peer, outcome);
	peer_put_chunk(peer, DONE, NBD_REPLY_TYPE_ERROR, cookie, 0x7fffffff);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
	assert_int_equal(outcome->n_calls, 1);
}

/* hostile.md 98 */
static void
a_wrong_magic_kills_and_everything_completes_once(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcomes = peer_outcomes(peer, 3);

	peer_get_ready(peer, true);
	for (int i = 0; i < 3; i++)
		flush(peer, &outcomes[i]);
	peer_put_zeroes(peer, 4);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(outcomes[i].n_calls, 1);
		assert_int_equal(outcomes[i].error, ENOTCONN);
		assert_int_equal(outcomes[i].n_frees, 0);
	}
	assert_int_equal(command_in_flight_count(peer->h), 0);
	handle_free(peer->h);
	peer->h = NULL;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(outcomes[i].n_calls, 1);
		assert_int_equal(outcomes[i].n_frees, 1);
	}
}

/* hostile.md 107 to 109, 111 */
static void
replies_to_nobody_are_skipped(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = flush(peer, outcome);
	peer_put_simple(peer, 0, 4711);
	peer_put_simple(peer, 5, 4711);
	peer_put_chunk(peer, 0, NBD_REPLY_TYPE_OFFSET_DATA, 4711, 100);
	peer_put_zeroes(peer, 100);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 0);
	peer_put_simple(peer, 0, cookie);
	peer_put_simple(peer, 0, cookie);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, 0);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
}

/* hostile.md 106 */
static void
data_of_unknown_length_kills(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	peer_get_ready(peer, false);
	peer_read(peer, buffer, 512, 0, outcome);
	peer_put_simple(peer, 0, 4711);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
	assert_int_equal(error_last_errno(), EPROTO);
	assert_int_equal(outcome->error, ENOTCONN);
}

/* hostile.md 110 */
static void
a_flood_of_strays_kills(void **state)
{
	struct peer *peer = *state;

	peer_get_ready(peer, true);
	for (int i = 0; i < 2000 && !peer->has_failed; i++) {
		peer_put_simple(peer, 5, 4711);
		peer_say(peer);
	}
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
}

/* hostile.md 99 */
static void
hanging_up_between_replies_closes(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	peer_get_ready(peer, true);
	flush(peer, outcome);
	peer_hang_up(peer);
	assert_false(peer->has_failed);
	assert_int_equal(peer_state(peer), PUBLIC_CLOSED);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, ENOTCONN);
	assert_int_equal(engine_fd(peer->h), -1);
}

/* hostile.md 100 */
static void
hanging_up_inside_a_reply_kills(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, false);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	peer_put_simple(peer, 0, cookie);
	peer_put_zeroes(peer, 100);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	peer_hang_up(peer);
	assert_true(peer->has_failed);
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, ENOTCONN);
}

/* hostile.md 102: what was said before hanging up is heard. */
static void
last_words_are_heard_even_if_sending_fails_first(void **state)
{
	struct peer *peer = *state;
	struct outcome *answered = peer_outcomes(peer, 1);
	struct outcome *lost = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = flush(peer, answered);
	peer_expect_request(peer, 0, NBD_CMD_FLUSH, cookie, 0, 0);
	peer_put_simple(peer, 0, cookie);
	assert_int_equal(send(peer->fd, peer->words, peer->n_words, 0),
			 peer->n_words);
	close(peer->fd);
	peer->fd = -1;
	flush(peer, lost);
	(void)engine_flush(peer->h);
	assert_int_equal(answered->error, 0);
	assert_int_equal(answered->n_calls, 1);
	assert_int_equal(lost->error, ENOTCONN);
	assert_int_equal(lost->n_calls, 1);
	assert_int_equal(peer_state(peer), PUBLIC_CLOSED);
}

/* hostile.md 119 */
static void
a_server_that_shuts_down_is_left_in_order(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	struct command_request another = { .type = NBD_CMD_FLUSH };
	uint64_t cookie;

	peer_get_ready(peer, true);
	cookie = flush(peer, outcome);
	peer_expect_request(peer, 0, NBD_CMD_FLUSH, cookie, 0, 0);
	peer_put_simple(peer, 108, cookie);
	peer_say(peer);
	assert_int_equal(outcome->error, ESHUTDOWN);
	peer_expect_request(peer, 0, NBD_CMD_DISC, cookie + 1, 0, 0);
	assert_int_equal(command_submit(peer->h, &another), -1);
	peer_hang_up(peer);
	assert_int_equal(peer_state(peer), PUBLIC_CLOSED);
}

/* hostile.md 120 */
static void
what_follows_the_disconnect_is_ignored(void **state)
{
	struct peer *peer = *state;

	peer_get_ready(peer, true);
	assert_int_equal(engine_disconnect(peer->h), 0);
	peer_put_simple(peer, 0, 1);
	peer_put(peer, "so long, and thanks", 19);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	peer_hang_up(peer);
	assert_false(peer->has_failed);
	assert_int_equal(peer_state(peer), PUBLIC_CLOSED);
}

static void
endless_words_after_the_disconnect_kill(void **state)
{
	static const uint8_t nonsense[4096];
	struct peer *peer = *state;

	peer->is_bytewise = false;
	peer_get_ready(peer, true);
	assert_int_equal(engine_disconnect(peer->h), 0);
	for (int i = 0; i < 300 && !peer->has_failed; i++) {
		peer_put(peer, nonsense, sizeof(nonsense));
		peer_say(peer);
	}
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
}

/* Three replies are there at once; what is not taken the descriptor does not
 * tell of, so the direction must. */
static void
whoever_wants_gets_one_completion_at_a_time(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcomes = peer_outcomes(peer, 3);
	const unsigned both = LIBNBD_AIO_DIRECTION_BOTH;

	peer_get_ready(peer, true);
	for (int i = 0; i < 3; i++)
		peer_put_simple(peer, 0, flush(peer, &outcomes[i]));
	assert_int_equal(engine_flush(peer->h), 0);
	assert_int_equal(write(peer->fd, peer->words, peer->n_words),
			 peer->n_words);

	assert_int_equal(engine_notify_read_one(peer->h), 0);
	assert_int_equal(outcomes[0].n_calls, 1);
	assert_int_equal(outcomes[1].n_calls, 0);
	assert_true(engine_has_more(peer->h));
	assert_int_equal(engine_direction(peer->h), both);

	assert_int_equal(engine_notify_read_one(peer->h), 0);
	assert_int_equal(outcomes[1].n_calls, 1);
	assert_int_equal(outcomes[2].n_calls, 0);

	/* An event loop takes over, and sees that it can write. */
	assert_int_equal(engine_notify_write(peer->h), 0);
	assert_int_equal(outcomes[2].n_calls, 1);
	assert_false(engine_has_more(peer->h));
	assert_int_equal(engine_direction(peer->h), LIBNBD_AIO_DIRECTION_READ);
}

static void
who_sleeps_gets_one_completion_too(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcomes = peer_outcomes(peer, 2);

	peer_get_ready(peer, true);
	for (int i = 0; i < 2; i++)
		peer_put_simple(peer, 0, flush(peer, &outcomes[i]));
	assert_int_equal(engine_flush(peer->h), 0);
	assert_int_equal(write(peer->fd, peer->words, peer->n_words),
			 peer->n_words);

	assert_int_equal(engine_sleep(peer->h), 0);
	assert_int_equal(outcomes[0].n_calls, 1);
	assert_int_equal(outcomes[1].n_calls, 0);
	assert_true(engine_has_more(peer->h));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(an_error_chunk_brings_the_servers_words),
		PEER_TEST(errors_count_whatever_surrounds_them),
		PEER_TEST(an_endless_message_is_skipped),
		PEER_TEST(the_first_error_wins),
		PEER_TEST(an_impossible_length_kills),
		PEER_TEST(a_wrong_magic_kills_and_everything_completes_once),
		PEER_TEST(replies_to_nobody_are_skipped),
		PEER_TEST(data_of_unknown_length_kills),
		PEER_TEST(a_flood_of_strays_kills),
		PEER_TEST(hanging_up_between_replies_closes),
		PEER_TEST(hanging_up_inside_a_reply_kills),
		PEER_TEST(last_words_are_heard_even_if_sending_fails_first),
		PEER_TEST(a_server_that_shuts_down_is_left_in_order),
		PEER_TEST(what_follows_the_disconnect_is_ignored),
		PEER_TEST(endless_words_after_the_disconnect_kill),
		PEER_TEST(whoever_wants_gets_one_completion_at_a_time),
		PEER_TEST(who_sleeps_gets_one_completion_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
