/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a test program ends when it cannot say pass or fail: skipped with a
 * reason, or stopped because the machinery around the test broke.
 */
#pragma once

#include <stdbool.h>

/* Ends the process as skipped (status 77, which meson knows) and prints why. */
_Noreturn void test_skip(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* Ends the process with status 99, which meson reports as a broken test. */
_Noreturn void test_broken(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* Is there a program of this name on PATH, or of this path? */
bool test_has_program(const char *name);

/* Skips the test unless the program is there. */
void test_require_program(const char *name);
