/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats and metrics: what the daemon has counted. */
#include <errno.h>
#include <stdio.h>

#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/latency.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/stats_tables.h"
#include "nbdclientd/v1/admin.pb-c.h"

#define COMMAND(name) NBDCLIENTD__V1__COMMAND__COMMAND_##name

static const struct output_column columns[] = {
	{ "VOLUME", OUTPUT_TEXT },
	{ "READS", OUTPUT_NUMBER },
	{ "WRITES", OUTPUT_NUMBER },
	{ "FLUSHES", OUTPUT_NUMBER },
	{ "TRIMS", OUTPUT_NUMBER },
	{ "ZEROES", OUTPUT_NUMBER },
	{ "CACHES", OUTPUT_NUMBER },
	{ "BLOCK_STATUSES", OUTPUT_NUMBER },
	{ "ERRORS", OUTPUT_NUMBER },
	{ "BYTES_READ", OUTPUT_BYTES },
	{ "BYTES_WRITTEN", OUTPUT_BYTES },
	{ "IN_FLIGHT", OUTPUT_NUMBER },
	{ "WAITING", OUTPUT_NUMBER },
	{ "SLOW", OUTPUT_NUMBER },
	{ "RETRIES", OUTPUT_NUMBER },
	{ "RECONNECTS", OUTPUT_NUMBER },
	{ "CONNECT_FAILURES", OUTPUT_NUMBER },
	{ "READ_P50", OUTPUT_LATENCY },
	{ "READ_P99", OUTPUT_LATENCY },
	{ "WRITE_P50", OUTPUT_LATENCY },
	{ "WRITE_P99", OUTPUT_LATENCY },
	{ "QUEUE_P99", OUTPUT_LATENCY },
	{ "SERVER_P99", OUTPUT_LATENCY },
};

static void
add_requests(struct output *output, const Nbdclientd__V1__Stats *stats)
{
	static const Nbdclientd__V1__Command order[] = {
		COMMAND(READ),         COMMAND(WRITE),        COMMAND(FLUSH),
		COMMAND(TRIM),         COMMAND(WRITE_ZEROES), COMMAND(CACHE),
		COMMAND(BLOCK_STATUS),
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		const Nbdclientd__V1__CommandStats *command = stats_command(
			stats, order[i]);

		output_number(output, command ? command->requests : 0);
	}
}

static void
add_quantile(struct output *output, const Nbdclientd__V1__Latency *now,
	     double share)
{
	struct latency latency = { .now = now };

	if (latency_count(&latency) > 0)
		output_number(output, latency_quantile(&latency, share));
	else
		output_nothing(output);
}

static void
add_command_quantiles(struct output *output, const Nbdclientd__V1__Stats *stats,
		      Nbdclientd__V1__Command which)
{
	const Nbdclientd__V1__CommandStats *command = stats_command(stats,
								    which);

	add_quantile(output, command ? command->latency : NULL, 0.5);
	add_quantile(output, command ? command->latency : NULL, 0.99);
}

static void
add_volume(struct output *output, const Nbdclientd__V1__Stats *stats)
{
	static const char *const counters[] = {
		"read_bytes_total",    "written_bytes_total",
		"requests_in_flight",  "requests_waiting",
		"slow_requests_total", "retries_total",
		"reconnects_total",    "connect_failures_total",
	};

	output_text(output, stats->volume);
	add_requests(output, stats);
	output_number(output, stats_errors(stats));
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		output_number(output, stats_counter(stats, counters[i]));
	add_command_quantiles(output, stats, COMMAND(READ));
	add_command_quantiles(output, stats, COMMAND(WRITE));
	add_quantile(output, stats_latency(stats, "queue_seconds"), 0.99);
	add_quantile(output, stats_latency(stats, "server_seconds"), 0.99);
}

static int
show_all(const struct options *options,
	 const Nbdclientd__V1__GetStatsResponse *response)
{
	struct output *output = output_new(
		options, "volumes", OUTPUT_ROWS, columns,
		sizeof(columns) / sizeof(columns[0]));

	output_default_columns(output,
			       "VOLUME,READS,WRITES,FLUSHES,ERRORS,BYTES_READ,"
			       "BYTES_WRITTEN,IN_FLIGHT,WAITING,RECONNECTS,"
			       "READ_P50,READ_P99,WRITE_P50,WRITE_P99");
	for (size_t i = 0; i < response->n_stats; i++)
		add_volume(output, response->stats[i]);
	return output_finish(output);
}

static int
show_one(const struct options *options,
	 const Nbdclientd__V1__GetStatsResponse *response)
{
	struct output *outputs[STATS_TABLES];

	if (options->columns)
		return fail(EXIT_USAGE, EINVAL,
			    "use --columns with stats of all volumes",
			    "the statistics of one volume are three tables");
	/* It may have closed since it was found. */
	if (response->n_stats == 0)
		return fail(EXIT_UNKNOWN_VOLUME, ENOENT, NULL,
			    "the volume has closed");
	return output_print(outputs,
			    stats_tables(options, response->stats[0], outputs));
}

int
run_stats(const struct options *options)
{
	char *volume = options->n_args > 0 ? options->args[0] : NULL;
	CLEANUP_MESSAGE Nbdclientd__V1__GetStatsResponse *response = NULL;

	attempt("ask for the statistics of %s",
		volume ? volume : "the volumes");
	response = stats_ask(options,
			     NBDCLIENTD__V1__STATS_SCOPE__STATS_SCOPE_VOLUME,
			     volume, 0);
	if (!response)
		return (int)failure_code();
	return volume ? show_one(options, response)
		      : show_all(options, response);
}

int
run_metrics(const struct options *options)
{
	Nbdclientd__V1__GetMetricsRequest request =
		NBDCLIENTD__V1__GET_METRICS_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__GetMetricsResponse *response = NULL;

	attempt("ask for the metrics");
	response = daemon_call(options, RPC_ADMIN_GET_METRICS, &request);
	if (!response)
		return (int)failure_code();
	fputs(response->text, stdout);
	return EXIT_OK;
}
