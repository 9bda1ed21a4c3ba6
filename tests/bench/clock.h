/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What time the benchmark clients take, of the wall and of the processor. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t
nanoseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}
