/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes in hexadecimal and ASCII on standard output, sixteen on a line; lines
 * that repeat are left out and marked with a star. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hexdump {
	uint64_t offset;
	unsigned char line[16];
	size_t n_line;
	unsigned char last[16];
	bool has_last;
	bool is_repeating;
};

void hexdump_start(struct hexdump *hexdump, uint64_t offset);
void hexdump_add(struct hexdump *hexdump, const void *bytes, size_t length);
/* Prints what is left, and the offset of the end. */
void hexdump_finish(struct hexdump *hexdump);
