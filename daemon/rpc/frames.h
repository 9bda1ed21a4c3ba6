/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client begins and asks in the bytes of its connection: the headers of
 * HTTP/2's frames, and nothing of what is in them. Bytes may come in any pieces.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_SIZE 9u

struct frames {
	/* Of the preface or of a frame's payload, still to come. */
	uint32_t skip;
	/* What there is of the next frame's header. */
	uint8_t header[FRAME_HEADER_SIZE];
	unsigned n_header;
	/* The last call's. */
	uint32_t last_stream;
};

/* What was seen in some bytes. */
struct frames_seen {
	uint32_t frames;
	/* Calls begun. */
	uint32_t calls;
	/* PING and SETTINGS, which want an answer of HTTP/2's own. */
	uint32_t questions;
};

/* A connection's beginning. */
void frames_init(struct frames *frames);

/* Adds to SEEN what is in the next N bytes. */
void frames_look(struct frames *frames, const uint8_t *bytes, size_t n,
		 struct frames_seen *seen);
