/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantiles of histograms, and of the difference of two. */
#include "cli/latency.h"

#include <stddef.h>

#define NS_PER_US 1000

static uint64_t
count_of(const Nbdclientd__V1__Latency *latency)
{
	return latency ? latency->count : 0;
}

static uint64_t
sum_of(const Nbdclientd__V1__Latency *latency)
{
	return latency ? latency->sum_ns : 0;
}

/* What began again at zero meanwhile is taken from its beginning. */
static const Nbdclientd__V1__Latency *
before_of(const struct latency *latency)
{
	return count_of(latency->before) <= count_of(latency->now)
		       ? latency->before
		       : NULL;
}

uint64_t
latency_count(const struct latency *latency)
{
	return count_of(latency->now) - count_of(before_of(latency));
}

uint64_t
latency_mean(const struct latency *latency)
{
	uint64_t count = latency_count(latency);

	if (count == 0)
		return 0;
	return (sum_of(latency->now) - sum_of(before_of(latency))) / count /
	       NS_PER_US;
}

/* How many BUCKET had in HISTOGRAM, which may be NULL. Both are in order, so
 * the search goes on at *PLACE. */
static uint64_t
earlier_count(const Nbdclientd__V1__Latency *histogram,
	      const Nbdclientd__V1__LatencyBucket *bucket, size_t *place)
{
	while (histogram && *place < histogram->n_buckets &&
	       histogram->buckets[*place]->from_ns < bucket->from_ns)
		++*place;
	return histogram && *place < histogram->n_buckets &&
			       histogram->buckets[*place]->from_ns ==
				       bucket->from_ns
		       ? histogram->buckets[*place]->count
		       : 0;
}

/* Where in the bucket the last of PART, of its COUNT, is: microseconds. */
static uint64_t
inside(const Nbdclientd__V1__LatencyBucket *bucket, double part, uint64_t count)
{
	double width = bucket->below_ns > bucket->from_ns
			       ? (double)(bucket->below_ns - bucket->from_ns)
			       : 0;

	return (uint64_t)((double)bucket->from_ns +
			  width * part / (double)count) /
	       NS_PER_US;
}

uint64_t
latency_quantile(const struct latency *latency, double share)
{
	const Nbdclientd__V1__Latency *now = latency->now;
	double rest = share * (double)latency_count(latency);
	size_t place = 0;
	uint64_t answer = 0;

	for (size_t i = 0; now && i < now->n_buckets; i++) {
		const Nbdclientd__V1__LatencyBucket *bucket = now->buckets[i];
		uint64_t count = bucket->count -
				 earlier_count(before_of(latency), bucket,
					       &place);

		if (count == 0)
			continue;
		if (rest <= (double)count)
			return inside(bucket, rest, count);
		rest -= (double)count;
		answer = inside(bucket, 1, 1);
	}
	return answer;
}
