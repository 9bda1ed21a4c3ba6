/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One chunk of block status on its way from the wire to the callback: taken
 * descriptor by descriptor into memory that the connection keeps, and trimmed
 * to what the request and the export allow.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct command;
struct meta_context;
struct nbd_handle;

struct extents {
	void *items; /* uint32_t pairs, or nbd_extent if is_wide */
	size_t n_items;
	size_t capacity; /* in bytes */
	bool is_wide;    /* the callback takes 64-bit extents */
	bool is_single;  /* no more than one was asked for */
	bool is_over;    /* no further descriptor is taken */
	int error;       /* of the chunk, 0 if it makes sense */
	uint64_t asked;  /* bytes that may be described, */
	uint64_t room;   /* up to the end of the export, */
	uint64_t length; /* and that are */
	uint32_t context_id;
};

/* Begins a chunk that answers COMMAND for the context. */
void extents_begin(struct extents *extents, const struct nbd_handle *h,
		   const struct command *command, uint32_t context_id);

/* Takes one descriptor. */
void extents_take(struct extents *extents, uint64_t length, uint64_t status);

/* The chunk is complete: calls the callback of COMMAND, whose first error it
 * may set. */
void extents_deliver(struct extents *extents, struct command *command,
		     const char *context);

void extents_done(struct extents *extents);
