/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which bytes may be lost, until somebody is told: a short list of ranges,
 * neighbours joined, and beyond that only how many. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/failure.h"

#define LOST_RANGES_MAX 32

/* Zero bytes: nothing is lost. */
struct lost_ranges {
	struct {
		uint64_t start;
		uint64_t end;
	} ranges[LOST_RANGES_MAX];
	unsigned n;
	/* Those that found no room. */
	uint64_t n_more;
};

bool lost_ranges_is_empty(const struct lost_ranges *lost);
void lost_ranges_add(struct lost_ranges *lost, uint64_t start, uint64_t end);

/* A failure, of WHAT, that tells them all. */
void lost_ranges_tell(const struct lost_ranges *lost, const char *what,
		      struct failure *failure);
