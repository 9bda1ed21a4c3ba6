/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When requests leave, together with what, and how the connection ends. */
#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/byteorder.h"
#include "tests/unit/engine/peer.h"

static char buffer[4096];

/* How many bytes the client has sent since the last time. */
static size_t
n_heard(struct peer *peer)
{
	static uint8_t heard[1 << 20];

	return peer_hear(peer, heard, sizeof(heard));
}

static void
a_lone_request_leaves_at_once_and_others_wait_for_company(void **state)
{
	struct peer *peer = *state;

	peer_get_ready(peer, false);
	peer_read(peer, buffer, 512, 0, NULL);
	assert_int_equal(n_heard(peer), NBD_REQUEST_SIZE);
	assert_int_equal(engine_direction(peer->h), LIBNBD_AIO_DIRECTION_READ);

	peer_read(peer, buffer, 512, 0, NULL);
	peer_read(peer, buffer, 512, 0, NULL);
	assert_int_equal(n_heard(peer), 0);
	assert_int_equal(engine_direction(peer->h), LIBNBD_AIO_DIRECTION_BOTH);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_int_equal(command_in_flight_count(peer->h), 3);

	assert_int_equal(engine_notify_write(peer->h), 0);
	assert_int_equal(n_heard(peer), 2 * NBD_REQUEST_SIZE);
	assert_int_equal(engine_direction(peer->h), LIBNBD_AIO_DIRECTION_READ);
}

static void
polling_and_reading_send_what_waits(void **state)
{
	struct peer *peer = *state;

	peer_get_ready(peer, false);
	peer_read(peer, buffer, 512, 0, NULL);
	peer_read(peer, buffer, 512, 0, NULL);
	assert_int_equal(n_heard(peer), NBD_REQUEST_SIZE);
	assert_int_equal(engine_flush(peer->h), 0);
	assert_int_equal(n_heard(peer), NBD_REQUEST_SIZE);
	peer_read(peer, buffer, 512, 0, NULL);
	assert_int_equal(engine_notify_read(peer->h), 0);
	assert_int_equal(n_heard(peer), NBD_REQUEST_SIZE);
}

/* Who polls for one completion is about to ask for more: that leaves together
 * with what is queued, when the next poll begins. */
static void
what_is_queued_waits_for_what_a_completion_brings(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, false);
	cookie = peer_write(peer, buffer, 1, 0, outcome);
	peer_read(peer, buffer, 512, 0, NULL);
	assert_int_equal(n_heard(peer), NBD_REQUEST_SIZE + 1);
	peer_put_simple(peer, 0, cookie);
	assert_int_equal(write(peer->fd, peer->words, peer->n_words),
			 peer->n_words);

	assert_int_equal(engine_notify_read_one(peer->h), 0);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(n_heard(peer), 0);
	assert_int_equal(engine_direction(peer->h), LIBNBD_AIO_DIRECTION_BOTH);
	peer_read(peer, buffer, 512, 0, NULL);
	assert_int_equal(engine_flush(peer->h), 0);
	assert_int_equal(n_heard(peer), 2 * NBD_REQUEST_SIZE);

	/* Without a completion nothing is waited for. */
	peer_read(peer, buffer, 512, 0, NULL);
	assert_int_equal(engine_notify_read_one(peer->h), 0);
	assert_int_equal(n_heard(peer), NBD_REQUEST_SIZE);
}

static void
enough_requests_leave_without_being_asked(void **state)
{
	struct peer *peer = *state;

	peer_get_ready(peer, false);
	for (int i = 0; i < 1 + TRANSMIT_ENOUGH; i++)
		peer_read(peer, buffer, 512, 0, NULL);
	assert_int_equal(n_heard(peer),
			 (1 + TRANSMIT_ENOUGH) * NBD_REQUEST_SIZE);
}

/* Small and larger payloads, side by side and by reference. */
static void
payloads_follow_their_headers(void **state)
{
	static const size_t sizes[] = { 1,     512,    2047, 2048,
					70000, 131072, 100,  200000 };
	enum {
		N = sizeof(sizes) / sizeof(sizes[0])
	};
	struct peer *peer = *state;
	uint8_t *payloads[N];
	uint64_t cookies[N];

	peer_get_ready(peer, false);
	for (size_t i = 0; i < N; i++) {
		payloads[i] = malloc(sizes[i]);
		assert_non_null(payloads[i]);
		memset(payloads[i], 'a' + (int)i, sizes[i]);
		cookies[i] = peer_write(peer, payloads[i], sizes[i], i * 4096,
					NULL);
	}
	for (size_t i = 0; i < N; i++) {
		uint8_t header[NBD_REQUEST_SIZE];
		uint8_t *heard = malloc(sizes[i]);
		size_t n = 0;

		assert_non_null(heard);
		while (n < sizeof(header)) {
			engine_flush(peer->h);
			engine_notify_write(peer->h);
			n += peer_hear(peer, header + n, sizeof(header) - n);
		}
		assert_int_equal(load_be64(header + 8), cookies[i]);
		assert_int_equal(load_be64(header + 16), i * 4096);
		assert_int_equal(load_be32(header + 24), sizes[i]);
		for (n = 0; n < sizes[i];) {
			n += peer_hear(peer, heard + n, sizes[i] - n);
			engine_notify_write(peer->h);
		}
		assert_memory_equal(heard, payloads[i], sizes[i]);
		free(heard);
	}
	for (size_t i = 0; i < N; i++)
		free(payloads[i]);
}

/* Submits a write of DATA cut after each STEP bytes. The pieces are the
 * caller's, and enough. */
static uint64_t
write_in_pieces(struct peer *peer, struct iovec *pieces, uint8_t *data,
		size_t length, size_t step)
{
	struct command_request request = {
		.type = NBD_CMD_WRITE,
		.accepts = LIBNBD_CMD_FLAG_PAYLOAD_LEN,
		.count = length,
		.pieces = pieces,
	};
	int64_t cookie;

	for (size_t at = 0; at < length; at += step)
		pieces[request.n_pieces++] = (struct iovec){
			.iov_base = data + at,
			.iov_len = length - at < step ? length - at : step,
		};
	cookie = command_submit(peer->h, &request);
	assert_true(cookie > 0);
	return (uint64_t)cookie;
}

/* Hears LENGTH bytes, for which the client may have to be asked. */
static void
hear(struct peer *peer, uint8_t *heard, size_t length)
{
	size_t n = 0;

	while (n < length) {
		engine_flush(peer->h);
		engine_notify_write(peer->h);
		n += peer_hear(peer, heard + n, length - n);
	}
}

/* Few and many pieces, small and large ones, after one another; into a socket
 * that never takes much. */
static void
pieces_leave_one_behind_the_other(void **state)
{
	static const struct {
		size_t length;
		size_t step;
	} writes[] = {
		{ 100, 1 },      { 2047, 100 },     { 2048, 2048 },
		{ 4096, 1000 },  { 4096, 16 },      { 70000, 16384 },
		{ 131072, 512 }, { 200000, 65536 }, { 300000, 1 },
	};
	enum {
		N = sizeof(writes) / sizeof(writes[0]),
		MOST = 300000,
	};
	static struct iovec pieces[N][MOST];
	static uint8_t data[N][MOST];
	static uint8_t heard[MOST];
	const int small = 4096;
	struct peer *peer = *state;
	uint64_t cookies[N];

	peer_get_ready(peer, false);
	setsockopt(engine_fd(peer->h), SOL_SOCKET, SO_SNDBUF, &small,
		   sizeof(small));
	for (size_t i = 0; i < N; i++) {
		for (size_t j = 0; j < writes[i].length; j++)
			data[i][j] = (uint8_t)(i + j * 7);
		cookies[i] = write_in_pieces(peer, pieces[i], data[i],
					     writes[i].length, writes[i].step);
	}
	for (size_t i = 0; i < N; i++) {
		uint8_t header[NBD_REQUEST_SIZE];

		hear(peer, header, sizeof(header));
		assert_int_equal(load_be64(header + 8), cookies[i]);
		assert_int_equal(load_be32(header + 24), writes[i].length);
		hear(peer, heard, writes[i].length);
		assert_memory_equal(heard, data[i], writes[i].length);
		peer_put_simple(peer, 0, cookies[i]);
	}
	peer_say(peer);
	assert_int_equal(command_in_flight_count(peer->h), 0);
}

/* Submits a write that the socket cannot take whole. */
static uint64_t
write_too_much(struct peer *peer, struct outcome *outcome)
{
	static uint8_t bulk[1 << 20];
	const int small = 4096;
	uint64_t cookie;

	setsockopt(engine_fd(peer->h), SOL_SOCKET, SO_SNDBUF, &small,
		   sizeof(small));
	cookie = peer_write(peer, bulk, sizeof(bulk), 0, outcome);
	assert_int_equal(engine_flush(peer->h), 0);
	assert_int_equal(peer_state(peer), PUBLIC_PROCESSING);
	assert_string_equal(engine_state_name(peer->h), "PROCESSING");
	assert_int_equal(engine_direction(peer->h), LIBNBD_AIO_DIRECTION_BOTH);
	return cookie;
}

/* hostile.md 112 */
static void
an_early_answer_counts_once_the_payload_has_left(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, false);
	cookie = write_too_much(peer, outcome);
	peer_put_simple(peer, 28, cookie);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 0);
	while (n_heard(peer) > 0)
		assert_int_equal(engine_notify_write(peer->h), 0);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, ENOSPC);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
}

/* hostile.md 105 */
static void
replies_are_received_while_sending_is_blocked(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, false);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	write_too_much(peer, NULL);
	peer_put_simple(peer, 0, cookie);
	peer_put_zeroes(peer, 512);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, 0);
	assert_int_equal(peer_state(peer), PUBLIC_PROCESSING);
}

/* hostile.md 111: a request that has not left has no reply. */
static void
a_guessed_cookie_is_not_a_reply(void **state)
{
	struct peer *peer = *state;
	struct outcome *blocked = peer_outcomes(peer, 1);
	struct outcome *waiting = peer_outcomes(peer, 1);
	uint64_t cookie;

	peer_get_ready(peer, false);
	write_too_much(peer, blocked);
	cookie = peer_write(peer, buffer, 512, 0, waiting);
	peer_put_simple(peer, 5, cookie);
	peer_say(peer);
	assert_int_equal(waiting->n_calls, 0);
	while (n_heard(peer) > 0)
		assert_int_equal(engine_notify_write(peer->h), 0);
	peer_put_simple(peer, 0, cookie);
	peer_say(peer);
	assert_int_equal(waiting->n_calls, 1);
	assert_int_equal(waiting->error, 0);
}

static void
disconnecting_says_so_and_waits_for_the_server_to_close(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	uint8_t byte;
	uint64_t cookie;

	peer_get_ready(peer, false);
	cookie = peer_read(peer, buffer, 512, 0, outcome);
	assert_int_equal(engine_disconnect(peer->h), 0);
	assert_int_equal(engine_disconnect(peer->h), -1);
	assert_int_equal(error_last_errno(), EINVAL);
	assert_int_equal(engine_flush(peer->h), 0);
	assert_int_equal(command_in_flight_count(peer->h), 2);
	peer_expect_request(peer, 0, NBD_CMD_READ, cookie, 0, 512);
	peer_expect_request(peer, 0, NBD_CMD_DISC, cookie + 1, 0, 0);
	assert_int_equal(recv(peer->fd, &byte, 1, 0), 0);

	peer_put_simple(peer, 0, cookie);
	peer_put_zeroes(peer, 512);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, 0);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	peer_hang_up(peer);
	assert_int_equal(peer_state(peer), PUBLIC_CLOSED);
	assert_int_equal(command_in_flight_count(peer->h), 0);
}

static void
abandoning_ends_what_has_not_begun_to_leave(void **state)
{
	struct peer *peer = *state;
	struct outcome *blocked = peer_outcomes(peer, 1);
	struct outcome *waiting = peer_outcomes(peer, 3);
	uint64_t cookie;
	size_t total = 0;
	size_t n;

	peer_get_ready(peer, false);
	cookie = write_too_much(peer, blocked);
	for (int i = 0; i < 3; i++)
		peer_write(peer, buffer, 512, 0, &waiting[i]);
	engine_abandon_pending(peer->h);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(waiting[i].n_calls, 1);
		assert_int_equal(waiting[i].error, ENOTCONN);
	}
	assert_int_equal(blocked->n_calls, 0);
	assert_int_equal(engine_disconnect(peer->h), 0);
	while ((n = n_heard(peer)) > 0) {
		total += n;
		assert_int_equal(engine_notify_write(peer->h), 0);
	}
	assert_int_equal(total, 2 * NBD_REQUEST_SIZE + (1 << 20));
	peer_put_simple(peer, 0, cookie);
	peer_say(peer);
	assert_int_equal(blocked->error, 0);
}

/* A batch of several, of which only the first has begun. */
static void
abandoning_cuts_a_batch(void **state)
{
	struct peer *peer = *state;
	static uint8_t bulk[100000];
	const int small = 4096;
	struct outcome *outcomes = peer_outcomes(peer, 4);
	size_t total = 0;
	size_t n;

	peer_get_ready(peer, false);
	setsockopt(engine_fd(peer->h), SOL_SOCKET, SO_SNDBUF, &small,
		   sizeof(small));
	peer_read(peer, buffer, 512, 0, NULL);
	n_heard(peer);
	for (int i = 0; i < 4; i++)
		peer_write(peer, bulk, sizeof(bulk), 0, &outcomes[i]);
	assert_int_equal(engine_flush(peer->h), 0);
	engine_abandon_pending(peer->h);
	assert_int_equal(outcomes[0].n_calls, 0);
	for (int i = 1; i < 4; i++)
		assert_int_equal(outcomes[i].error, ENOTCONN);
	while ((n = n_heard(peer)) > 0) {
		total += n;
		assert_int_equal(engine_notify_write(peer->h), 0);
	}
	assert_int_equal(total, NBD_REQUEST_SIZE + sizeof(bulk));
	assert_int_equal(engine_direction(peer->h), LIBNBD_AIO_DIRECTION_READ);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(
			a_lone_request_leaves_at_once_and_others_wait_for_company),
		PEER_TEST(polling_and_reading_send_what_waits),
		PEER_TEST(what_is_queued_waits_for_what_a_completion_brings),
		PEER_TEST(enough_requests_leave_without_being_asked),
		PEER_TEST(payloads_follow_their_headers),
		PEER_TEST(pieces_leave_one_behind_the_other),
		PEER_TEST(an_early_answer_counts_once_the_payload_has_left),
		PEER_TEST(replies_are_received_while_sending_is_blocked),
		PEER_TEST(a_guessed_cookie_is_not_a_reply),
		PEER_TEST(
			disconnecting_says_so_and_waits_for_the_server_to_close),
		PEER_TEST(abandoning_ends_what_has_not_begun_to_leave),
		PEER_TEST(abandoning_cuts_a_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
