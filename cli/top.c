/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * top: what happens between two looks, for each volume and, for administrators,
 * each program. Rates are differences of counters over the daemon's own clock.
 */
#include <stdio.h>
#include <string.h>

#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/interrupt.h"
#include "cli/latency.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/stats_tables.h"
#include "nbdclientd/v1/admin.pb-c.h"

#define COMMAND(name) NBDCLIENTD__V1__COMMAND__COMMAND_##name
#define SCOPE(name)   NBDCLIENTD__V1__STATS_SCOPE__STATS_SCOPE_##name

/* What is known at one moment. */
struct look {
	Nbdclientd__V1__GetStatsResponse *volumes;
	/* NULL: that is not for us. */
	Nbdclientd__V1__GetStatsResponse *clients;
};

static void
look_done(struct look *look)
{
	codec_message_free(look->volumes);
	codec_message_free(look->clients);
	*look = (struct look){ 0 };
}

static int
take_look(const struct options *options, struct look *look, bool with_clients)
{
	look->volumes = stats_ask(options, SCOPE(VOLUME), NULL, 0);
	if (!look->volumes)
		return (int)failure_code();
	if (!with_clients)
		return EXIT_OK;
	look->clients = stats_ask(options, SCOPE(CLIENT), NULL, 0);
	if (!look->clients && failure_code() == EXIT_PERMISSION)
		failure_clear();
	return (int)failure_code();
}

/* Two looks at one thing. BEFORE is NULL if it was not there. */
struct pair {
	const Nbdclientd__V1__Stats *now;
	const Nbdclientd__V1__Stats *before;
	uint64_t ns;
};

static const Nbdclientd__V1__Stats *
find(const Nbdclientd__V1__GetStatsResponse *response,
     const Nbdclientd__V1__Stats *wanted)
{
	for (size_t i = 0; response && i < response->n_stats; i++)
		if (response->stats[i]->id == wanted->id &&
		    strcmp(response->stats[i]->volume, wanted->volume) == 0)
			return response->stats[i];
	return NULL;
}

/* In a second. What began again at zero counts from there. */
static uint64_t
rate(const struct pair *pair, uint64_t now, uint64_t before)
{
	double grown = (double)(now >= before ? now - before : now);

	return pair->ns == 0 ? 0
			     : (uint64_t)(grown * 1e9 / (double)pair->ns + 0.5);
}

static uint64_t
requests_of(const Nbdclientd__V1__Stats *stats, Nbdclientd__V1__Command which)
{
	const Nbdclientd__V1__CommandStats *command =
		stats ? stats_command(stats, which) : NULL;

	return command ? command->requests : 0;
}

static uint64_t
all_requests(const Nbdclientd__V1__Stats *stats)
{
	uint64_t sum = 0;

	for (size_t i = 0; stats && i < stats->n_commands; i++)
		sum += stats->commands[i]->requests;
	return sum;
}

static uint64_t
counter_rate(const struct pair *pair, const char *name)
{
	return rate(pair, stats_counter(pair->now, name),
		    pair->before ? stats_counter(pair->before, name) : 0);
}

static void
add_quantile(struct output *output, const Nbdclientd__V1__Latency *now,
	     const Nbdclientd__V1__Latency *before, double share)
{
	struct latency latency = { .now = now, .before = before };

	if (latency_count(&latency) > 0)
		output_number(output, latency_quantile(&latency, share));
	else
		output_nothing(output);
}

static void
add_command(struct output *output, const struct pair *pair,
	    Nbdclientd__V1__Command which)
{
	const Nbdclientd__V1__CommandStats *now = stats_command(pair->now,
								which);
	const Nbdclientd__V1__CommandStats *before =
		pair->before ? stats_command(pair->before, which) : NULL;

	add_quantile(output, now ? now->latency : NULL,
		     before ? before->latency : NULL, 0.5);
	add_quantile(output, now ? now->latency : NULL,
		     before ? before->latency : NULL, 0.99);
}

static void
add_time(struct output *output, const struct pair *pair, const char *name)
{
	add_quantile(output, stats_latency(pair->now, name),
		     pair->before ? stats_latency(pair->before, name) : NULL,
		     0.99);
}

/* The columns that volumes and programs share. */
#define RATE_COLUMNS                                                          \
	{ "READS", OUTPUT_NUMBER }, { "WRITES", OUTPUT_NUMBER },              \
		{ "OTHERS", OUTPUT_NUMBER }, { "ERRORS", OUTPUT_NUMBER },     \
		{ "BYTES_READ", OUTPUT_BYTES },                               \
		{ "BYTES_WRITTEN", OUTPUT_BYTES },                            \
		{ "IN_FLIGHT", OUTPUT_NUMBER }, { "WAITING", OUTPUT_NUMBER }, \
		{ "READ_P50", OUTPUT_LATENCY },                               \
		{ "READ_P99", OUTPUT_LATENCY },                               \
		{ "WRITE_P50", OUTPUT_LATENCY },                              \
		{ "WRITE_P99", OUTPUT_LATENCY },                              \
		{ "QUEUE_P99", OUTPUT_LATENCY },                              \
	{                                                                     \
		"SERVER_P99", OUTPUT_LATENCY                                  \
	}

static void
add_rates(struct output *output, const struct pair *pair)
{
	uint64_t reads = rate(pair, requests_of(pair->now, COMMAND(READ)),
			      requests_of(pair->before, COMMAND(READ)));
	uint64_t writes = rate(pair, requests_of(pair->now, COMMAND(WRITE)),
			       requests_of(pair->before, COMMAND(WRITE)));
	uint64_t all = rate(pair, all_requests(pair->now),
			    all_requests(pair->before));

	output_number(output, reads);
	output_number(output, writes);
	output_number(output, all > reads + writes ? all - reads - writes : 0);
	output_number(output,
		      rate(pair, stats_errors(pair->now),
			   pair->before ? stats_errors(pair->before) : 0));
	output_number(output, counter_rate(pair, "read_bytes_total"));
	output_number(output, counter_rate(pair, "written_bytes_total"));
	output_number(output, stats_counter(pair->now, "requests_in_flight"));
	output_number(output, stats_counter(pair->now, "requests_waiting"));
	add_command(output, pair, COMMAND(READ));
	add_command(output, pair, COMMAND(WRITE));
	add_time(output, pair, "queue_seconds");
	add_time(output, pair, "server_seconds");
}

static struct pair
pair_of(const Nbdclientd__V1__GetStatsResponse *now,
	const Nbdclientd__V1__GetStatsResponse *before, size_t i)
{
	return (struct pair){
		.now = now->stats[i],
		.before = find(before, now->stats[i]),
		/* Of another run of the daemon the clock may be, too. */
		.ns = before && now->time_ns > before->time_ns
			      ? now->time_ns - before->time_ns
			      : 0,
	};
}

static struct output *
volumes_table(const struct options *options, const struct look *now,
	      const struct look *before)
{
	static const struct output_column columns[] = {
		{ "VOLUME", OUTPUT_TEXT },
		RATE_COLUMNS,
	};
	struct output *output = output_new(
		options, "volumes", OUTPUT_ROWS, columns,
		sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < now->volumes->n_stats; i++) {
		struct pair pair = pair_of(now->volumes, before->volumes, i);

		output_text(output, pair.now->volume);
		add_rates(output, &pair);
	}
	return output;
}

static struct output *
clients_table(const struct options *options, const struct look *now,
	      const struct look *before)
{
	static const struct output_column columns[] = {
		{ "CLIENT", OUTPUT_NUMBER },
		{ "PID", OUTPUT_NUMBER },
		{ "UID", OUTPUT_NUMBER },
		RATE_COLUMNS,
	};
	struct output *output = output_new(
		options, "clients", OUTPUT_ROWS, columns,
		sizeof(columns) / sizeof(columns[0]));

	for (size_t i = 0; i < now->clients->n_stats; i++) {
		struct pair pair = pair_of(now->clients, before->clients, i);

		output_number(output, pair.now->id);
		output_number(output, pair.now->pid);
		output_number(output, pair.now->uid);
		add_rates(output, &pair);
	}
	return output;
}

static int
print(const struct options *options, const struct look *now,
      const struct look *before)
{
	struct output *outputs[2] = { volumes_table(options, now, before) };
	size_t n = 1;

	if (now->clients)
		outputs[n++] = clients_table(options, now, before);
	return output_print(outputs, n);
}

static int
run_once(const struct options *options, bool with_clients)
{
	struct look before = { 0 }, now = { 0 };
	int status = take_look(options, &before, with_clients);

	if (status == EXIT_OK && !screen_pause(options->interval_ms))
		status = fail_interrupted();
	if (status == EXIT_OK)
		status = take_look(options, &now, with_clients);
	if (status == EXIT_OK)
		status = print(options, &now, &before);
	look_done(&before);
	look_done(&now);
	return status;
}

static int
run_again_and_again(const struct options *options, bool with_clients)
{
	struct look before = { 0 }, now = { 0 };
	int status = take_look(options, &before, with_clients);
	bool goes_on = true;

	while (status == EXIT_OK && goes_on) {
		goes_on = screen_pause(options->interval_ms);
		if (!goes_on)
			break;
		status = take_look(options, &now, with_clients);
		if (status != EXIT_OK)
			break;
		screen_start_page();
		status = print(options, &now, &before);
		screen_finish_page();
		look_done(&before);
		before = now;
		now = (struct look){ 0 };
	}
	look_done(&before);
	look_done(&now);
	return interrupted() ? fail_interrupted() : status;
}

int
run_top(const struct options *options)
{
	/* Two tables have no columns in common that one could choose. */
	bool with_clients = !options->columns;
	int status;

	attempt("watch what the daemon does");
	screen_begin();
	if (options_has(options, OPTION_ONCE) || !screen_is_possible() ||
	    options->output != OUTPUT_TABLE)
		status = run_once(options, with_clients);
	else
		status = run_again_and_again(options, with_clients);
	screen_end();
	return status;
}
