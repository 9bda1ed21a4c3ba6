/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting, and the list of what is counted as a table. */
#include "daemon/core/metrics.h"

#include <stddef.h>

#include "daemon/core/part.h"

#define V METRIC_VOLUME
#define C METRIC_CONNECTION
#define L METRIC_CLIENT

const struct metric metric_rows[] = {
#define X(its_member, its_kind, its_scopes, its_name, its_help) \
	{                                                       \
		.name = its_name,                               \
		.help = its_help,                               \
		.kind = METRIC_KIND_##its_kind,                 \
		.scopes = its_scopes,                           \
		.offset = offsetof(struct metrics, its_member), \
	},
	METRICS(X)
#undef X
};
const unsigned n_metric_rows = sizeof(metric_rows) / sizeof(metric_rows[0]);

_Static_assert(sizeof(struct metrics) % sizeof(atomic_ullong) == 0 &&
		       sizeof(struct histogram) ==
			       (HISTOGRAM_BUCKETS + 1) * sizeof(atomic_ullong),
	       "struct metrics is an array of numbers");

void
metrics_add(struct metrics *to, const struct metrics *from)
{
	atomic_ullong *sum = (atomic_ullong *)(void *)to;
	const atomic_ullong *cell = (const atomic_ullong *)(const void *)from;
	const size_t n = sizeof(*to) / sizeof(*sum);

	for (size_t i = 0; i < n; i++)
		metric_add(&sum[i], atomic_load_explicit(&cell[i],
							 memory_order_relaxed));
}

const atomic_ullong *
metric_cells(const struct metrics *metrics, const struct metric *row)
{
	return (const void *)((const char *)metrics + row->offset);
}

const struct histogram *
metric_histograms(const struct metrics *metrics, const struct metric *row)
{
	return (const void *)((const char *)metrics + row->offset);
}

/* Bytes that were moved, if the command moves any. */
static void
count_bytes(struct metrics *metrics, enum request_command command,
	    uint64_t length)
{
	if (command == REQUEST_READ)
		metric_add(&metrics->read_bytes, length);
	else if (command == REQUEST_WRITE)
		metric_add(&metrics->written_bytes, length);
}

void
metrics_part_ended(struct metrics *metrics, const struct part *part, int errnum)
{
	if (!metrics)
		return;
	metric_add(&metrics->requests[part->command], 1);
	if (errnum)
		metric_add(&metrics->errors[part->command], 1);
	else
		count_bytes(metrics, part->command, part->length);
	histogram_count(&metrics->server, part->answered_at - part->sent_at);
}

void
metrics_request_ended(struct metrics *metrics, const struct request *request)
{
	const struct request_times *times = &request->times;

	if (!metrics || request->is_uncounted)
		return;
	metric_add(&metrics->requests[request->command], 1);
	if (request->failure.errnum)
		metric_add(&metrics->errors[request->command], 1);
	else
		count_bytes(metrics, request->command, request->length);
	histogram_count(&metrics->total[request->command],
			times->ended - times->arrived);
	histogram_count(&metrics->queue, request_time_in_queue(request));
	if (times->answered)
		histogram_count(&metrics->server,
				times->answered - times->sent);
}
