/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The arithmetic of buckets. Times are counted in units of an eighth of a
 * microsecond: below eight units a bucket is a unit; above, the three bits
 * behind the highest one choose among the eight of its doubling.
 */
#include "daemon/core/histogram.h"

#define UNIT_NS   125
#define STEP_BITS 3

unsigned
histogram_bucket(uint64_t ns)
{
	uint64_t units = ns / UNIT_NS;
	unsigned doubling;

	if (units < HISTOGRAM_STEPS)
		return (unsigned)units;
	doubling = 63 - (unsigned)__builtin_clzll(units) - STEP_BITS;
	if (doubling >= HISTOGRAM_DOUBLINGS)
		return HISTOGRAM_BUCKETS - 1;
	return doubling * HISTOGRAM_STEPS + (unsigned)(units >> doubling);
}

uint64_t
histogram_bound(unsigned bucket)
{
	unsigned doubling = bucket / HISTOGRAM_STEPS;
	uint64_t units = bucket;

	if (doubling > 0)
		units = (uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS)
			<< (doubling - 1);
	return units * UNIT_NS;
}

void
histogram_count(struct histogram *histogram, uint64_t ns)
{
	metric_add(&histogram->buckets[histogram_bucket(ns)], 1);
	metric_add(&histogram->sum, ns);
}
