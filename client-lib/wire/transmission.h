/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages of the transmission phase: requests to bytes, and reply headers and
 * the payloads of chunks from bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client-lib/wire/wire.h"

struct request {
	uint16_t flags;
	uint16_t type;
	uint64_t cookie;
	uint64_t offset;
	uint64_t length; /* below 2^32 in a compact request */
};

/* Writes the header of REQUEST to BYTES, which has room for
 * NBD_REQUEST_SIZE or NBD_EXTENDED_REQUEST_SIZE bytes: the size used. */
size_t request_encode(void *bytes, const struct request *request,
		      bool is_extended);

enum reply_kind {
	REPLY_SIMPLE,
	REPLY_STRUCTURED,
	REPLY_EXTENDED,
};

struct reply {
	enum reply_kind kind;
	uint16_t flags; /* of a chunk */
	uint16_t type;  /* of a chunk */
	uint32_t error; /* of a simple reply, as on the wire */
	uint64_t cookie;
	uint64_t offset; /* of an extended chunk */
	uint64_t length; /* of a chunk's payload */
	size_t header_size;
};

/* Reads the header at BYTES. With extended headers only those are valid,
 * without them both compact kinds. INVALID is told by the first 4 bytes. */
enum wire_result reply_parse(const void *bytes, size_t length, bool is_extended,
			     struct reply *reply);

static inline bool
reply_is_done(const struct reply *reply)
{
	return reply->kind == REPLY_SIMPLE || (reply->flags & 1);
}

/* A payload of type ERROR, ERROR_OFFSET or of an unknown error type. */
struct error_chunk {
	uint32_t error;
	const uint8_t *message; /* in the payload, not terminated */
	size_t message_length;  /* 0 if it does not fit the payload */
	bool has_offset;
	uint64_t offset;
};

/* Parses the payload of an error chunk as leniently as its frame allows:
 * SHORT only if there is not even an error number. */
enum wire_result error_chunk_parse(const void *payload, size_t length,
				   bool may_have_offset,
				   struct error_chunk *chunk);

/* The errno of this system for an error number of the protocol. */
int errno_from_wire(uint32_t error);
