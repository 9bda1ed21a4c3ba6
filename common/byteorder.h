/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Big-endian integers at any address, as they stand on the wire. */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BYTEORDER_DEFINE(bits)                                            \
	static inline uint##bits##_t load_be##bits(const void *from)      \
	{                                                                 \
		uint##bits##_t value;                                     \
                                                                          \
		memcpy(&value, from, sizeof(value));                      \
		return be##bits##toh(value);                              \
	}                                                                 \
                                                                          \
	static inline void store_be##bits(void *to, uint##bits##_t value) \
	{                                                                 \
		value = htobe##bits(value);                               \
		memcpy(to, &value, sizeof(value));                        \
	}

BYTEORDER_DEFINE(16)
BYTEORDER_DEFINE(32)
BYTEORDER_DEFINE(64)
#undef BYTEORDER_DEFINE
