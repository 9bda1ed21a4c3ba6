/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SIGINT and SIGTERM. Most commands have nothing to tidy up: the signal ends
 * them at once with EXIT_CANCELLED. A command that has requests in flight
 * defers the signal, asks interrupted() and ends by itself; a second signal
 * ends it at once.
 */
#pragma once

#include <stdbool.h>

/* Called once, before anything else. */
void interrupt_init(void);

/* From now on the first signal only sets interrupted(). */
void interrupt_defer(void);

/* Has FUNCTION, which must be safe in signal handlers, called by a deferred
 * signal: what it ends need not be waited for. NULL: nothing. */
void interrupt_call(void (*function)(void));

/* Has a deferred signal come? */
bool interrupted(void);

/* Records that the command was cancelled; returns EXIT_CANCELLED. */
int fail_interrupted(void);
