/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes in hexadecimal. */
#include "cli/hexdump.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void
hexdump_start(struct hexdump *hexdump, uint64_t offset)
{
	*hexdump = (struct hexdump){ .offset = offset };
}

static void
print_line(const struct hexdump *hexdump)
{
	printf("%010" PRIx64 " ", hexdump->offset);
	for (size_t i = 0; i < sizeof(hexdump->line); i++) {
		if (i == 8)
			putchar(' ');
		if (i < hexdump->n_line)
			printf(" %02x", hexdump->line[i]);
		else
			fputs("   ", stdout);
	}
	fputs("  |", stdout);
	for (size_t i = 0; i < hexdump->n_line; i++) {
		unsigned char c = hexdump->line[i];

		putchar(c >= 0x20 && c < 0x7f ? c : '.');
	}
	puts("|");
}

static void
end_line(struct hexdump *hexdump)
{
	bool is_same = hexdump->has_last &&
		       hexdump->n_line == sizeof(hexdump->line) &&
		       memcmp(hexdump->line, hexdump->last,
			      sizeof(hexdump->line)) == 0;

	if (!is_same)
		print_line(hexdump);
	else if (!hexdump->is_repeating)
		puts("*");
	hexdump->is_repeating = is_same;
	memcpy(hexdump->last, hexdump->line, sizeof(hexdump->line));
	hexdump->has_last = true;
	hexdump->offset += hexdump->n_line;
	hexdump->n_line = 0;
}

void
hexdump_add(struct hexdump *hexdump, const void *bytes, size_t length)
{
	const unsigned char *from = bytes;

	while (length > 0) {
		size_t room = sizeof(hexdump->line) - hexdump->n_line;
		size_t n = length < room ? length : room;

		memcpy(hexdump->line + hexdump->n_line, from, n);
		hexdump->n_line += n;
		from += n;
		length -= n;
		if (hexdump->n_line == sizeof(hexdump->line))
			end_line(hexdump);
	}
}

void
hexdump_finish(struct hexdump *hexdump)
{
	if (hexdump->n_line > 0)
		end_line(hexdump);
	printf("%010" PRIx64 "\n", hexdump->offset);
}
