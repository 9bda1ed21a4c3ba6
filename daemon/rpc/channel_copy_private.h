/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What channel_copy.c and copy_pieces.c share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/core/failure.h"

struct channel;
struct channel_request;
struct copying;
struct volume;

struct channel_copy {
	struct list link;
	struct channel_request *of;
	struct volume *source;
	uint64_t source_offset;
	uint64_t offset;
	uint64_t length;
	uint32_t flags;
	/* In one piece. */
	bool is_whole;
	/* Until when, CLOCK_MONOTONIC, ns; or 0, and then how long after it
	 * came, or after the last piece of the channel. */
	uint64_t deadline;
	uint64_t arrived_at;
	uint64_t patience;

	/* Guarded by the channel's lock. How much has begun. */
	uint64_t begun;
	unsigned int n_busy;
	/* The first one, after which nothing more is begun. */
	struct failure failure;
	/* Something was written, or may have been. */
	bool has_written;
};

/* Nothing of it is under way, and nothing waits: answers, and frees it. Without
 * the lock. */
void copy_finish(struct channel_copy *copy);

/* There are pieces to be used: 0 or -ENOMEM. */
int copy_pieces_allocate(struct copying *copying);

/* Begins with as many pieces as may be under way. With a reference to the call,
 * without the lock. */
void copy_pieces_start(struct channel *channel);

/* Cancels what is being read. With the lock held. */
void copy_pieces_cancel(struct copying *copying);
