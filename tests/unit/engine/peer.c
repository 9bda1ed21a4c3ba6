/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A server played by a test. */
#include "tests/unit/engine/peer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/byteorder.h"

enum {
	PEER_MAX_OUTCOMES = 64
};

bool peer_whole = false;
bool peer_bytewise = true;

int
peer_setup(void **state)
{
	bool is_bytewise = *(bool *)*state;
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		return -1;
	peer->outcomes = calloc(PEER_MAX_OUTCOMES, sizeof(*peer->outcomes));
	peer->h = handle_new();
	peer->fd = -1;
	peer->is_bytewise = is_bytewise;
	*state = peer;
	if (!peer->h || !peer->outcomes)
		return -1;
	/* Tests of extended headers ask for them. */
	peer->h->config.request_extended_headers = false;
	return 0;
}

int
peer_teardown(void **state)
{
	struct peer *peer = *state;

	handle_free(peer->h);
	if (peer->fd >= 0)
		close(peer->fd);
	free(peer->outcomes);
	free(peer);
	return 0;
}

void
peer_connect(struct peer *peer)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	peer->fd = pair[1];
	assert_int_equal(engine_connect_socket(peer->h, pair[0]), 0);
}

void
peer_put(struct peer *peer, const void *bytes, size_t length)
{
	assert(length <= sizeof(peer->words) - peer->n_words);
	memcpy(peer->words + peer->n_words, bytes, length);
	peer->n_words += length;
}

void
peer_put_u16(struct peer *peer, uint16_t value)
{
	uint8_t bytes[2];

	store_be16(bytes, value);
	peer_put(peer, bytes, sizeof(bytes));
}

void
peer_put_u32(struct peer *peer, uint32_t value)
{
	uint8_t bytes[4];

	store_be32(bytes, value);
	peer_put(peer, bytes, sizeof(bytes));
}

void
peer_put_u64(struct peer *peer, uint64_t value)
{
	uint8_t bytes[8];

	store_be64(bytes, value);
	peer_put(peer, bytes, sizeof(bytes));
}

void
peer_put_zeroes(struct peer *peer, size_t length)
{
	for (size_t i = 0; i < length; i++)
		peer_put(peer, "", 1);
}

void
peer_put_option_reply(struct peer *peer, uint32_t option, uint32_t type,
		      uint32_t length)
{
	peer_put_u64(peer, NBD_REP_MAGIC);
	peer_put_u32(peer, option);
	peer_put_u32(peer, type);
	peer_put_u32(peer, length);
}

void
peer_put_info_export(struct peer *peer, uint32_t option, uint64_t size,
		     uint16_t flags)
{
	peer_put_option_reply(peer, option, NBD_REP_INFO, 12);
	peer_put_u16(peer, NBD_INFO_EXPORT);
	peer_put_u64(peer, size);
	peer_put_u16(peer, flags);
}

void
peer_put_simple(struct peer *peer, uint32_t error, uint64_t cookie)
{
	peer_put_u32(peer, NBD_SIMPLE_REPLY_MAGIC);
	peer_put_u32(peer, error);
	peer_put_u64(peer, cookie);
}

void
peer_put_chunk(struct peer *peer, uint16_t flags, uint16_t type,
	       uint64_t cookie, uint32_t length)
{
	peer_put_u32(peer, NBD_STRUCTURED_REPLY_MAGIC);
	peer_put_u16(peer, flags);
	peer_put_u16(peer, type);
	peer_put_u64(peer, cookie);
	peer_put_u32(peer, length);
}

void
peer_put_data(struct peer *peer, uint16_t flags, uint64_t cookie,
	      uint64_t offset, const void *bytes, uint32_t length)
{
	peer_put_chunk(peer, flags, NBD_REPLY_TYPE_OFFSET_DATA, cookie,
		       8 + length);
	peer_put_u64(peer, offset);
	peer_put(peer, bytes, length);
}

void
peer_put_hole(struct peer *peer, uint16_t flags, uint64_t cookie,
	      uint64_t offset, uint32_t length)
{
	peer_put_chunk(peer, flags, NBD_REPLY_TYPE_OFFSET_HOLE, cookie, 12);
	peer_put_u64(peer, offset);
	peer_put_u32(peer, length);
}

/* What a poll loop would do once the descriptor is readable. */
static void
let_client_read(struct peer *peer)
{
	if (engine_direction(peer->h) != 0 && engine_notify_read(peer->h) == -1)
		peer->has_failed = true;
}

void
peer_say(struct peer *peer)
{
	size_t step = peer->is_bytewise ? 1 : 65536;
	size_t n;

	/* Nobody polls without sending what waits. */
	if (engine_flush(peer->h) == -1)
		peer->has_failed = true;
	for (size_t said = 0; said < peer->n_words; said += n) {
		n = peer->n_words - said;
		if (n > step)
			n = step;
		/* A client that has hung up hears no more. */
		if (send(peer->fd, peer->words + said, n, MSG_NOSIGNAL) !=
		    (ssize_t)n)
			break;
		let_client_read(peer);
	}
	peer->n_words = 0;
}

void
peer_hang_up(struct peer *peer)
{
	uint8_t heard[4096];

	/* Bytes left unread would be answered with a reset. */
	while (peer_hear(peer, heard, sizeof(heard)) > 0)
		;
	close(peer->fd);
	peer->fd = -1;
	let_client_read(peer);
}

size_t
peer_hear(struct peer *peer, uint8_t *bytes, size_t size)
{
	size_t heard = 0;
	ssize_t n;

	while (heard < size && (n = recv(peer->fd, bytes + heard, size - heard,
					 MSG_DONTWAIT)) > 0)
		heard += (size_t)n;
	return heard;
}

void
peer_expect(struct peer *peer, const void *bytes, size_t length)
{
	uint8_t *heard = malloc(length + 1);

	assert_non_null(heard);
	assert_int_equal(peer_hear(peer, heard, length), length);
	assert_memory_equal(heard, bytes, length);
	free(heard);
}

void
peer_expect_option(struct peer *peer, uint32_t option, const void *data,
		   uint32_t length)
{
	uint8_t header[NBD_OPTION_HEADER_SIZE];

	store_be64(header, NBD_IHAVEOPT);
	store_be32(header + 8, option);
	store_be32(header + 12, length);
	peer_expect(peer, header, sizeof(header));
	if (length > 0)
		peer_expect(peer, data, length);
}

void
peer_expect_request(struct peer *peer, uint16_t flags, uint16_t type,
		    uint64_t cookie, uint64_t offset, uint32_t length)
{
	uint8_t header[NBD_REQUEST_SIZE];

	store_be32(header, NBD_REQUEST_MAGIC);
	store_be16(header + 4, flags);
	store_be16(header + 6, type);
	store_be64(header + 8, cookie);
	store_be64(header + 16, offset);
	store_be32(header + 24, length);
	peer_expect(peer, header, sizeof(header));
}

void
peer_greet(struct peer *peer)
{
	uint8_t flags[4];

	peer_put_u64(peer, NBD_MAGIC);
	peer_put_u64(peer, NBD_IHAVEOPT);
	peer_put_u16(peer, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	peer_say(peer);
	store_be32(flags, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
	peer_expect(peer, flags, sizeof(flags));
}

static void
agree_on_contexts(struct peer *peer)
{
	const struct string_list *names = &peer->h->config.meta_contexts;

	for (uint32_t i = 0; i < names->n_items; i++) {
		const char *name = names->items[i];
		uint32_t length = (uint32_t)strlen(name);

		peer_put_option_reply(peer, NBD_OPT_SET_META_CONTEXT,
				      NBD_REP_META_CONTEXT, 4 + length);
		peer_put_u32(peer, i + 1);
		peer_put(peer, name, length);
	}
	peer_put_option_reply(peer, NBD_OPT_SET_META_CONTEXT, NBD_REP_ACK, 0);
}

void
peer_get_ready(struct peer *peer, bool structured_replies)
{
	uint8_t heard[4096];

	peer->h->config.request_structured_replies = structured_replies;
	peer_connect(peer);
	peer_greet(peer);
	if (structured_replies)
		peer_put_option_reply(peer, NBD_OPT_STRUCTURED_REPLY,
				      NBD_REP_ACK, 0);
	peer_say(peer);
	if (structured_replies && peer->h->config.meta_contexts.n_items > 0)
		agree_on_contexts(peer);
	peer_say(peer);
	peer_put_info_export(peer, NBD_OPT_GO, PEER_SIZE, PEER_FLAGS);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_ACK, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	(void)peer_hear(peer, heard, sizeof(heard));
}

struct outcome *
peer_outcomes(struct peer *peer, size_t n)
{
	struct outcome *outcomes = peer->outcomes + peer->n_outcomes;

	assert(n <= PEER_MAX_OUTCOMES - peer->n_outcomes);
	peer->n_outcomes += n;
	return outcomes;
}

static int
on_completion(void *user_data, int *error)
{
	struct outcome *outcome = user_data;

	outcome->n_calls++;
	outcome->error = *error;
	return outcome->verdict;
}

static void
on_free(void *user_data)
{
	struct outcome *outcome = user_data;

	outcome->n_frees++;
}

nbd_completion_callback
peer_completion(struct outcome *outcome)
{
	return (nbd_completion_callback){
		.callback = on_completion,
		.user_data = outcome,
		.free = on_free,
	};
}

static uint64_t
submit(struct peer *peer, struct command_request request,
       struct outcome *outcome)
{
	nbd_completion_callback completion;
	int64_t cookie;

	if (outcome) {
		completion = peer_completion(outcome);
		request.completion = &completion;
	}
	cookie = command_submit(peer->h, &request);
	assert_true(cookie > 0);
	return (uint64_t)cookie;
}

uint64_t
peer_read(struct peer *peer, void *buffer, uint64_t count, uint64_t offset,
	  struct outcome *outcome)
{
	const struct command_request request = {
		.type = NBD_CMD_READ,
		.buffer = buffer,
		.count = count,
		.offset = offset,
	};

	return submit(peer, request, outcome);
}

uint64_t
peer_write(struct peer *peer, const void *payload, uint64_t count,
	   uint64_t offset, struct outcome *outcome)
{
	const struct command_request request = {
		.type = NBD_CMD_WRITE,
		.payload = payload,
		.count = count,
		.offset = offset,
	};

	return submit(peer, request, outcome);
}

enum public_state
peer_state(const struct peer *peer)
{
	return engine_public_state(peer->h);
}
