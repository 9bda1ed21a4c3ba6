/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * While chunks arrive in order, "covered" is the length of the part that is
 * there. The first one elsewhere makes a bitmap, one bit per byte of the
 * request, in which every byte can be counted once only.
 */
#include "client-lib/engine/coverage.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* The bits of a byte from bit FIRST on, below bit END. */
static uint8_t
bits_between(uint64_t first, uint64_t end)
{
	return (uint8_t)((0xff << first) & (0xff >> (8 - end)));
}

/* Sets the bits [AT, AT + LENGTH) and counts those that were not set. */
static uint64_t
set_bits(uint8_t *bitmap, uint64_t at, uint64_t length)
{
	uint64_t end = at + length;
	uint64_t n_new = 0;

	while (at < end) {
		uint64_t byte = at / 8;
		uint64_t stop = (byte + 1) * 8 < end ? (byte + 1) * 8 : end;
		uint8_t bits = bits_between(at % 8, stop - byte * 8);

		n_new += (uint64_t)__builtin_popcount(bits & ~bitmap[byte]);
		bitmap[byte] |= bits;
		at = stop;
	}
	return n_new;
}

static bool
make_bitmap(struct coverage *coverage, uint64_t count)
{
	coverage->bitmap = calloc(count / 8 + 1, 1);
	if (!coverage->bitmap)
		return false;
	set_bits(coverage->bitmap, 0, coverage->covered);
	return true;
}

enum coverage_result
coverage_add_elsewhere(struct coverage *coverage, uint64_t at, uint64_t length,
		       uint64_t count)
{
	uint64_t n_new;

	if (length == 0)
		return COVERAGE_OK;
	if (!coverage->bitmap && !make_bitmap(coverage, count))
		return COVERAGE_NO_MEMORY;
	n_new = set_bits(coverage->bitmap, at, length);
	coverage->covered += n_new;
	return n_new == length ? COVERAGE_OK : COVERAGE_OVERLAP;
}

void
coverage_free_bitmap(struct coverage *coverage)
{
	free(coverage->bitmap);
	coverage->bitmap = NULL;
}
