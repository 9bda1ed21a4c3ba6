/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages cut into slices, each in memory of exactly its size. */
#include "tests/fuzz/slices.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/slice_buffer.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/memory.h"

static grpc_slice
slice_of(const uint8_t *bytes, size_t length)
{
	uint8_t *copy = fuzz_allocate(length);

	memcpy(copy, bytes, length);
	return grpc_slice_new(copy, length, free);
}

grpc_byte_buffer *
slices_of(const uint8_t *bytes, size_t length, size_t piece)
{
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(NULL, 0);

	if (piece == 0)
		piece = length;
	for (size_t at = 0; at < length; at += piece) {
		size_t n = length - at < piece ? length - at : piece;

		/* Indexed: small slices are not joined. */
		grpc_slice_buffer_add_indexed(&buffer->data.raw.slice_buffer,
					      slice_of(bytes + at, n));
	}
	return buffer;
}

uint8_t *
slices_join(grpc_byte_buffer *buffer, size_t *length)
{
	grpc_byte_buffer_reader reader;
	uint8_t *joined = fuzz_allocate(grpc_byte_buffer_length(buffer));
	grpc_slice slice;

	*length = 0;
	if (!grpc_byte_buffer_reader_init(&reader, buffer))
		fuzz_broken("a message that cannot be read");
	while (grpc_byte_buffer_reader_next(&reader, &slice)) {
		memcpy(joined + *length, GRPC_SLICE_START_PTR(slice),
		       GRPC_SLICE_LENGTH(slice));
		*length += GRPC_SLICE_LENGTH(slice);
		grpc_slice_unref(slice);
	}
	grpc_byte_buffer_reader_destroy(&reader);
	return joined;
}
