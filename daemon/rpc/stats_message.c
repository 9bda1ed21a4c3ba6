/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Counters and histograms as messages. They are made piece by piece as
 * protobuf-c itself would make them, so that it also frees them.
 */
#include "daemon/rpc/stats_message.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/core/metrics_report.h"

/* An empty message of TYPE, which is zero bytes behind its head, at the end of
 * the repeated field *ITEMS of *N; NULL without memory. */
static void *
add_message(void *items, size_t *n, const ProtobufCMessageDescriptor *type)
{
	ProtobufCMessage ***array = items;
	ProtobufCMessage **grown = reallocarray(*array, *n + 1, sizeof(*grown));
	ProtobufCMessage *message;

	if (!grown)
		return NULL;
	*array = grown;
	message = malloc(type->sizeof_message);
	if (!message)
		return NULL;
	protobuf_c_message_init(type, message);
	grown[(*n)++] = message;
	return message;
}

#define ADD(message, field, type)                             \
	add_message(&(message)->field, &(message)->n_##field, \
		    &nbdclientd__v1__##type##__descriptor)

static bool
add_bucket(Nbdclientd__V1__Latency *latency, unsigned bucket, uint64_t count)
{
	Nbdclientd__V1__LatencyBucket *message = ADD(latency, buckets,
						     latency_bucket);

	if (!message)
		return false;
	message->from_ns = histogram_bound(bucket);
	if (bucket + 1 < HISTOGRAM_BUCKETS)
		message->below_ns = histogram_bound(bucket + 1);
	message->count = count;
	latency->count += count;
	return true;
}

static bool
fill_latency(Nbdclientd__V1__Latency *latency, const char *name,
	     const struct histogram *histogram)
{
	char *copy = strdup(name);

	if (!copy)
		return false;
	latency->name = copy;
	latency->sum_ns = histogram->sum;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (histogram->buckets[i] > 0 &&
		    !add_bucket(latency, i, histogram->buckets[i]))
			return false;
	return true;
}

static bool
add_latency(Nbdclientd__V1__Stats *stats, const struct metric *row,
	    const struct metrics *values)
{
	Nbdclientd__V1__Latency *latency = ADD(stats, latencies, latency);

	return latency &&
	       fill_latency(latency, row->name, metric_histograms(values, row));
}

static bool
add_counter(Nbdclientd__V1__Stats *stats, const struct metric *row,
	    const struct metrics *values)
{
	Nbdclientd__V1__Counter *counter = ADD(stats, counters, counter);
	char *name = counter ? strdup(row->name) : NULL;

	if (!name)
		return false;
	counter->name = name;
	counter->value = *metric_cells(values, row);
	counter->gauge = row->kind == METRIC_KIND_GAUGE;
	return true;
}

/* The contract's numbers are the core's in another order. */
static Nbdclientd__V1__Command
command_message(enum request_command command)
{
#define COMMAND(name)        \
	case REQUEST_##name: \
		return NBDCLIENTD__V1__COMMAND__COMMAND_##name
	switch (command) {
		COMMAND(READ);
		COMMAND(WRITE);
		COMMAND(FLUSH);
		COMMAND(TRIM);
		COMMAND(CACHE);
		COMMAND(BLOCK_STATUS);
	case REQUEST_ZERO:
		return NBDCLIENTD__V1__COMMAND__COMMAND_WRITE_ZEROES;
	}
#undef COMMAND
	return NBDCLIENTD__V1__COMMAND__COMMAND_UNSPECIFIED;
}

static bool
add_command(Nbdclientd__V1__Stats *stats, enum request_command command,
	    const struct metrics *values, bool has_latency)
{
	Nbdclientd__V1__CommandStats *message;

	if (values->requests[command] == 0)
		return true;
	message = ADD(stats, commands, command_stats);
	if (!message)
		return false;
	message->command = command_message(command);
	message->requests = values->requests[command];
	message->errors = values->errors[command];
	if (!has_latency)
		return true;
	message->latency = malloc(sizeof(*message->latency));
	if (!message->latency)
		return false;
	nbdclientd__v1__latency__init(message->latency);
	return fill_latency(message->latency, "request_seconds",
			    &values->total[command]);
}

static bool
add_row(Nbdclientd__V1__Stats *stats, const struct metric *row,
	const struct metrics *values)
{
	switch (row->kind) {
	case METRIC_KIND_COUNTER:
	case METRIC_KIND_GAUGE:
		return add_counter(stats, row, values);
	case METRIC_KIND_LATENCY:
		return add_latency(stats, row, values);
	case METRIC_KIND_COUNTERS:
	case METRIC_KIND_LATENCIES:
		/* See add_command(). */
		break;
	}
	return true;
}

static bool
fill(Nbdclientd__V1__Stats *stats, const struct metrics_subject *subject)
{
	char *volume = subject->volume ? strdup(subject->volume) : NULL;

	if (subject->volume && !volume)
		return false;
	if (volume)
		stats->volume = volume;
	stats->id = subject->id;
	stats->pid = subject->pid;
	stats->uid = subject->uid;
	for (int i = 0; i < REQUEST_N_COMMANDS; i++)
		if (!add_command(stats, (enum request_command)i,
				 &subject->values,
				 subject->scope != METRIC_CONNECTION))
			return false;
	for (unsigned i = 0; i < n_metric_rows; i++)
		if ((metric_rows[i].scopes & subject->scope) &&
		    !add_row(stats, &metric_rows[i], &subject->values))
			return false;
	return true;
}

Nbdclientd__V1__Stats *
stats_message_new(const struct metrics_subject *subject)
{
	Nbdclientd__V1__Stats *stats = malloc(sizeof(*stats));

	if (!stats)
		return NULL;
	nbdclientd__v1__stats__init(stats);
	if (fill(stats, subject))
		return stats;
	protobuf_c_message_free_unpacked(&stats->base, NULL);
	return NULL;
}
