/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The allocations of the code under test: one of them can be made to fail, and
 * the largest is remembered. The programs are linked with --wrap for each of
 * the functions, so the C library's and the sanitizers' own stay as they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* From now on the NTH allocation fails; 0: none does. */
void memory_begin(unsigned nth);

/* No allocation fails or counts any more. */
void memory_end(void);

/* Since memory_begin(): has one failed, and the most bytes asked for at
 * once. */
bool memory_has_failed(void);
size_t memory_largest(void);

/* Memory of the test's own, which does not count and never fails; free() ends
 * it. */
void *fuzz_allocate(size_t size);

/* Ends the process the way a fuzzer notices: a promise is broken. */
_Noreturn void fuzz_broken(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
