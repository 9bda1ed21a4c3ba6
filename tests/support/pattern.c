/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Data that knows where it belongs. */
#include "tests/support/pattern.h"

/* The finaliser of MurmurHash3: every input bit reaches every output bit. */
static uint64_t
mix(uint64_t value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdU;
	value ^= value >> 33;
	value *= 0xc4ceb9fe1a85ec53U;
	return value ^ (value >> 33);
}

static uint8_t
byte_of(uint64_t word, uint64_t offset)
{
	uint8_t byte = (uint8_t)(word >> (8 * (offset % 8)));

	return byte ? byte : 0xa5;
}

uint8_t
pattern_byte(uint64_t seed, uint64_t offset)
{
	return byte_of(mix(seed ^ (offset / 8 + 1)), offset);
}

void
pattern_fill(void *buffer, size_t length, uint64_t seed, uint64_t offset)
{
	uint8_t *to = buffer;
	size_t i = 0;

	while (i < length) {
		uint64_t word = mix(seed ^ ((offset + i) / 8 + 1));

		do {
			to[i] = byte_of(word, offset + i);
			i++;
		} while (i < length && (offset + i) % 8 != 0);
	}
}

size_t
pattern_mismatch(const void *buffer, size_t length, uint64_t seed,
		 uint64_t offset)
{
	const uint8_t *from = buffer;
	uint64_t word = 0;

	for (size_t i = 0; i < length; i++) {
		if (i == 0 || (offset + i) % 8 == 0)
			word = mix(seed ^ ((offset + i) / 8 + 1));
		if (from[i] != byte_of(word, offset + i))
			return i;
	}
	return length;
}

bool
pattern_is_all(const void *buffer, size_t length, uint8_t value)
{
	const uint8_t *from = buffer;

	for (size_t i = 0; i < length; i++)
		if (from[i] != value)
			return false;
	return true;
}
