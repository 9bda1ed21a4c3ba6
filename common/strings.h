/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strings that grow, lists of strings, and text from outside made safe to
 * print.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * A string being built. Start with STRING_BUILDER_INIT. After the first failed
 * allocation further appends do nothing and string_builder_take() says NULL,
 * so callers check once, at the end.
 */
struct string_builder {
	char *text;
	size_t length;
	size_t capacity;
	bool failed;
};

#define STRING_BUILDER_INIT     \
	(struct string_builder) \
	{                       \
		0               \
	}

void string_builder_append(struct string_builder *builder, const char *text);
void string_builder_append_bytes(struct string_builder *builder,
				 const void *bytes, size_t length);
void string_builder_printf(struct string_builder *builder, const char *format,
			   ...) __attribute__((format(printf, 2, 3)));
void string_builder_vprintf(struct string_builder *builder, const char *format,
			    va_list args) __attribute__((format(printf, 2, 0)));

/* Appends BYTES with everything that is not printable ASCII, and the
 * backslash, as \xNN. */
void string_builder_append_escaped(struct string_builder *builder,
				   const void *bytes, size_t length);

/* The finished string, "" if nothing was appended; NULL with errno ENOMEM.
 * The caller frees it. The builder is empty again. */
char *string_builder_take(struct string_builder *builder);
void string_builder_done(struct string_builder *builder);

/* A list of owned strings. Zero bytes are an empty list. */
struct string_list {
	char **items;
	size_t n_items;
	size_t capacity;
};

/* 0, or -1 with errno ENOMEM. ITEM is copied. */
int string_list_append(struct string_list *list, const char *item);
void string_list_done(struct string_list *list);

/* 0, or -1 with errno ENOMEM: makes TO a copy of FROM, a list that ends in
 * NULL. TO is empty before. */
int string_list_copy(struct string_list *to, char *const *from);

/* The items of LIST and NULL, for execve(2); NULL with errno ENOMEM. The caller
 * frees the vector, the items stay the list's. */
char **string_list_vector(const struct string_list *list);

/* Replaces *FIELD, an owned string or NULL, by a copy of VALUE (NULL
 * allowed). 0, or -1 with errno ENOMEM and *FIELD as it was. */
int string_replace(char **field, const char *value);
