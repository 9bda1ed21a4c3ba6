/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The allocator of the C library with an eye on the sizes asked for. */
#include "tests/protocol/allocations.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_size_t largest;

size_t
allocations_largest(void)
{
	return atomic_load(&largest);
}

void
allocations_reset(void)
{
	atomic_store(&largest, 0);
}

#ifdef WATCH_ALLOCATIONS
#define EXPORTED __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static void
note(size_t size)
{
	size_t before = atomic_load(&largest);

	while (size > before &&
	       !atomic_compare_exchange_weak(&largest, &before, size))
		;
}

EXPORTED void *
malloc(size_t size)
{
	note(size);
	return __libc_malloc(size);
}

EXPORTED void *
calloc(size_t n, size_t size)
{
	note(n * size);
	return __libc_calloc(n, size);
}

EXPORTED void *
realloc(void *old, size_t size)
{
	note(size);
	return __libc_realloc(old, size);
}
#endif
