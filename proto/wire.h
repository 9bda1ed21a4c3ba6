/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cursor over protobuf's wire format in the slices of a received message. It
 * cannot leave the bytes it was given, whatever they say: a field that does not
 * fit makes the call fail and the message with it. Internal to proto/.
 */
#pragma once

#include <grpc/byte_buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/payload.h"

enum wire_type {
	WIRE_VARINT = 0,
	WIRE_FIXED64 = 1,
	WIRE_LENGTH = 2,
	WIRE_FIXED32 = 5,
};

/* Borrows the slices. */
struct wire_reader {
	/* The slice in which the next byte is, and where in it. */
	const grpc_slice *slice;
	size_t at;
	/* Bytes until the end of what this reader may see. */
	size_t left;
};

/* A reader over all of BYTES. */
struct wire_reader wire_read_buffer(const grpc_byte_buffer *bytes);

/* A reader over one slice, which must stay where it is. */
struct wire_reader wire_read_slice(const grpc_slice *slice);

/* The next field's number and type: 1. At the end: 0. Broken: -EBADMSG. */
int wire_next(struct wire_reader *reader, uint32_t *field,
	      enum wire_type *type);

/* The values; false: broken. */
bool wire_varint(struct wire_reader *reader, uint64_t *value);
bool wire_skip(struct wire_reader *reader, enum wire_type type);

/* A length-delimited value as a reader of its own. */
bool wire_sub(struct wire_reader *reader, struct wire_reader *value);

/* All that is left in READER, which is then at its end: into TO, or as a
 * reference. Bytes that lie in several slices are joined for the latter. */
void wire_copy(struct wire_reader *reader, void *to);
struct payload wire_payload(struct wire_reader *reader);

/* The same, but what is large and came in several slices stays in pieces,
 * unless there are so many that they would cost more than a copy. */
struct payload wire_payload_in_pieces(struct wire_reader *reader);

/* The bytes left if they lie in one slice, else NULL. */
const uint8_t *wire_contiguous(struct wire_reader *reader);

/* Encoding: the bytes that VALUE takes, and VALUE written to TO, which has room
 * for 10; the number written. */
size_t wire_varint_size(uint64_t value);
size_t wire_put_varint(uint8_t *to, uint64_t value);

/* A field's tag. */
static inline uint32_t
wire_tag(uint32_t field, enum wire_type type)
{
	return field << 3 | (uint32_t)type;
}
