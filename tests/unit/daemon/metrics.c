/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buckets, what is counted of requests, and the text that tells it. */
#include "daemon/core/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/exposition.h"
#include "daemon/core/part.h"
#include "tests/support/unit.h"

#define US 1000ull
#define MS (1000 * US)
#define S  (1000 * MS)

static void
every_time_is_in_the_bucket_whose_bounds_enclose_it(void **state)
{
	(void)state;
	for (uint64_t ns = 0; ns < 200 * S; ns += ns / 97 + 1) {
		unsigned bucket = histogram_bucket(ns);

		assert_in_range(bucket, 0, HISTOGRAM_BUCKETS - 1);
		assert_true(ns >= histogram_bound(bucket));
		if (bucket + 1 < HISTOGRAM_BUCKETS)
			assert_true(ns < histogram_bound(bucket + 1));
	}
	assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void
a_bucket_is_no_wider_than_an_eighth_of_what_is_in_it(void **state)
{
	(void)state;
	for (unsigned i = HISTOGRAM_STEPS; i + 1 < HISTOGRAM_BUCKETS; i++) {
		uint64_t from = histogram_bound(i);

		assert_true((histogram_bound(i + 1) - from) * 8 <= from);
	}
	/* The bounds that are told: powers of two of a microsecond. */
	for (unsigned i = 0; i <= HISTOGRAM_DOUBLINGS; i++)
		assert_true(histogram_bound((i + 1) * HISTOGRAM_STEPS) ==
			    US << i);
}

static void
a_request_is_counted_with_its_times(void **state)
{
	CLEANUP_FREE struct metrics *metrics = calloc(1, sizeof(*metrics));
	struct request request = {
		.command = REQUEST_WRITE,
		.length = 4096,
		.times = { .arrived = 10 * MS,
			   .sent = 12 * MS,
			   .answered = 15 * MS,
			   .answered_last = 15 * MS,
			   .ended = 15 * MS },
	};

	(void)state;
	metrics_request_ended(metrics, &request);
	assert_int_equal(metrics->requests[REQUEST_WRITE], 1);
	assert_int_equal(metrics->requests[REQUEST_READ], 0);
	assert_int_equal(metrics->errors[REQUEST_WRITE], 0);
	assert_int_equal(metrics->written_bytes, 4096);
	assert_int_equal(metrics->read_bytes, 0);
	assert_int_equal(metrics->total[REQUEST_WRITE].sum, 5 * MS);
	assert_int_equal(metrics->queue.sum, 2 * MS);
	assert_int_equal(metrics->server.sum, 3 * MS);
	assert_int_equal(metrics->queue.buckets[histogram_bucket(2 * MS)], 1);
}

static void
a_request_that_was_never_sent_only_waited(void **state)
{
	CLEANUP_FREE struct metrics *metrics = calloc(1, sizeof(*metrics));
	struct request request = {
		.command = REQUEST_READ,
		.length = 4096,
		.failure.errnum = ENOTCONN,
		.times = { .arrived = 1 * S, .ended = 4 * S },
	};
	uint64_t n_server = 0;

	(void)state;
	metrics_request_ended(metrics, &request);
	metrics_request_ended(NULL, &request);
	assert_int_equal(metrics->requests[REQUEST_READ], 1);
	assert_int_equal(metrics->errors[REQUEST_READ], 1);
	assert_int_equal(metrics->read_bytes, 0);
	assert_int_equal(metrics->queue.sum, 3 * S);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		n_server += metrics->server.buckets[i];
	assert_int_equal(n_server, 0);
}

static void
what_several_threads_count_adds_up(void **state)
{
	CLEANUP_FREE struct metrics *one = calloc(1, sizeof(*one));
	CLEANUP_FREE struct metrics *other = calloc(1, sizeof(*other));
	CLEANUP_FREE struct metrics *sum = calloc(1, sizeof(*sum));

	(void)state;
	METRIC_ADD(one, in_flight, 1);
	METRIC_ADD(one, in_flight, 1);
	/* A number may be below zero in one place, and the sum is right. */
	METRIC_ADD(other, in_flight, -1ull);
	METRIC_ADD((struct metrics *)NULL, in_flight, 1);
	histogram_count(&one->queue, 3 * US);
	histogram_count(&other->queue, 3 * US);
	metrics_add(sum, one);
	metrics_add(sum, other);
	assert_int_equal(sum->in_flight, 1);
	assert_int_equal(sum->queue.buckets[histogram_bucket(3 * US)], 2);
	assert_int_equal(sum->queue.sum, 6 * US);
}

static void
each_row_of_the_list_leads_to_a_number_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < n_metric_rows; i++) {
		const struct metric *row = &metric_rows[i];

		assert_true(row->offset < sizeof(struct metrics));
		assert_true(row->scopes & (METRIC_VOLUME | METRIC_CONNECTION |
					   METRIC_CLIENT));
		assert_true(i == 0 || row->offset > metric_rows[i - 1].offset);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(row->name, metric_rows[j].name);
	}
}

static void
labels_and_help_are_escaped(void **state)
{
	struct string_builder labels = STRING_BUILDER_INIT;
	struct string_builder text = STRING_BUILDER_INIT;
	CLEANUP_FREE char *made = NULL, *whole = NULL;

	(void)state;
	exposition_label(&labels, "volume", "a\"b\\c\nd\xff\x7f");
	exposition_number_label(&labels, "client", 7);
	made = string_builder_take(&labels);
	assert_string_equal(made, "volume=\"a\\\"b\\\\c\\nd\\\\xff\\\\x7f\","
				  "client=\"7\"");
	exposition_family(&text, "f_total", "counter", "One \\ line\nor two.");
	exposition_number(&text, &(struct sample){ "f_total", made }, 3);
	exposition_number(&text, &(struct sample){ "g", NULL }, 4);
	exposition_seconds(&text, &(struct sample){ "h", NULL }, 1500 * MS);
	whole = string_builder_take(&text);
	assert_string_equal(whole,
			    "# HELP f_total One \\\\ line\\nor two.\n"
			    "# TYPE f_total counter\n"
			    "f_total{volume=\"a\\\"b\\\\c\\nd\\\\xff\\\\x7f\","
			    "client=\"7\"} 3\n"
			    "g 4\n"
			    "h 1.500000000\n");
}

static void
a_histogram_is_told_cumulatively_and_complete(void **state)
{
	struct histogram histogram = { 0 };
	struct string_builder text = STRING_BUILDER_INIT;
	struct sample sample = { "t", "a=\"b\"" };
	CLEANUP_FREE char *whole = NULL;

	(void)state;
	histogram_count(&histogram, 3 * US);
	histogram_count(&histogram, 3 * US);
	histogram_count(&histogram, 200 * S);
	exposition_histogram(&text, &sample, &histogram);
	whole = string_builder_take(&text);
	assert_non_null(strstr(whole, "t_bucket{a=\"b\",le=\"0.000002\"} 0\n"
				      "t_bucket{a=\"b\",le=\"0.000004\"} 2\n"));
	assert_non_null(strstr(whole, "t_bucket{a=\"b\",le=\"134.217728\"} 2\n"
				      "t_bucket{a=\"b\",le=\"+Inf\"} 3\n"
				      "t_sum{a=\"b\"} 200.000006000\n"
				      "t_count{a=\"b\"} 3\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_time_is_in_the_bucket_whose_bounds_enclose_it),
		cmocka_unit_test(
			a_bucket_is_no_wider_than_an_eighth_of_what_is_in_it),
		cmocka_unit_test(a_request_is_counted_with_its_times),
		cmocka_unit_test(a_request_that_was_never_sent_only_waited),
		cmocka_unit_test(what_several_threads_count_adds_up),
		cmocka_unit_test(
			each_row_of_the_list_leads_to_a_number_of_its_own),
		cmocka_unit_test(labels_and_help_are_escaped),
		cmocka_unit_test(a_histogram_is_told_cumulatively_and_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
