/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last error of each thread: a text and an errno, kept until the next
 * error in that thread. The only global state of the library.
 */
#pragma once

#include "common/hints.h"

/*
 * Records an error for this thread as "<context>: <message>", and, if ERRNUM
 * is not 0, ": <text of ERRNUM>". Returns -1, so that callers say
 * "return fail(...)". ERRNUM 0 is an error that has no errno. Leaves errno
 * as it is.
 */
COLD int fail(int errnum, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for functions that return a pointer: returns NULL. */
COLD void *fail_null(int errnum, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Names the public function this thread is in; NAME lives for ever. */
void error_set_context(const char *name);

/* The same; returns what is to be set when the function ends. */
const char *error_enter_context(const char *name);

/* The public function this thread is or was last in, or "unknown". */
const char *error_context(void);

/* The last error of this thread: NULL and 0 before the first one. */
const char *error_last_text(void);
int error_last_errno(void);

/* Makes TEXT, which error_last_text() once returned, the last error again. */
void error_restore(int errnum, const char *text);
