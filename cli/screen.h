/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A terminal that shows one thing again and again, until q is typed or a signal
 * comes. Anywhere but on a terminal nothing is done to it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Are standard output and input a terminal, so that screens make sense? */
bool screen_is_possible(void);

/* From here on, until screen_end(): keys are read as they are typed, and
 * signals are deferred (cli/interrupt.h). */
void screen_begin(void);
void screen_end(void);

/* Around what is printed each time: it takes the place of what was there. */
void screen_start_page(void);
void screen_finish_page(void);

/* Waits. False: the user wants no more. */
bool screen_pause(uint32_t milliseconds);
