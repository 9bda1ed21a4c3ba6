/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The little JSON that libsmartcols does not write: single lines. */
#pragma once

struct string_builder;

/* Appends TEXT as a JSON string. Bytes that are not UTF-8 are escaped as the
 * Latin-1 characters of the same number, so the line is always valid JSON. */
void json_append_string(struct string_builder *line, const char *text);

/* TEXT with bytes that are not UTF-8 replaced by \xNN. The caller frees it;
 * NULL without memory. */
char *json_valid_utf8(const char *text);
