/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of options on their way to the stream. Without memory an output
 * is marked as failed, so that encoders need not check each step.
 */
#include <stdlib.h>
#include <string.h>

#include "client-lib/engine/option.h"
#include "common/byteorder.h"

void
option_put(struct option_state *option, const void *bytes, size_t length)
{
	size_t needed = option->output_length + length;

	if (needed > option->output_capacity && !option->output_failed) {
		size_t capacity = needed < 256 ? 256 : needed * 2;
		uint8_t *output = realloc(option->output, capacity);

		if (output) {
			option->output = output;
			option->output_capacity = capacity;
		} else {
			option->output_failed = true;
		}
	}
	if (option->output_failed)
		return;
	if (length > 0)
		memcpy(option->output + option->output_length, bytes, length);
	option->output_length = needed;
}

void
option_put_u16(struct option_state *option, uint16_t value)
{
	uint8_t bytes[2];

	store_be16(bytes, value);
	option_put(option, bytes, sizeof(bytes));
}

void
option_put_u32(struct option_state *option, uint32_t value)
{
	uint8_t bytes[4];

	store_be32(bytes, value);
	option_put(option, bytes, sizeof(bytes));
}

void
option_put_string(struct option_state *option, const char *text)
{
	option_put_u32(option, (uint32_t)strlen(text));
	option_put(option, text, strlen(text));
}
