/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The extents that the core reports of one block status request, collected
 * until its reply is written. One thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nbdclientd/v1/common.pb-c.h"

struct request_extent;

struct extents_of_context {
	char *context;
	uint64_t offset;
	/* Where the last one ends. */
	uint64_t end;
	struct request_extent *extents;
	size_t n, capacity;
};

/* Zero bytes are an empty collection. */
struct extents {
	struct extents_of_context *contexts;
	size_t n_contexts;
	/* A message has room for so many; the rest is left out, which a reply
	 * to block status may do. */
	size_t n_extents;
	bool is_out_of_memory;
};

/* Extents that join those of CONTEXT before. */
void extents_add(struct extents *extents, const char *context, uint64_t offset,
		 const struct request_extent *added, size_t n);

/* Where all contexts have been told; the offset of none is 0. */
uint64_t extents_covered(const struct extents *extents);

/* Leaves out what lies at END and after it. */
void extents_cut(struct extents *extents, uint64_t end);

/*
 * As messages: *MESSAGES is an array of *N, each for codec_message_free(), and
 * for free() itself. 0, or -ENOMEM, also if memory was short before.
 */
int extents_to_messages(const struct extents *extents,
			Nbdclientd__V1__ContextExtents ***messages, size_t *n);
void extents_messages_free(Nbdclientd__V1__ContextExtents **messages, size_t n);

/* Empty again. */
void extents_done(struct extents *extents);
