/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UTF-8 as RFC 3629 has it: shortest form only, no surrogates, nothing above
 * U+10FFFF.
 */
#include "proto/utf8.h"

#include <string.h>

/* The bytes of the sequence that FIRST begins, 0 if none begins so; its bits in
 * *VALUE and the smallest number that needs such a sequence in *LEAST. */
static size_t
sequence_length(uint8_t first, uint32_t *value, uint32_t *least)
{
	if (first < 0x80) {
		*value = first;
		*least = 1;
		return 1;
	}
	if ((first & 0xe0) == 0xc0) {
		*value = first & 0x1f;
		*least = 0x80;
		return 2;
	}
	if ((first & 0xf0) == 0xe0) {
		*value = first & 0x0f;
		*least = 0x800;
		return 3;
	}
	if ((first & 0xf8) == 0xf0) {
		*value = first & 0x07;
		*least = 0x10000;
		return 4;
	}
	return 0;
}

/* The length of the character at BYTES, or 0. */
static size_t
character_length(const uint8_t *bytes, size_t left)
{
	uint32_t value = 0;
	uint32_t least = 0;
	size_t length = sequence_length(bytes[0], &value, &least);

	if (length == 0 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (bytes[i] & 0x3f);
	}
	if (value < least || value > 0x10ffff ||
	    (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return length;
}

bool
utf8_is_text(const uint8_t *bytes, size_t length)
{
	size_t at = 0;

	while (at < length) {
		size_t step = character_length(bytes + at, length - at);

		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

void
utf8_repair(uint8_t *bytes, size_t length)
{
	size_t at = 0;

	while (at < length) {
		size_t step = character_length(bytes + at, length - at);

		if (step == 0) {
			bytes[at] = '?';
			step = 1;
		}
		at += step;
	}
}

void
utf8_copy(char *to, size_t size, const char *from)
{
	size_t left = from ? strlen(from) : 0;
	size_t at = 0;

	while (left > 0) {
		size_t step = character_length((const uint8_t *)from, left);
		size_t width = step ? step : 1;

		if (at + width >= size)
			break;
		if (step)
			memcpy(to + at, from, step);
		else
			to[at] = '?';
		at += width;
		from += width;
		left -= width;
	}
	to[at] = '\0';
}
