/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arithmetic on numbers from outside. Each function says whether the result
 * fits and leaves *RESULT alone when it does not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHECKED __attribute__((warn_unused_result))

CHECKED static inline bool
checked_add_size(size_t a, size_t b, size_t *result)
{
	size_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*result = sum;
	return true;
}

CHECKED static inline bool
checked_mul_size(size_t a, size_t b, size_t *result)
{
	size_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return false;
	*result = product;
	return true;
}

/* Does [offset, offset + length) lie inside [0, size)? Never overflows. */
CHECKED static inline bool
checked_range(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}
