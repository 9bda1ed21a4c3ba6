/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arguments as text for debug messages: strings quoted and escaped, buffers
 * as a hexdump, everything cut at a sane length. The texts belong to a struct
 * trace until trace_done().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum {
	TRACE_MAX_TEXTS = 4,
	TRACE_MAX_BYTES = 512,
};

/* Zero texts are an empty one, whatever the rest is. */
struct trace {
	unsigned n_texts;
	char *texts[TRACE_MAX_TEXTS];
};

/* "text" in quotes, what is unprintable as \xNN; NULL without quotes. */
const char *trace_string(struct trace *trace, const char *text);

/* ["a", "b"], for a list that ends in NULL. */
const char *trace_strings(struct trace *trace, char *const *strings);

/* A hexdump, 16 bytes a line, each with its offset. */
const char *trace_bytes(struct trace *trace, const void *bytes, size_t count);

/* <fun> or NULL, for a closure. */
#define trace_closure(closure) (CLOSURE_IS_NULL(closure) ? "NULL" : "<fun>")

static inline const char *
trace_bool(bool value)
{
	return value ? "true" : "false";
}

void trace_done(struct trace *trace);
