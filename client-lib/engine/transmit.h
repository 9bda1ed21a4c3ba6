/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The sending half of a connection: queued requests are gathered into batches
 * and leave in one sendmsg each.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "client-lib/engine/states.h"
#include "common/list.h"

struct nbd_handle;
struct command;

enum {
	TRANSMIT_MAX_VECTORS = 128,
	TRANSMIT_STAGING_SIZE = 64 * 1024,
	/* So many requests leave even if nobody polls; when many are in
	 * flight it is half of them, but not more than plenty. */
	TRANSMIT_ENOUGH = 16,
	TRANSMIT_PLENTY = 64,
	/* Payload that leaves at once: the server has something to do. */
	TRANSMIT_ENOUGH_BYTES = 256 * 1024,
	/* So much takes longer than the call that asks for it. */
	TRANSMIT_LARGE_READ = 32 * 1024,
};

enum transmit_state {
	TRANSMIT_IDLE,     /* no batch; requests may be queued */
	TRANSMIT_BATCH,    /* a batch is being sent */
	TRANSMIT_SHUTDOWN, /* NBD_CMD_DISC is sent, the write side closes */
	TRANSMIT_OVER,     /* nothing can be sent any more */
};

struct transmit {
	enum transmit_state state;
	/* The link of the oldest COMMAND_QUEUED in h->pending; those behind it
	 * are queued, too. Nothing if none is. */
	struct list *queue;
	unsigned n_queued;
	unsigned n_early; /* commands answered before they were wholly sent */
	uint64_t queued_bytes; /* what the queue has the server move */
	bool is_blocked;       /* the stream takes nothing for now */
	uint64_t n_built;      /* bytes put into batches */
	uint64_t n_sent;       /* bytes the stream took */
	/* Its payload is large enough to be a batch of its own, the next. */
	struct command *payload;
	size_t next_piece; /* of it, if it lies in several */
	int n_vectors;
	int first_vector; /* not wholly sent */
	size_t staged;
	uint8_t *staging;          /* headers and small payloads of the batch */
	struct iovec *staged_last; /* the last vector, if it ends at STAGED */
	struct iovec vectors[TRANSMIT_MAX_VECTORS];
};

void transmit_done(struct transmit *transmit);

/* Sends what is queued until the stream takes no more. BLOCKED, FAILED, or
 * AGAIN if the state of the connection changed. */
enum step transmit_run(struct nbd_handle *h);

/* Appends COMMAND, which is in no list, to h->pending. */
void transmit_queue(struct nbd_handle *h, struct command *command);

/* The whole reply to COMMAND is there, part of its request is still here: it
 * completes when that has left. */
void transmit_answered_early(struct transmit *transmit,
			     struct command *command);

/* Does a batch, or the goodbye, wait for the stream? */
static inline bool
transmit_is_sending(const struct transmit *transmit)
{
	return transmit->state == TRANSMIT_BATCH ||
	       transmit->state == TRANSMIT_SHUTDOWN;
}

/* Is there something to build the next batch of? */
static inline bool
transmit_has_more(const struct transmit *transmit)
{
	return transmit->n_queued > 0 || transmit->payload;
}

/* Is there anything that wants to leave? */
static inline bool
transmit_has_work(const struct transmit *transmit)
{
	return transmit_is_sending(transmit) ||
	       (transmit->state == TRANSMIT_IDLE &&
		transmit_has_more(transmit));
}

/* The connection is over and the lists are empty. */
void transmit_end(struct transmit *transmit);

/* Takes back what is queued or batched but has not begun to leave, except a
 * disconnect. Appends it to TO, oldest first. */
void transmit_take_unsent(struct nbd_handle *h, struct list *to);

/* Has any byte of COMMAND, which is in a batch, left? */
bool transmit_has_begun(const struct transmit *transmit,
			const struct command *command);
