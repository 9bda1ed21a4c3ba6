/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cursor over received bytes that cannot leave them. Each read says whether
 * the bytes were there; a failed read moves nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/byteorder.h"

struct reader {
	const uint8_t *at;
	size_t left;
};

static inline struct reader
reader_over(const void *bytes, size_t length)
{
	return (struct reader){ .at = bytes, .left = length };
}

/* Points *BYTES at the next LENGTH bytes and steps over them. */
static inline bool
reader_take(struct reader *reader, size_t length, const uint8_t **bytes)
{
	if (length > reader->left)
		return false;
	*bytes = reader->at;
	reader->at += length;
	reader->left -= length;
	return true;
}

#define READER_DEFINE(bits)                                       \
	static inline bool reader_u##bits(struct reader *reader,  \
					  uint##bits##_t *value)  \
	{                                                         \
		const uint8_t *bytes;                             \
                                                                  \
		if (!reader_take(reader, sizeof(*value), &bytes)) \
			return false;                             \
		*value = load_be##bits(bytes);                    \
		return true;                                      \
	}

READER_DEFINE(16)
READER_DEFINE(32)
READER_DEFINE(64)
#undef READER_DEFINE
