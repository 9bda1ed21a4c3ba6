/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON strings. */
#include "cli/json.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/strings.h"

/* The length of the well-formed UTF-8 sequence that starts at TEXT, which ends
 * in NUL; 0 if there is none. */
static size_t
utf8_length(const unsigned char *text)
{
	size_t length = text[0] < 0x80   ? 1
			: text[0] < 0xc2 ? 0
			: text[0] < 0xe0 ? 2
			: text[0] < 0xf0 ? 3
			: text[0] < 0xf5 ? 4
					 : 0;

	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((text[0] == 0xe0 && text[1] < 0xa0) ||
	    (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) ||
	    (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

void
json_append_string(struct string_builder *line, const char *text)
{
	const unsigned char *from = (const unsigned char *)text;

	string_builder_append(line, "\"");
	while (*from) {
		size_t length = utf8_length(from);

		if (*from == '"' || *from == '\\')
			string_builder_printf(line, "\\%c", *from);
		else if (*from < 0x20 || *from == 0x7f || length == 0)
			string_builder_printf(line, "\\u%04x", *from);
		else
			string_builder_append_bytes(line, from, length);
		from += length ? length : 1;
	}
	string_builder_append(line, "\"");
}

char *
json_valid_utf8(const char *text)
{
	struct string_builder valid = STRING_BUILDER_INIT;
	const unsigned char *from = (const unsigned char *)text;

	while (*from) {
		size_t length = utf8_length(from);

		if (length > 0 && *from != 1)
			string_builder_append_bytes(&valid, from, length);
		else
			string_builder_append_escaped(&valid, from, 1);
		from += length ? length : 1;
	}
	return string_builder_take(&valid);
}
