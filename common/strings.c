/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings that grow, lists of strings, text made safe to print. */
#include "common/strings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/checked.h"
#include "common/cleanup.h"

static bool
string_builder_reserve(struct string_builder *builder, size_t extra)
{
	size_t needed;
	size_t capacity = builder->capacity ? builder->capacity : 64;
	char *text;

	if (builder->failed)
		return false;
	if (!checked_add_size(builder->length, extra, &needed) ||
	    !checked_add_size(needed, 1, &needed))
		goto failed;
	if (needed <= builder->capacity)
		return true;
	while (capacity < needed)
		if (!checked_mul_size(capacity, 2, &capacity))
			goto failed;
	text = realloc(builder->text, capacity);
	if (!text)
		goto failed;
	builder->text = text;
	builder->capacity = capacity;
	return true;

failed:
	builder->failed = true;
	return false;
}

void
string_builder_append_bytes(struct string_builder *builder, const void *bytes,
			    size_t length)
{
	if (!string_builder_reserve(builder, length))
		return;
	if (length > 0)
		memcpy(builder->text + builder->length, bytes, length);
	builder->length += length;
	builder->text[builder->length] = '\0';
}

void
string_builder_append(struct string_builder *builder, const char *text)
{
	string_builder_append_bytes(builder, text, strlen(text));
}

void
string_builder_vprintf(struct string_builder *builder, const char *format,
		       va_list args)
{
	CLEANUP_FREE char *text = NULL;
	int length = vasprintf(&text, format, args);

	if (length < 0) {
		text = NULL;
		builder->failed = true;
		return;
	}
	string_builder_append_bytes(builder, text, (size_t)length);
}

void
string_builder_printf(struct string_builder *builder, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	string_builder_vprintf(builder, format, args);
	va_end(args);
}

void
string_builder_append_escaped(struct string_builder *builder, const void *bytes,
			      size_t length)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;

	for (size_t i = 0; i < length; i++) {
		unsigned char c = from[i];
		char hex[4] = { '\\', 'x', digits[c >> 4], digits[c & 15] };

		if (c >= 0x20 && c < 0x7f && c != '\\')
			string_builder_append_bytes(builder, &from[i], 1);
		else
			string_builder_append_bytes(builder, hex, sizeof(hex));
	}
}

char *
string_builder_take(struct string_builder *builder)
{
	char *text;

	string_builder_append_bytes(builder, "", 0);
	if (builder->failed) {
		string_builder_done(builder);
		errno = ENOMEM;
		return NULL;
	}
	text = TAKE_PTR(builder->text);
	string_builder_done(builder);
	return text;
}

void
string_builder_done(struct string_builder *builder)
{
	free(builder->text);
	*builder = STRING_BUILDER_INIT;
}

int
string_list_append(struct string_list *list, const char *item)
{
	CLEANUP_FREE char *copy = strdup(item);

	if (!copy)
		return -1;
	if (list->n_items == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 4;
		char **items;
		size_t size;

		if (!checked_mul_size(capacity, sizeof(*items), &size)) {
			errno = ENOMEM;
			return -1;
		}
		items = realloc(list->items, size);
		if (!items)
			return -1;
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->n_items++] = TAKE_PTR(copy);
	return 0;
}

void
string_list_done(struct string_list *list)
{
	for (size_t i = 0; i < list->n_items; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct string_list){ 0 };
}

int
string_list_copy(struct string_list *to, char *const *from)
{
	for (size_t i = 0; from[i]; i++)
		if (string_list_append(to, from[i]) < 0) {
			string_list_done(to);
			return -1;
		}
	return 0;
}

char **
string_list_vector(const struct string_list *list)
{
	char **vector = calloc(list->n_items + 1, sizeof(*vector));

	for (size_t i = 0; vector && i < list->n_items; i++)
		vector[i] = list->items[i];
	return vector;
}

int
string_replace(char **field, const char *value)
{
	char *copy = NULL;

	if (value) {
		copy = strdup(value);
		if (!copy)
			return -1;
	}
	free(*field);
	*field = copy;
	return 0;
}
