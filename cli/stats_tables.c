/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Statistics as tables. Counters are printed under the names that the daemon
 * gives them, so a new one needs nothing here. */
#include "cli/stats_tables.h"

#include <stdio.h>
#include <string.h>

#include "cli/daemon.h"
#include "cli/latency.h"
#include "cli/output.h"

uint64_t
stats_counter(const Nbdclientd__V1__Stats *stats, const char *name)
{
	for (size_t i = 0; i < stats->n_counters; i++)
		if (strcmp(stats->counters[i]->name, name) == 0)
			return stats->counters[i]->value;
	return 0;
}

const Nbdclientd__V1__CommandStats *
stats_command(const Nbdclientd__V1__Stats *stats,
	      Nbdclientd__V1__Command command)
{
	for (size_t i = 0; i < stats->n_commands; i++)
		if (stats->commands[i]->command == command)
			return stats->commands[i];
	return NULL;
}

const Nbdclientd__V1__Latency *
stats_latency(const Nbdclientd__V1__Stats *stats, const char *name)
{
	for (size_t i = 0; i < stats->n_latencies; i++)
		if (strcmp(stats->latencies[i]->name, name) == 0)
			return stats->latencies[i];
	return NULL;
}

uint64_t
stats_errors(const Nbdclientd__V1__Stats *stats)
{
	uint64_t errors = 0;

	for (size_t i = 0; i < stats->n_commands; i++)
		errors += stats->commands[i]->errors;
	return errors;
}

Nbdclientd__V1__GetStatsResponse *
stats_ask(const struct options *options, Nbdclientd__V1__StatsScope scope,
	  char *volume, uint64_t id)
{
	Nbdclientd__V1__GetStatsRequest request =
		NBDCLIENTD__V1__GET_STATS_REQUEST__INIT;

	request.scope = scope;
	request.id = id;
	if (volume)
		request.volume = volume;
	return daemon_call(options, RPC_ADMIN_GET_STATS, &request);
}

static const char *
command_name(Nbdclientd__V1__Command command)
{
	switch (command) {
	case NBDCLIENTD__V1__COMMAND__COMMAND_READ:
		return "read";
	case NBDCLIENTD__V1__COMMAND__COMMAND_WRITE:
		return "write";
	case NBDCLIENTD__V1__COMMAND__COMMAND_FLUSH:
		return "flush";
	case NBDCLIENTD__V1__COMMAND__COMMAND_TRIM:
		return "trim";
	case NBDCLIENTD__V1__COMMAND__COMMAND_CACHE:
		return "cache";
	case NBDCLIENTD__V1__COMMAND__COMMAND_WRITE_ZEROES:
		return "zero";
	case NBDCLIENTD__V1__COMMAND__COMMAND_BLOCK_STATUS:
		return "block status";
	case NBDCLIENTD__V1__COMMAND__COMMAND_UNSPECIFIED:
	case _NBDCLIENTD__V1__COMMAND_IS_INT_SIZE:
		break;
	}
	return "unknown";
}

static void
add_latency(struct output *output, const Nbdclientd__V1__Latency *now)
{
	struct latency latency = { .now = now };

	if (latency_count(&latency) == 0) {
		for (int i = 0; i < 5; i++)
			output_nothing(output);
		return;
	}
	output_number(output, latency_mean(&latency));
	output_number(output, latency_quantile(&latency, 0.5));
	output_number(output, latency_quantile(&latency, 0.9));
	output_number(output, latency_quantile(&latency, 0.99));
	output_number(output, latency_quantile(&latency, 0.999));
}

static struct output *
commands_table(const struct options *options,
	       const Nbdclientd__V1__Stats *stats)
{
	static const struct output_column columns[] = {
		{ "COMMAND", OUTPUT_TEXT },  { "REQUESTS", OUTPUT_NUMBER },
		{ "ERRORS", OUTPUT_NUMBER }, { "MEAN", OUTPUT_LATENCY },
		{ "P50", OUTPUT_LATENCY },   { "P90", OUTPUT_LATENCY },
		{ "P99", OUTPUT_LATENCY },   { "P999", OUTPUT_LATENCY },
	};
	struct output *output = output_new(
		options, "commands", OUTPUT_ROWS, columns,
		sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < stats->n_commands; i++) {
		const Nbdclientd__V1__CommandStats *command =
			stats->commands[i];

		output_text(output, command_name(command->command));
		output_number(output, command->requests);
		output_number(output, command->errors);
		add_latency(output, command->latency);
	}
	return output;
}

/* "queue_seconds" is "queue" for people. */
static void
add_name(struct output *output, const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "%s", name);
	text[strcspn(text, "_")] = '\0';
	output_text(output, text);
}

static struct output *
times_table(const struct options *options, const Nbdclientd__V1__Stats *stats)
{
	static const struct output_column columns[] = {
		{ "TIME", OUTPUT_TEXT },    { "REQUESTS", OUTPUT_NUMBER },
		{ "MEAN", OUTPUT_LATENCY }, { "P50", OUTPUT_LATENCY },
		{ "P90", OUTPUT_LATENCY },  { "P99", OUTPUT_LATENCY },
		{ "P999", OUTPUT_LATENCY },
	};
	struct output *output = output_new(
		options, "times", OUTPUT_ROWS, columns,
		sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < stats->n_latencies; i++) {
		const Nbdclientd__V1__Latency *latency = stats->latencies[i];

		add_name(output, latency->name);
		output_number(output, latency->count);
		add_latency(output, latency);
	}
	return output;
}

static struct output *
counters_table(const struct options *options,
	       const Nbdclientd__V1__Stats *stats)
{
	static const struct output_column columns[] = {
		{ "COUNTER", OUTPUT_TEXT },
		{ "VALUE", OUTPUT_NUMBER },
	};
	struct output *output = output_new(options, "counters", OUTPUT_ROWS,
					   columns, 2);

	for (size_t i = 0; i < stats->n_counters; i++) {
		output_text(output, stats->counters[i]->name);
		output_number(output, stats->counters[i]->value);
	}
	return output;
}

size_t
stats_tables(const struct options *options, const Nbdclientd__V1__Stats *stats,
	     struct output **outputs)
{
	outputs[0] = commands_table(options, stats);
	outputs[1] = times_table(options, stats);
	outputs[2] = counters_table(options, stats);
	return STATS_TABLES;
}
