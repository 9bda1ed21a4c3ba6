/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes that do not begin or end with a block of the server: the blocks at
 * their edges are read first, changed here, and written whole. From before the
 * reads until the request has ended its blocks are locked: no other write to
 * them is sent. Only what comes through this volume is kept away, so this is
 * for exports that nobody else writes (SingleWriter=). On the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/buffer.h"
#include "daemon/core/overlap.h"

struct connection;
struct part;
struct request;
struct request_target;

struct edges {
	/* The first and the last block; the same one if there is only one. No
	 * length: that end of the request is the end of a block. */
	uint64_t head_length;
	uint64_t tail_offset;
	uint64_t tail_length;
	/* Both, one behind the other. */
	struct buffer blocks;
	/* While it is locked. */
	struct range lock;
	bool is_reading;
	bool is_merged;
	unsigned n_unread;
};

/* The range of REQUEST, a write, zeroing, trim or cache, becomes one of whole
 * blocks: wider, or for a trim narrower, in which case nothing may be left. 0 or
 * -ENOMEM. */
int edges_prepare(const struct request_target *target, struct request *request);

/* Must blocks be read before any of REQUEST is written? */
bool edges_are_missing(const struct request *request);
/* Sends for them, over CONNECTION, or does not because of another write: then
 * request->waits_for says so. 0 or -ENOMEM. */
int edges_read(struct request_target *target, struct request *request,
	       struct connection *connection);
/* PART, which is a read for the edges of its request, is answered well. */
void edges_on_read(struct part *part);

/* How long the next piece of REQUEST is; an edge is one of its own. */
uint64_t edges_next(const struct request_target *target,
		    const struct request *request);
/* PART is that piece: if it is an edge, it is a write of the whole block. */
void edges_shape(struct request *request, struct part *part);

/* The request has ended, or no part of it will be sent any more. */
void edges_done(struct request_target *target, struct request *request);
