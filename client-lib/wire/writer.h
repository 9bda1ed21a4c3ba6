/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cursor that fills a buffer and cannot leave it. After the first write that
 * does not fit nothing more is written, and is_full stays set: callers check
 * once, at the end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/byteorder.h"

struct writer {
	uint8_t *at;
	size_t left;
	bool is_full;
};

static inline struct writer
writer_over(void *bytes, size_t length)
{
	return (struct writer){ .at = bytes, .left = length };
}

/* LENGTH bytes to fill, stepped over; NULL if they do not fit. */
static inline uint8_t *
writer_reserve(struct writer *writer, size_t length)
{
	uint8_t *bytes = writer->at;

	if (writer->is_full || length > writer->left) {
		writer->is_full = true;
		return NULL;
	}
	writer->at += length;
	writer->left -= length;
	return bytes;
}

static inline void
writer_bytes(struct writer *writer, const void *bytes, size_t length)
{
	uint8_t *to = writer_reserve(writer, length);

	if (to && length > 0)
		memcpy(to, bytes, length);
}

#define WRITER_DEFINE(bits)                                          \
	static inline void writer_u##bits(struct writer *writer,     \
					  uint##bits##_t value)      \
	{                                                            \
		uint8_t *to = writer_reserve(writer, sizeof(value)); \
                                                                     \
		if (to)                                              \
			store_be##bits(to, value);                   \
	}

WRITER_DEFINE(16)
WRITER_DEFINE(32)
WRITER_DEFINE(64)
#undef WRITER_DEFINE
