/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Data that knows where it belongs: each byte follows from its offset on the
 * disk and a seed, so a block that lands at the wrong place, or comes from an
 * earlier write, is noticed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The byte at OFFSET; never zero, so a hole is told apart. */
uint8_t pattern_byte(uint64_t seed, uint64_t offset);

/* Fills BUFFER with what [OFFSET, OFFSET + LENGTH) of the disk holds. */
void pattern_fill(void *buffer, size_t length, uint64_t seed, uint64_t offset);

/* The index of the first byte that is not the pattern's, or LENGTH. */
size_t pattern_mismatch(const void *buffer, size_t length, uint64_t seed,
			uint64_t offset);

/* Is every byte of BUFFER equal to VALUE? */
bool pattern_is_all(const void *buffer, size_t length, uint8_t value);
