/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies of a channel: writes that name another volume as their source. The
 * daemon reads the bytes there and writes them from the memory in which they
 * came, so that the client sends and receives but a few bytes for many. One
 * after the other they are carried out in pieces, as many at a time as the way
 * needs, however much the client asks for at once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "common/window.h"
#include "daemon/core/failure.h"

struct channel;
struct channel_copy;
struct channel_request;
struct copy_piece;
struct io_request;

/* What a channel has of it. Guarded by the channel's lock. */
struct copying {
	/* struct channel_copy of which something has not begun yet, in the
	 * order in which they came. */
	struct list waiting;
	/* All pieces, from the first copy on; those that nobody uses. */
	struct copy_piece *pieces;
	struct list unused;
	unsigned int n_busy;
	struct window window;
	/* When a piece was last done: CLOCK_MONOTONIC, ns. */
	uint64_t progressed_at;
	/* Some thread hands pieces out, and looks again before it stops. */
	bool is_starting;
	/* The client has gone. */
	bool is_cancelled;
};

void copying_init(struct copying *copying);
/* Nothing is under way. */
void copying_done(struct copying *copying);

/* Makes REQUEST, which came as FROM, a copy. False: FAILURE says why it cannot
 * be carried out. On the RPC thread. */
bool channel_copy_prepare(struct channel_request *request,
			  const struct io_request *from,
			  struct failure *failure);

/* Its turn comes when those before it have begun. The request is answered when
 * all of it is done, and a reference to the call, the caller's, dropped; that
 * may be from within. On the RPC thread. */
void channel_copy_submit(struct channel_copy *copy);

/* The client has gone: what is not read yet is not copied. */
void channel_copy_cancel_all(struct channel *channel);
