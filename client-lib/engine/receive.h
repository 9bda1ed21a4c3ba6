/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The receiving half of a connection: one buffer in front of the stream, from
 * which handshake states take whole messages and the transmission phase takes
 * replies. The rest of a large read payload bypasses it, and payloads of
 * replies that can be foreseen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client-lib/engine/ahead.h"
#include "client-lib/engine/extents.h"
#include "client-lib/engine/states.h"
#include "client-lib/wire/transmission.h"

struct nbd_handle;
struct command;

enum {
	/* Holds 64 replies of 4 KiB with their headers, so that a batch of a
	 * usual size is one system call. */
	RECEIVE_BUFFER_SIZE = 260 * 1024,
};

enum receive_state {
	RECEIVE_HEADER,  /* a reply's header comes next */
	RECEIVE_CHUNK,   /* the fixed part of a chunk's payload */
	RECEIVE_DATA,    /* bytes for a caller's buffer */
	RECEIVE_EXTENTS, /* descriptors of a block status chunk */
	RECEIVE_SKIP,    /* bytes nobody wants */
};

struct receive {
	uint8_t *buffer; /* NULL before the first connection */
	size_t begin;    /* the bytes in */
	size_t end;      /* the buffer */

	bool may_sleep; /* the next read from the stream, but no other */

	enum receive_state state;
	struct reply reply;      /* whose payload is being received */
	struct command *command; /* its command, NULL: nobody's */
	uint64_t remaining;      /* bytes of the payload still to come */
	uint32_t n_strays;       /* replies that belong to no command */
	bool said_simple;        /* the server's habit is in the log */
	bool heard_last_words;   /* nonsense after the disconnect */
	bool one_at_a_time;      /* stop when a command is complete */
	bool has_stopped;        /* the last run did so, */
	bool is_interrupted;     /* and more is at hand */

	uint8_t *target; /* of RECEIVE_DATA: where the next byte goes */
	uint64_t data_offset;
	size_t data_length;

	struct extents extents; /* of RECEIVE_EXTENTS */
	struct ahead ahead;     /* replies that bypass the buffer */
};

void receive_done(struct receive *receive);

/* Empties the buffer for a new connection. 0, or -1 with the error
 * recorded. */
int receive_start(struct receive *receive);

/* For the handshake: makes COUNT bytes available and points *BYTES at them;
 * they are consumed by receive_consume(). AGAIN (there they are), BLOCKED or
 * FAILED (the connection is dead). */
enum step receive_need(struct nbd_handle *h, size_t count,
		       const uint8_t **bytes);

static inline void
receive_consume(struct receive *receive, size_t count)
{
	receive->begin += count;
}

static inline size_t
receive_buffered(const struct receive *receive)
{
	return receive->end - receive->begin;
}

/* Handles every reply that has arrived, or with one_at_a_time no more than
 * completes one command. BLOCKED, FAILED, or AGAIN if the state of the
 * connection changed. */
enum step receive_run(struct nbd_handle *h);
