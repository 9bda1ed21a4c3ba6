/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cursor over protobuf's wire format. Between calls it stands on a byte that
 * can be read, or LEFT is zero; empty slices are passed over.
 */
#include "proto/wire.h"

#include <errno.h>
#include <grpc/support/alloc.h>
#include <string.h>

#include "proto/payload_slice.h"

#define VARINT_MAX_BYTES 10

/* Below this a payload is joined: a copy is cheaper than what pieces cost at
 * each step, and it holds no large block of gRPC's for a few bytes. */
#define PIECES_FROM (16 * 1024)
/* So long are pieces on average at least, else they are joined: a client may
 * send as small ones as it likes. */
#define PIECE_LEAST      2048
#define FIELD_NUMBER_MAX ((1u << 29) - 1)

/* Moves on to the slice that holds the next byte. */
static void
settle(struct wire_reader *reader)
{
	if (reader->left == 0)
		return;
	while (reader->at == GRPC_SLICE_LENGTH(*reader->slice)) {
		reader->slice++;
		reader->at = 0;
	}
}

struct wire_reader
wire_read_buffer(const grpc_byte_buffer *bytes)
{
	const grpc_slice_buffer *slices = &bytes->data.raw.slice_buffer;
	struct wire_reader reader = { .slice = slices->slices,
				      .left = slices->length };

	settle(&reader);
	return reader;
}

struct wire_reader
wire_read_slice(const grpc_slice *slice)
{
	return (struct wire_reader){ .slice = slice,
				     .left = GRPC_SLICE_LENGTH(*slice) };
}

/* The bytes that can be read without leaving the slice. */
static size_t
in_this_slice(const struct wire_reader *reader)
{
	size_t here = GRPC_SLICE_LENGTH(*reader->slice) - reader->at;

	return here < reader->left ? here : reader->left;
}

static const uint8_t *
here(const struct wire_reader *reader)
{
	return GRPC_SLICE_START_PTR(*reader->slice) + reader->at;
}

/* Passes over LENGTH bytes, which are there. */
static void
advance(struct wire_reader *reader, size_t length)
{
	while (length > 0) {
		size_t step = in_this_slice(reader);

		if (step > length)
			step = length;
		reader->at += step;
		reader->left -= step;
		length -= step;
		settle(reader);
	}
}

bool
wire_varint(struct wire_reader *reader, uint64_t *value)
{
	uint64_t result = 0;

	for (unsigned i = 0; i < VARINT_MAX_BYTES && reader->left > 0; i++) {
		uint8_t byte = *here(reader);

		reader->at++;
		reader->left--;
		settle(reader);
		/* The tenth byte holds the 64th bit and nothing more. */
		if (i == VARINT_MAX_BYTES - 1 && byte > 1)
			return false;
		result |= (uint64_t)(byte & 0x7f) << (7 * i);
		if (!(byte & 0x80)) {
			*value = result;
			return true;
		}
	}
	return false;
}

static bool
is_wire_type(uint64_t type)
{
	return type == WIRE_VARINT || type == WIRE_FIXED64 ||
	       type == WIRE_LENGTH || type == WIRE_FIXED32;
}

int
wire_next(struct wire_reader *reader, uint32_t *field, enum wire_type *type)
{
	uint64_t tag;

	if (reader->left == 0)
		return 0;
	if (!wire_varint(reader, &tag) || tag >> 3 == 0 ||
	    tag >> 3 > FIELD_NUMBER_MAX || !is_wire_type(tag & 7))
		return -EBADMSG;
	*field = (uint32_t)(tag >> 3);
	*type = (enum wire_type)(tag & 7);
	return 1;
}

bool
wire_sub(struct wire_reader *reader, struct wire_reader *value)
{
	uint64_t length;

	if (!wire_varint(reader, &length) || length > reader->left)
		return false;
	*value = *reader;
	value->left = length;
	advance(reader, length);
	return true;
}

bool
wire_skip(struct wire_reader *reader, enum wire_type type)
{
	struct wire_reader ignored;
	uint64_t number;
	size_t length = type == WIRE_FIXED64 ? 8 : 4;

	switch (type) {
	case WIRE_VARINT:
		return wire_varint(reader, &number);
	case WIRE_LENGTH:
		return wire_sub(reader, &ignored);
	case WIRE_FIXED64:
	case WIRE_FIXED32:
		if (length > reader->left)
			return false;
		advance(reader, length);
		return true;
	}
	return false;
}

void
wire_copy(struct wire_reader *reader, void *to)
{
	uint8_t *next = to;

	while (reader->left > 0) {
		size_t step = in_this_slice(reader);

		memcpy(next, here(reader), step);
		next += step;
		advance(reader, step);
	}
}

const uint8_t *
wire_contiguous(struct wire_reader *reader)
{
	if (reader->left == 0 || in_this_slice(reader) < reader->left)
		return NULL;
	return here(reader);
}

struct payload
wire_payload(struct wire_reader *reader)
{
	size_t length = reader->left;
	struct payload joined;
	void *bytes;

	if (length == 0)
		return PAYLOAD_EMPTY;
	if (wire_contiguous(reader)) {
		size_t begin = reader->at;
		grpc_slice all = *reader->slice;

		advance(reader, length);
		return payload_from_slice(
			grpc_slice_sub(all, begin, begin + length));
	}
	joined = payload_allocate(length, &bytes);
	wire_copy(reader, bytes);
	return joined;
}

/* How many slices the reader's bytes touch. */
static size_t
count_slices(struct wire_reader reader)
{
	size_t n = 0;

	for (; reader.left > 0; n++)
		advance(&reader, in_this_slice(&reader));
	return n;
}

struct payload
wire_payload_in_pieces(struct wire_reader *reader)
{
	size_t length = reader->left;
	size_t n = length < PIECES_FROM ? 0 : count_slices(*reader);
	grpc_slice *slices;

	if (n < 2 || n > length / PIECE_LEAST)
		return wire_payload(reader);
	slices = gpr_malloc(n * sizeof(slices[0]));
	for (size_t i = 0; i < n; i++) {
		size_t step = in_this_slice(reader);

		slices[i] = grpc_slice_sub(*reader->slice, reader->at,
					   reader->at + step);
		advance(reader, step);
	}
	return payload_from_slices(slices, n, length);
}

size_t
wire_varint_size(uint64_t value)
{
	/* Seven bits a byte; zero takes one too. */
	return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

size_t
wire_put_varint(uint8_t *to, uint64_t value)
{
	size_t n = 0;

	while (value >= 0x80) {
		to[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	to[n++] = (uint8_t)value;
	return n;
}
