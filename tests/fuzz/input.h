/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fuzzer's bytes, taken from the front. Where they end, zeroes follow, so
 * that every input means something.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *at;
	size_t left;
};

static inline struct input
input_over(const uint8_t *bytes, size_t length)
{
	return (struct input){ .at = bytes, .left = length };
}

/* The next N bytes (at most 8) as a big-endian number. */
static inline uint64_t
input_number(struct input *input, unsigned n)
{
	uint64_t value = 0;

	for (; n > 0; n--) {
		value <<= 8;
		if (input->left > 0) {
			value |= *input->at++;
			input->left--;
		}
	}
	return value;
}

static inline uint8_t
input_byte(struct input *input)
{
	return (uint8_t)input_number(input, 1);
}

/* Up to LENGTH bytes; how many there are. */
static inline size_t
input_take(struct input *input, size_t length, const uint8_t **bytes)
{
	if (length > input->left)
		length = input->left;
	*bytes = input->at;
	input->at += length;
	input->left -= length;
	return length;
}
