/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The receiving half of a connection: one buffer in front of the stream, from
 * which handshake states take whole messages and the transmission phase takes
 * replies. The rest of a large read payload bypasses it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client-lib/engine/states.h"
#include "client-lib/wire/transmission.h"

struct nbd_handle;
struct command;

enum {
	RECEIVE_BUFFER_SIZE = 256 * 1024,
};

enum receive_state {
	RECEIVE_HEADER,  /* a reply's header comes next */
	RECEIVE_CHUNK,   /* the fixed part of a chunk's payload */
	RECEIVE_DATA,    /* bytes for a caller's buffer */
	RECEIVE_EXTENTS, /* descriptors of a block status chunk */
	RECEIVE_SKIP,    /* bytes nobody wants */
};

struct receive {
	uint8_t *buffer;
	size_t begin;    /* the bytes in */
	size_t end;      /* the buffer */
	bool is_drained; /* the last receive took all there was */

	enum receive_state state;
	struct reply reply;      /* whose payload is being received */
	struct command *command; /* its command, NULL: nobody's */
	uint64_t remaining;      /* bytes of the payload still to come */
	uint8_t *target;         /* of RECEIVE_DATA */
	uint64_t data_offset;
	size_t data_length;
	uint32_t n_strays; /* replies that belong to no command */

	uint32_t context_id; /* of RECEIVE_EXTENTS */
	void *extents;       /* uint32_t pairs or nbd_extent */
	size_t n_extents;
	size_t extents_capacity; /* in bytes */
	bool extents_are_over;   /* the rest is not taken */
};

void receive_init(struct receive *receive);
void receive_done(struct receive *receive);

/* For the handshake: makes COUNT bytes available and points *BYTES at them;
 * they are consumed by receive_consume(). AGAIN (there they are), BLOCKED or
 * FAILED (the connection is dead). */
enum step receive_need(struct nbd_handle *h, size_t count,
		       const uint8_t **bytes);
void receive_consume(struct receive *receive, size_t count);
static inline size_t
receive_buffered(const struct receive *receive)
{
	return receive->end - receive->begin;
}

/* Handles every reply that has arrived. */
enum step receive_run(struct nbd_handle *h);
