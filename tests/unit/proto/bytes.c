/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Byte buffers of tests: made, cut into pieces, damaged. */
#include "tests/unit/proto/bytes.h"

#include <grpc/byte_buffer_reader.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/unit.h"

grpc_byte_buffer *
bytes_of(const void *bytes, size_t length)
{
	grpc_slice slice = grpc_slice_malloc_large(length);
	grpc_byte_buffer *buffer;

	if (length)
		memcpy(GRPC_SLICE_START_PTR(slice), bytes, length);
	buffer = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return buffer;
}

uint8_t *
bytes_flatten(grpc_byte_buffer *bytes, size_t *length)
{
	grpc_byte_buffer_reader reader;
	grpc_slice all;
	uint8_t *flat;

	assert_true(grpc_byte_buffer_reader_init(&reader, bytes));
	all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	*length = GRPC_SLICE_LENGTH(all);
	flat = malloc(*length + 1);
	assert_non_null(flat);
	memcpy(flat, GRPC_SLICE_START_PTR(all), *length);
	grpc_slice_unref(all);
	return flat;
}

grpc_byte_buffer *
bytes_cut(grpc_byte_buffer *bytes, size_t piece)
{
	grpc_byte_buffer *cut = grpc_raw_byte_buffer_create(NULL, 0);
	size_t length;
	uint8_t *flat = bytes_flatten(bytes, &length);

	for (size_t at = 0; at < length; at += piece) {
		size_t n = length - at < piece ? length - at : piece;
		grpc_slice slice = grpc_slice_malloc_large(n);

		memcpy(GRPC_SLICE_START_PTR(slice), flat + at, n);
		/* Indexed: small slices are not joined. */
		grpc_slice_buffer_add_indexed(&cut->data.raw.slice_buffer,
					      slice);
	}
	free(flat);
	return cut;
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

uint8_t *
bytes_mutate(const uint8_t *bytes, size_t length, uint32_t *seed)
{
	uint8_t *changed = malloc(length);
	uint32_t n = next_random(seed) % 4 + 1;

	assert_non_null(changed);
	memcpy(changed, bytes, length);
	while (n-- > 0)
		changed[next_random(seed) % length] = (uint8_t)next_random(
			seed);
	return changed;
}
