/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server's end of a connection, in the hands of a test: bytes are put
 * together, said to the client all at once or one at a time, and what the
 * client sends is heard. Everything happens in one thread on a socketpair.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"
#include "tests/support/unit.h"

/* A completion callback's memory. */
struct outcome {
	int n_calls;
	int error;   /* the last one passed */
	int verdict; /* what the callback returns */
	int n_frees;
};

struct peer {
	struct nbd_handle *h;
	int fd;           /* the server's end, -1 once hung up */
	bool is_bytewise; /* speaks one byte at a time */
	bool has_failed;  /* a notification returned -1 */
	uint8_t words[1 << 20];
	size_t n_words;
	struct outcome *outcomes;
	size_t n_outcomes;
};

/* As cmocka's setup and teardown functions. The state before the test says
 * how the peer speaks: PEER_WHOLE or PEER_BYTEWISE. */
extern bool peer_whole;
extern bool peer_bytewise;
int peer_setup(void **state);
int peer_teardown(void **state);

/* One test, run in both ways of speaking. */
#define PEER_TEST(f)                                                   \
	{ #f ", at once", f, peer_setup, peer_teardown, &peer_whole }, \
	{                                                              \
#f ", byte by byte", f, peer_setup, peer_teardown,     \
			&peer_bytewise                                 \
	}

/* Connects the handle to the peer; settings are made before. */
void peer_connect(struct peer *peer);

/* Puts words together. */
void peer_put(struct peer *peer, const void *bytes, size_t length);
void peer_put_u16(struct peer *peer, uint16_t value);
void peer_put_u32(struct peer *peer, uint32_t value);
void peer_put_u64(struct peer *peer, uint64_t value);
void peer_put_zeroes(struct peer *peer, size_t length);
void peer_put_option_reply(struct peer *peer, uint32_t option, uint32_t type,
			   uint32_t length);
void peer_put_info_export(struct peer *peer, uint32_t option, uint64_t size,
			  uint16_t flags);
void peer_put_simple(struct peer *peer, uint32_t error, uint64_t cookie);
void peer_put_chunk(struct peer *peer, uint16_t flags, uint16_t type,
		    uint64_t cookie, uint32_t length);
void peer_put_data(struct peer *peer, uint16_t flags, uint64_t cookie,
		   uint64_t offset, const void *bytes, uint32_t length);
void peer_put_hole(struct peer *peer, uint16_t flags, uint64_t cookie,
		   uint64_t offset, uint32_t length);

/* Says them. */
void peer_say(struct peer *peer);

/* Closes the server's end and lets the client notice. */
void peer_hang_up(struct peer *peer);

/* What the client has sent since the last time: the number of bytes. */
size_t peer_hear(struct peer *peer, uint8_t *bytes, size_t size);

/* Hears exactly these bytes, or an option with this data. */
void peer_expect(struct peer *peer, const void *bytes, size_t length);
void peer_expect_option(struct peer *peer, uint32_t option, const void *data,
			uint32_t length);
void peer_expect_request(struct peer *peer, uint16_t flags, uint16_t type,
			 uint64_t cookie, uint64_t offset, uint32_t length);

enum {
	PEER_SIZE = 1 << 20,
	/* Every feature that needs no further conditions. */
	PEER_FLAGS = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH |
		     NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_TRIM |
		     NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_DF |
		     NBD_FLAG_SEND_CACHE | NBD_FLAG_SEND_FAST_ZERO,
};

/* Greets as fixed newstyle and hears the client's flags. */
void peer_greet(struct peer *peer);

/* The whole handshake up to state READY, with or without structured replies.
 * Contexts that the handle asks for get the ids 1, 2, ... */
void peer_get_ready(struct peer *peer, bool structured_replies);

/* N of them, zeroed. They live longer than the handle, whose end may call
 * back. */
struct outcome *peer_outcomes(struct peer *peer, size_t n);

nbd_completion_callback peer_completion(struct outcome *outcome);

/* Submits a read or write, which must succeed: the cookie. */
uint64_t peer_read(struct peer *peer, void *buffer, uint64_t count,
		   uint64_t offset, struct outcome *outcome);
uint64_t peer_write(struct peer *peer, const void *payload, uint64_t count,
		    uint64_t offset, struct outcome *outcome);

enum public_state peer_state(const struct peer *peer);
