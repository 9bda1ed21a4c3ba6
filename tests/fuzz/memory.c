/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands between the code under test and the allocator. */
#include "tests/fuzz/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	bool is_armed;
	bool has_failed;
	unsigned until_failure;
	size_t largest;
} state;

void
memory_begin(unsigned nth)
{
	state.is_armed = true;
	state.has_failed = false;
	state.until_failure = nth;
	state.largest = 0;
}

void
memory_end(void)
{
	state.is_armed = false;
}

bool
memory_has_failed(void)
{
	return state.has_failed;
}

size_t
memory_largest(void)
{
	return state.largest;
}

void
fuzz_broken(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "broken promise: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	abort();
}

/* May this allocation succeed? */
static bool
permit(size_t size)
{
	if (!state.is_armed)
		return true;
	if (size > state.largest)
		state.largest = size;
	if (state.until_failure > 0 && --state.until_failure == 0) {
		state.has_failed = true;
		errno = ENOMEM;
		return false;
	}
	return true;
}

/* The names are the linker's. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_reallocarray(void *memory, size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_reallocarray(void *memory, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

void *
fuzz_allocate(size_t size)
{
	void *memory = __real_malloc(size ? size : 1);

	if (!memory)
		fuzz_broken("the test is out of memory");
	return memory;
}

void *
__wrap_malloc(size_t size)
{
	return permit(size) ? __real_malloc(size) : NULL;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return permit(n * size) ? __real_calloc(n, size) : NULL;
}

void *
__wrap_realloc(void *memory, size_t size)
{
	return permit(size) ? __real_realloc(memory, size) : NULL;
}

void *
__wrap_reallocarray(void *memory, size_t n, size_t size)
{
	return permit(n * size) ? __real_reallocarray(memory, n, size) : NULL;
}

char *
__wrap_strdup(const char *text)
{
	return permit(strlen(text) + 1) ? __real_strdup(text) : NULL;
}

char *
__wrap_strndup(const char *text, size_t length)
{
	return permit(strnlen(text, length) + 1) ? __real_strndup(text, length)
						 : NULL;
}
