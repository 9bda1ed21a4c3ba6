/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long things take, counted in log-linear buckets: each doubling from one
 * microsecond on is eight buckets of equal width, so a bucket is never wider
 * than an eighth of the times in it. One thread counts, without a lock; any
 * thread may read.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* In a doubling. */
#define HISTOGRAM_STEPS 8
/* From 1 us to 134 s; the last bucket has no end. */
#define HISTOGRAM_DOUBLINGS 27
#define HISTOGRAM_BUCKETS   ((HISTOGRAM_DOUBLINGS + 1) * HISTOGRAM_STEPS + 1)

struct histogram {
	atomic_ullong buckets[HISTOGRAM_BUCKETS];
	/* ns */
	atomic_ullong sum;
};

/* The bucket that NS is counted in. */
unsigned histogram_bucket(uint64_t ns);

/* Where the bucket begins, in ns; also for HISTOGRAM_BUCKETS - 1, which goes on
 * for ever. */
uint64_t histogram_bound(unsigned bucket);

/* Adds N to a number that only this thread changes, which needs no locked
 * instruction. Negative numbers wrap, and come right in the sum. */
static inline void
metric_add(atomic_ullong *cell, uint64_t n)
{
	uint64_t value = atomic_load_explicit(cell, memory_order_relaxed);

	atomic_store_explicit(cell, value + n, memory_order_relaxed);
}

/* On the counting thread. */
void histogram_count(struct histogram *histogram, uint64_t ns);
