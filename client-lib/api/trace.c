/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts of arguments. Nothing here fails: without memory the text says so.
 */
#include "client-lib/api/trace.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strings.h"

enum {
	BYTES_PER_LINE = 16,
};

static const char *
keep(struct trace *trace, struct string_builder *builder)
{
	char *text = string_builder_take(builder);

	if (!text || trace->n_texts == TRACE_MAX_TEXTS) {
		free(text);
		return "<out of memory>";
	}
	trace->texts[trace->n_texts++] = text;
	return text;
}

static void
append_quoted(struct string_builder *builder, const char *text)
{
	size_t length = strlen(text);
	size_t shown = length < TRACE_MAX_BYTES ? length : TRACE_MAX_BYTES;

	string_builder_append(builder, "\"");
	for (size_t i = 0; i < shown; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			string_builder_printf(builder, "\\%c", c);
		else if (isascii(c) && isprint(c))
			string_builder_append_bytes(builder, &c, 1);
		else
			string_builder_printf(builder, "\\x%02x", c);
	}
	string_builder_append(builder, "\"");
	if (shown < length)
		string_builder_printf(builder,
				      "[... %zu more bytes truncated ...]",
				      length - shown);
}

const char *
trace_string(struct trace *trace, const char *text)
{
	CLEANUP(string_builder_done)
	struct string_builder builder = STRING_BUILDER_INIT;

	if (!text)
		return "NULL";
	append_quoted(&builder, text);
	return keep(trace, &builder);
}

const char *
trace_strings(struct trace *trace, char *const *strings)
{
	CLEANUP(string_builder_done)
	struct string_builder builder = STRING_BUILDER_INIT;

	if (!strings)
		return "NULL";
	string_builder_append(&builder, "[");
	for (size_t i = 0; strings[i]; i++) {
		if (i)
			string_builder_append(&builder, ", ");
		append_quoted(&builder, strings[i]);
	}
	string_builder_append(&builder, "]");
	return keep(trace, &builder);
}

static void
append_line(struct string_builder *builder, const uint8_t *bytes, size_t offset,
	    size_t count)
{
	string_builder_printf(builder, "\n%04zx: ", offset);
	for (size_t i = 0; i < BYTES_PER_LINE; i++) {
		if (i < count)
			string_builder_printf(builder, "%02x ",
					      bytes[offset + i]);
		else
			string_builder_append(builder, "   ");
	}
	for (size_t i = 0; i < count; i++) {
		uint8_t c = bytes[offset + i];

		string_builder_printf(builder, "%c",
				      isascii(c) && isprint(c) ? c : '.');
	}
}

const char *
trace_bytes(struct trace *trace, const void *bytes, size_t count)
{
	CLEANUP(string_builder_done)
	struct string_builder builder = STRING_BUILDER_INIT;
	size_t shown = count < TRACE_MAX_BYTES ? count : TRACE_MAX_BYTES;

	if (!bytes)
		return "NULL";
	for (size_t offset = 0; offset < shown; offset += BYTES_PER_LINE) {
		size_t left = shown - offset;

		append_line(&builder, bytes, offset,
			    left < BYTES_PER_LINE ? left : BYTES_PER_LINE);
	}
	if (shown < count)
		string_builder_printf(&builder,
				      "\n[... %zu more bytes truncated ...]",
				      count - shown);
	return keep(trace, &builder);
}

void
trace_done(struct trace *trace)
{
	while (trace->n_texts)
		free(trace->texts[--trace->n_texts]);
}
