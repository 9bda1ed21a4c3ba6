/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantiles of a histogram, and of what came between two looks. */
#include "cli/latency.h"

#include "cli/sizes.h"
#include "tests/support/unit.h"

#define BUCKETS_MAX 4

/* A histogram of buckets {from, below, count}, in ns. */
struct made {
	Nbdclientd__V1__Latency latency;
	Nbdclientd__V1__LatencyBucket buckets[BUCKETS_MAX];
	Nbdclientd__V1__LatencyBucket *pointers[BUCKETS_MAX];
};

static void
make(struct made *made, size_t n, const uint64_t rows[][3])
{
	nbdclientd__v1__latency__init(&made->latency);
	for (size_t i = 0; i < n; i++) {
		nbdclientd__v1__latency_bucket__init(&made->buckets[i]);
		made->buckets[i].from_ns = rows[i][0];
		made->buckets[i].below_ns = rows[i][1];
		made->buckets[i].count = rows[i][2];
		made->pointers[i] = &made->buckets[i];
		made->latency.count += rows[i][2];
		made->latency.sum_ns += rows[i][0] * rows[i][2];
	}
	made->latency.buckets = made->pointers;
	made->latency.n_buckets = n;
}

static void
quantiles_lie_in_their_buckets(void **state)
{
	static const uint64_t rows[][3] = {
		{ 1000000, 2000000, 50 },
		{ 4000000, 8000000, 40 },
		{ 64000000, 0, 10 },
	};
	struct made made;
	struct latency latency = { .now = &made.latency };

	(void)state;
	make(&made, 3, rows);
	assert_int_equal(latency_count(&latency), 100);
	assert_int_equal(latency_quantile(&latency, 0.25), 1500);
	assert_int_equal(latency_quantile(&latency, 0.5), 2000);
	assert_int_equal(latency_quantile(&latency, 0.7), 6000);
	assert_int_equal(latency_quantile(&latency, 0.9), 8000);
	/* Without an end: at least so much. */
	assert_int_equal(latency_quantile(&latency, 0.99), 64000);
	assert_int_equal(latency_mean(&latency), 500 + 1600 + 6400);
}

static void
between_two_looks_only_what_came_counts(void **state)
{
	static const uint64_t first[][3] = { { 1000000, 2000000, 1000 } };
	static const uint64_t second[][3] = { { 1000000, 2000000, 1000 },
					      { 4000000, 8000000, 4 } };
	struct made before, now;
	struct latency latency = { .now = &now.latency,
				   .before = &before.latency };

	(void)state;
	make(&before, 1, first);
	make(&now, 2, second);
	assert_int_equal(latency_count(&latency), 4);
	assert_int_equal(latency_quantile(&latency, 0.5), 6000);
	assert_int_equal(latency_mean(&latency), 4000);
}

static void
a_counter_that_began_again_counts_from_there(void **state)
{
	static const uint64_t first[][3] = { { 1000000, 2000000, 1000 } };
	static const uint64_t second[][3] = { { 4000000, 8000000, 2 } };
	struct made before, now;
	struct latency latency = { .now = &now.latency,
				   .before = &before.latency };

	(void)state;
	make(&before, 1, first);
	make(&now, 1, second);
	assert_int_equal(latency_count(&latency), 2);
	assert_int_equal(latency_mean(&latency), 4000);
	assert_int_equal(latency_quantile(&latency, 1), 8000);
}

static void
nothing_counted_is_nothing(void **state)
{
	struct latency latency = { 0 };

	(void)state;
	assert_int_equal(latency_count(&latency), 0);
	assert_int_equal(latency_mean(&latency), 0);
	assert_int_equal(latency_quantile(&latency, 0.99), 0);
}

static void
times_are_printed_for_people(void **state)
{
	(void)state;
	assert_string_equal(latency_format(0).text, "0 us");
	assert_string_equal(latency_format(999).text, "999 us");
	assert_string_equal(latency_format(1500).text, "1.5 ms");
	assert_string_equal(latency_format(250000).text, "250 ms");
	assert_string_equal(latency_format(2300000).text, "2.3 s");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_lie_in_their_buckets),
		cmocka_unit_test(between_two_looks_only_what_came_counts),
		cmocka_unit_test(a_counter_that_began_again_counts_from_there),
		cmocka_unit_test(nothing_counted_is_nothing),
		cmocka_unit_test(times_are_printed_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
