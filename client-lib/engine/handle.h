/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * struct nbd_handle: everything about one connection. The engine works on it
 * without locking; whoever calls the engine holds the lock.
 */
#pragma once

#include <libnbd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client-lib/base/debug.h"
#include "client-lib/base/lock.h"
#include "client-lib/engine/config.h"
#include "client-lib/engine/connect.h"
#include "client-lib/engine/export_info.h"
#include "client-lib/engine/in_flight.h"
#include "client-lib/engine/option.h"
#include "client-lib/engine/receive.h"
#include "client-lib/engine/states.h"
#include "client-lib/engine/transmit.h"
#include "client-lib/stream/stream.h"
#include "common/list.h"

/* What both sides agreed on in this connection. */
struct negotiated {
	uint32_t handshake_flags; /* NBD_FLAG_FIXED_NEWSTYLE, _NO_ZEROES */
	const char *protocol;     /* "newstyle-fixed", ...; NULL before */
	bool tls;
	bool structured_replies;
	bool extended_headers;
};

struct stats {
	uint64_t bytes_sent;
	uint64_t chunks_sent;
	uint64_t bytes_received;
	uint64_t chunks_received;
};

/* How long calls may wait; the API layer's. */
struct patience {
	bool is_limited;     /* by one of: */
	int connect_timeout; /* in milliseconds, 0: for ever */
	int call_timeout;
	int64_t call_begun;    /* in nanoseconds, if there is a timeout */
	_Atomic int cancel_fd; /* an eventfd, -1 until one is wanted */
	bool is_cancellable;
};

struct nbd_handle {
	/* The first members belong to the API layer. */
	uint32_t magic;
	struct lock lock;
	_Atomic uint32_t published; /* for lock-free readers */
	_Atomic uintptr_t private_data;
	bool wished_to_write; /* since it was last told that it can */
	struct patience patience;

	struct debug_sink debug; /* has the handle's name */
	struct config config;

	enum state state;
	struct connect connect;
	struct stream *stream; /* NULL while not connected */
	struct negotiated negotiated;
	struct export_info export;
	struct option_state option;
	struct stats stats;

	struct in_flight commands;
	uint64_t next_cookie;
	struct transmit transmit;
	struct receive receive;
	struct list pending;  /* struct command: sent, batched, queued */
	struct list complete; /* struct command, COMMAND_COMPLETE */
	int n_in_flight;      /* queued, sending or sent */
	uint64_t read_bytes;  /* asked for by reads in flight */
	uint32_t n_reads;     /* of them */
	bool is_disconnecting;
	/* Of a dead handle: the error that ended the connection, for those who
	 * come later; NULL if out of memory. */
	char *cause_of_death;
};

/* A handle in state START with the default settings, or NULL with the error
 * recorded. */
struct nbd_handle *handle_new(void);

/* Closes the connection at once and releases everything but the debug
 * callback, which the caller has released. Commands that are not complete
 * complete with ENOTCONN. Waits for a child process to exit. NULL is fine. */
void handle_free(struct nbd_handle *h);

/*
 * What every public call publishes when it ends; states.h says what it means.
 */

static inline enum public_state
engine_public_state(const struct nbd_handle *h)
{
	/* Requests that merely wait for company disturb nobody. */
	if (h->state == STATE_TRANSFER && transmit_is_sending(&h->transmit))
		return PUBLIC_PROCESSING;
	return state_rows[h->state].public;
}

/* Did engine_notify_read_one() leave something? */
static inline bool
engine_has_more(const struct nbd_handle *h)
{
	return h->state == STATE_TRANSFER && h->receive.is_interrupted;
}

/* What to poll for: LIBNBD_AIO_DIRECTION_* bits or 0. */
static inline unsigned
engine_direction(const struct nbd_handle *h)
{
	_Static_assert((int)STREAM_WANTS_READ == LIBNBD_AIO_DIRECTION_READ &&
			       (int)STREAM_WANTS_WRITE ==
				       LIBNBD_AIO_DIRECTION_WRITE,
		       "what a stream wants is a direction");

	if (h->state == STATE_TRANSFER) {
		bool writes = transmit_has_work(&h->transmit) ||
			      h->receive.is_interrupted;

		return stream_wants(h->stream) |
		       (writes ? LIBNBD_AIO_DIRECTION_WRITE : 0);
	}
	switch (state_rows[h->state].wants) {
	case WANTS_READ:
		return stream_wants(h->stream);
	case WANTS_WRITE:
		return LIBNBD_AIO_DIRECTION_WRITE;
	case WANTS_TRANSFER:
	case WANTS_NOTHING:
		break;
	}
	return 0;
}
