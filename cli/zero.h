/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Are bytes all zero? */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Compares the buffer with itself, shifted: the C library does it fast. */
static inline bool
is_all_zero(const void *buffer, size_t length)
{
	const char *bytes = buffer;
	size_t head = length < 16 ? length : 16;

	for (size_t i = 0; i < head; i++)
		if (bytes[i])
			return false;
	return length == head ||
	       memcmp(bytes, bytes + head, length - head) == 0;
}
