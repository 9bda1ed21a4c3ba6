/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receiving ahead must not be seen. The same server speaks to two clients, one
 * that foresees replies and one that does not; whatever it says, in whatever
 * pieces, both must hear the same, find the same bytes in memory each time that
 * a command completes, and end in the same state.
 */
#include <libnbd.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/support/pattern.h"
#include "tests/unit/engine/peer.h"

enum {
	COUNT = 700,
	N_READS = 12,
	MOST_READS = 30,
	N_ROUNDS = 3000,
	MEMORY = MOST_READS * COUNT,
	DONE = NBD_REPLY_FLAG_DONE,
};

/* What a client heard: the cookies and errors in order, and a sum of all memory
 * at each of these moments. */
struct heard {
	size_t n;
	struct {
		uint64_t slot;
		int error;
		uint64_t sum;
	} completions[MOST_READS];
};

struct slot {
	struct client *client;
	uint8_t *buffer;
	uint64_t number;
};

struct client {
	struct peer *peer;
	void *state;
	struct heard heard;
	/* Reads may overlap; otherwise each has memory of its own. */
	bool shares_memory;
	/* The same place in both clients' memory means the same. */
	uint8_t memory[MEMORY];
	struct slot slots[MOST_READS];
	uint64_t cookies[MOST_READS];
	size_t n_submitted;
};

static uint64_t
sum_of(const uint8_t *bytes, size_t length)
{
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < length; i++)
		sum = (sum ^ bytes[i]) * 1099511628211u;
	return sum;
}

static int
on_completion(void *user, int *error)
{
	struct slot *slot = user;
	struct heard *heard = &slot->client->heard;

	heard->completions[heard->n].slot = slot->number;
	heard->completions[heard->n].error = *error;
	/* Of a failed read they are zero still, unless others put theirs there. */
	heard->completions[heard->n].sum = *error && slot->client->shares_memory
						   ? 0
						   : sum_of(slot->buffer,
							    COUNT);
	heard->n++;
	return 1;
}

static void
open_client(struct client *client, bool foresees, bool structured)
{
	static struct stream_operations plain;

	*client = (struct client){ .state = &peer_whole };
	assert_int_equal(peer_setup(&client->state), 0);
	client->peer = client->state;
	peer_get_ready(client->peer, structured);
	plain = *client->peer->h->stream->operations;
	plain.scatters = false;
	if (!foresees)
		client->peer->h->stream->operations = &plain;
}

static void
submit(struct client *client, size_t at)
{
	struct slot *slot = &client->slots[client->n_submitted];
	struct nbd_handle *h = client->peer->h;
	nbd_completion_callback completion = { on_completion, slot, NULL };
	struct command_request request = {
		.type = NBD_CMD_READ,
		.accepts = LIBNBD_CMD_FLAG_DF,
		.offset = client->n_submitted * COUNT,
		.count = COUNT,
		.buffer = client->memory + at,
		.completion = &completion,
	};
	int64_t cookie;

	*slot = (struct slot){ client, client->memory + at,
			       client->n_submitted };
	/* As begin_read() does it. */
	ahead_vacate(h, request.buffer, COUNT);
	memset(request.buffer, 0, COUNT);
	cookie = command_submit(h, &request);
	assert_true(cookie > 0);
	client->cookies[client->n_submitted++] = (uint64_t)cookie;
}

static void
close_client(struct client *client)
{
	peer_teardown(&client->state);
}

/* How the server answers a read. */
enum manner {
	WELL,
	WITH_AN_ERROR,
	SIMPLY, /* in spite of structured replies */
	IN_TWO_CHUNKS,
	WITH_A_HOLE,
	DONE_LATER,
	N_MANNERS,
};

static void
put_data(struct peer *peer, uint16_t flags, uint64_t cookie, uint64_t offset,
	 uint32_t length)
{
	uint8_t bytes[COUNT];

	pattern_fill(bytes, length, 1, offset);
	peer_put_data(peer, flags, cookie, offset, bytes, length);
}

static void
put_chunks(struct peer *peer, enum manner manner, uint64_t cookie,
	   uint64_t offset)
{
	switch (manner) {
	case IN_TWO_CHUNKS:
		put_data(peer, 0, cookie, offset + 300, COUNT - 300);
		put_data(peer, DONE, cookie, offset, 300);
		break;
	case WITH_A_HOLE:
		put_data(peer, 0, cookie, offset, 200);
		peer_put_hole(peer, DONE, cookie, offset + 200, COUNT - 200);
		break;
	case DONE_LATER:
		put_data(peer, 0, cookie, offset, COUNT);
		peer_put_chunk(peer, DONE, NBD_REPLY_TYPE_NONE, cookie, 0);
		break;
	default:
		put_data(peer, DONE, cookie, offset, COUNT);
	}
}

static void
put_reply(struct peer *peer, enum manner manner, bool structured,
	  uint64_t cookie, uint64_t offset)
{
	uint8_t bytes[COUNT];

	if (manner == WITH_AN_ERROR) {
		peer_put_simple(peer, 5, cookie);
	} else if (!structured || manner == SIMPLY) {
		pattern_fill(bytes, COUNT, 1, offset);
		peer_put_simple(peer, 0, cookie);
		peer_put(peer, bytes, COUNT);
	} else {
		put_chunks(peer, manner, cookie, offset);
	}
}

/* What is left to chance in a round; the same for both clients. */
struct dice {
	uint64_t state;
};

static size_t throw(struct dice * dice, size_t n_sides)
{
	dice->state = dice->state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(dice->state >> 33) % n_sides;
}

/* A server that has not said everything yet. */
struct server {
	struct peer *peer;
	bool structured;
	bool is_orderly; /* answers in order */
	bool is_well;    /* and as one would expect */
	size_t longest;  /* what it says at once */
	size_t said;
	bool has_answered[MOST_READS];
	size_t n_answers;
};

/* Of the oldest reads that wait for an answer any, or the oldest. */
static size_t
choose_read(const struct server *server, const struct client *client,
	    struct dice *dice)
{
	size_t n_older = server->is_orderly ? 0 : throw(dice, 3);
	size_t choice = client->n_submitted;

	for (size_t i = 0; i < client->n_submitted; i++) {
		if (server->has_answered[i])
			continue;
		choice = i;
		if (n_older-- == 0)
			break;
	}
	return choice;
}

static void
answer(struct server *server, const struct client *client, struct dice *dice)
{
	size_t i = choose_read(server, client, dice);
	enum manner manner = (enum manner) throw(dice, N_MANNERS);

	put_reply(server->peer, server->is_well ? WELL : manner,
		  server->structured, client->cookies[i], i * COUNT);
	server->has_answered[i] = true;
	server->n_answers++;
}

static void
say_some(struct server *server, struct dice *dice)
{
	size_t n = 1 + throw(dice, server->peer->n_words - server->said);

	assert_int_equal(send(server->peer->fd,
			      server->peer->words + server->said, n,
			      MSG_NOSIGNAL),
			 n);
	server->said += n;
}

static size_t
choose_place(const struct client *client, struct dice *dice)
{
	return client->shares_memory ? throw(dice, MEMORY - COUNT)
				     : client->n_submitted * COUNT;
}

/* What became of guesses, in all rounds. */
static unsigned long n_right, n_wrong;

static void
count_guesses(const struct ahead *ahead)
{
	static uint64_t n_needed;

	n_right += ahead->n_right;
	n_wrong += ahead->n_needed > n_needed;
	n_needed = ahead->n_needed;
}

/* The client is told what has come, and asks for more now and then. */
static void
notice(struct client *client, bool one_by_one, size_t *n_more,
       struct dice *dice)
{
	struct nbd_handle *h = client->peer->h;

	if (one_by_one)
		(void)engine_notify_read_one(h);
	else
		(void)engine_notify_read(h);
	while (engine_has_more(h)) {
		if (*n_more > 0 && throw(dice, 2)) {
			--*n_more;
			submit(client, choose_place(client, dice));
		}
		(void)engine_notify_read_one(h);
	}
	(void)engine_flush(h);
	count_guesses(&h->receive.ahead);
}

/* One client's part of a round. */
static void
play(struct client *client, uint64_t seed, bool foresees)
{
	struct dice dice = { seed };
	bool one_by_one = throw(&dice, 2);
	size_t n_more = throw(&dice, MOST_READS - N_READS);
	struct server server = {
		.structured = throw(&dice, 2),
		.is_orderly = throw(&dice, 3),
		.is_well = throw(&dice, 2),
		.longest = 1 + throw(&dice, 6000),
	};

	open_client(client, foresees, server.structured);
	server.peer = client->peer;
	client->shares_memory = throw(&dice, 2);
	for (size_t i = 0; i < N_READS; i++)
		submit(client, choose_place(client, &dice));
	assert_int_equal(engine_flush(server.peer->h), 0);
	while (peer_state(server.peer) == PUBLIC_READY) {
		size_t n_words = server.peer->n_words - server.said;

		if (server.n_answers < client->n_submitted &&
		    n_words < server.longest) {
			answer(&server, client, &dice);
		} else if (n_words > 0) {
			say_some(&server, &dice);
			notice(client, one_by_one, &n_more, &dice);
		} else {
			break;
		}
	}
}

static void
compare(const struct client *a, const struct client *b)
{
	assert_int_equal(peer_state(a->peer), peer_state(b->peer));
	assert_int_equal(a->heard.n, b->heard.n);
	for (size_t i = 0; i < a->heard.n; i++) {
		assert_int_equal(a->heard.completions[i].slot,
				 b->heard.completions[i].slot);
		assert_int_equal(a->heard.completions[i].error,
				 b->heard.completions[i].error);
		assert_int_equal(a->heard.completions[i].sum,
				 b->heard.completions[i].sum);
	}
}

static struct client clients[2];

static void
whatever_a_server_says_both_hear_the_same(void **state)
{
	(void)state;
	ahead_smallest = 1;
	ahead_at_first = 0;
	for (uint64_t seed = 0; seed < N_ROUNDS; seed++) {
		for (int i = 0; i < 2; i++)
			play(&clients[i], seed, i == 0);
		compare(&clients[0], &clients[1]);
		assert_int_equal(clients[1].peer->h->receive.ahead.n_foreseen,
				 0);
		for (int i = 0; i < 2; i++)
			close_client(&clients[i]);
	}
	assert_true(n_right > N_ROUNDS);
	assert_true(n_wrong > N_ROUNDS / 10);
	print_message("%lu right, %lu wrong\n", n_right, n_wrong);
}

static void
a_server_that_has_answered_a_few_in_order_is_foreseen(void **state)
{
	struct client *client = &clients[0];
	const struct ahead *ahead;
	struct peer *peer;

	(void)state;
	ahead_smallest = 1;
	ahead_at_first = 3;
	open_client(client, true, true);
	peer = client->peer;
	ahead = &peer->h->receive.ahead;
	for (size_t i = 0; i < N_READS; i++)
		submit(client, i * COUNT);
	assert_int_equal(engine_flush(peer->h), 0);
	for (size_t i = 0; i < N_READS; i++) {
		put_reply(peer, WELL, true, client->cookies[i], i * COUNT);
		peer_say(peer);
		assert_int_equal(client->heard.n, i + 1);
		if (i < 3)
			assert_int_equal(ahead->n_foreseen, 0);
		else
			assert_true(ahead->n_foreseen > 0);
	}
	close_client(client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_a_server_says_both_hear_the_same),
		cmocka_unit_test(
			a_server_that_has_answered_a_few_in_order_is_foreseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
