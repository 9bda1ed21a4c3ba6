/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long to wait before the next attempt to connect: twice as long after
 * each failure up to a limit, and somewhat at random, so that many clients of
 * a server that comes back do not come at once.
 */
#pragma once

#include <stdint.h>

/* ns */
#define BACKOFF_FIRST 100000000ull
#define BACKOFF_LIMIT 30000000000ull

/* The pause after FAILURES failures in a row, in ns: 0 after none; else
 * between half and all of BACKOFF_FIRST * 2^(FAILURES - 1) or of
 * BACKOFF_LIMIT, as RANDOM, any number, decides. */
uint64_t backoff_delay(unsigned failures, uint32_t random);
