/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * daemon events: what happens, one event after the other. When the daemon
 * restarts the stream goes on from the last event's token, and the daemon says
 * what is missing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/strings.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "proto/client_stream.h"

static const struct output_column columns[] = {
	{ "SEQUENCE", OUTPUT_NUMBER }, { "TIME", OUTPUT_TEXT },
	{ "EVENT", OUTPUT_STATE },     { "VOLUME", OUTPUT_TEXT },
	{ "ENDPOINT", OUTPUT_TEXT },   { "CONNECTION", OUTPUT_NUMBER },
	{ "MISSED", OUTPUT_NUMBER },   { "TEXT", OUTPUT_TEXT },
	{ "TOKEN", OUTPUT_TEXT },
};

struct following {
	const struct options *options;
	/* Where to go on; owned. */
	char *token;
	/* For one JSON object in the end. */
	struct output *all;
};

static struct output *
new_output(const struct options *options)
{
	return output_new(options, "events", OUTPUT_ROWS, columns,
			  sizeof(columns) / sizeof(columns[0]));
}

/* RFC 3339, in UTC. */
static void
format_time(char *text, size_t size, uint64_t us)
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm tm;
	char head[32];

	gmtime_r(&seconds, &tm);
	strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, size, "%s.%06" PRIu64 "Z", head, us % 1000000);
}

static void
text_or_nothing(struct output *output, const char *text)
{
	output_text(output, *text ? text : NULL);
}

static void
number_or_nothing(struct output *output, uint64_t number)
{
	if (number)
		output_number(output, number);
	else
		output_nothing(output);
}

static void
add_event(struct output *output, const Nbdclientd__V1__Event *event)
{
	char time[64] = "";

	if (event->time_us)
		format_time(time, sizeof(time), event->time_us);
	output_number(output, event->sequence);
	text_or_nothing(output, time);
	output_text(output, event->name);
	text_or_nothing(output, event->volume);
	text_or_nothing(output, event->endpoint);
	number_or_nothing(output, event->connection);
	number_or_nothing(output, event->missed);
	text_or_nothing(output, event->text);
	output_text(output, event->token);
}

/* For people: a line as in a log. What comes from servers may hold anything. */
static void
print_line(const Nbdclientd__V1__Event *event)
{
	struct string_builder line = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;
	char time[64] = "";

	if (event->time_us)
		format_time(time, sizeof(time), event->time_us);
	string_builder_printf(&line, "%s%s%s", time, *time ? " " : "",
			      event->name);
	if (*event->volume)
		string_builder_printf(&line, " %s", event->volume);
	if (event->missed)
		string_builder_printf(&line, " %" PRIu64 " events",
				      event->missed);
	if (*event->text) {
		string_builder_append(&line, ": ");
		string_builder_append_escaped(&line, event->text,
					      strlen(event->text));
	}
	text = string_builder_take(&line);
	puts(text ? text : event->name);
}

static int
print_event(struct following *following, const Nbdclientd__V1__Event *event)
{
	struct output *output;
	int status;

	if (string_replace(&following->token, event->token) < 0)
		return fail_errno(ENOMEM, "no memory");
	if (following->all) {
		add_event(following->all, event);
		return EXIT_OK;
	}
	if (following->options->output == OUTPUT_TABLE &&
	    !following->options->columns) {
		print_line(event);
		status = EXIT_OK;
	} else {
		output = new_output(following->options);
		add_event(output, event);
		status = output_finish(output);
	}
	fflush(stdout);
	return status;
}

/* Until the stream ends: EXIT_OK and *ERROR says how. */
static int
read_events(struct following *following, struct client_stream *stream,
	    struct client_error *error)
{
	Nbdclientd__V1__Event *event;
	int status = EXIT_OK;

	while (status == EXIT_OK &&
	       client_stream_receive(stream, &event, error) == 1) {
		status = print_event(following, event);
		codec_message_free(event);
	}
	return status;
}

/* One stream, until it ends. */
static int
follow(struct following *following, struct client_error *error)
{
	Nbdclientd__V1__EventsRequest request =
		NBDCLIENTD__V1__EVENTS_REQUEST__INIT;
	const struct options *options = following->options;
	struct client_stream *stream;
	struct client *client;
	int status;

	if (daemon_connect(options, &client) != EXIT_OK)
		return (int)failure_code();
	if (following->token)
		request.since = following->token;
	request.once = options_has(options, OPTION_ONCE);
	*error = (struct client_error){ 0 };
	stream = client_stream_open(client, RPC_ADMIN_EVENTS, &request,
				    daemon_timeout(options), error);
	if (!stream)
		return daemon_fail(error);
	status = read_events(following, stream, error);
	client_stream_free(stream);
	return status;
}

/* The stream has ended because the daemon drains or has gone: waits until one
 * is there again. */
static int
await_daemon(const struct options *options)
{
	Nbdclientd__V1__GetStatusRequest request =
		NBDCLIENTD__V1__GET_STATUS_REQUEST__INIT;
	void *response = daemon_call(options, RPC_ADMIN_GET_STATUS, &request);

	codec_message_free(response);
	return response ? EXIT_OK : (int)failure_code();
}

static int
follow_for_ever(struct following *following)
{
	struct client_error error = { 0 };
	int status;

	for (;;) {
		status = follow(following, &error);
		if (status != EXIT_OK || interrupted())
			break;
		if (error.failure != CLIENT_OK &&
		    error.failure != CLIENT_NOT_REACHABLE)
			return daemon_fail(&error);
		/* Nothing has happened yet: what is missed is all there is. */
		if (!following->token &&
		    string_replace(&following->token, "oldest") < 0)
			return fail_errno(ENOMEM, "no memory");
		status = await_daemon(following->options);
		if (status != EXIT_OK)
			break;
	}
	return interrupted() ? fail_interrupted() : status;
}

static int
print_history(struct following *following)
{
	struct client_error error = { 0 };
	int status;

	if (following->options->output == OUTPUT_JSON)
		following->all = new_output(following->options);
	status = follow(following, &error);
	if (status == EXIT_OK && error.failure != CLIENT_OK)
		status = daemon_fail(&error);
	if (following->all && status == EXIT_OK)
		status = output_finish(following->all);
	else if (following->all)
		output_discard(following->all);
	return status;
}

int
run_daemon_events(const struct options *options)
{
	struct following following = { .options = options };
	bool is_once = options_has(options, OPTION_ONCE);
	int status;

	attempt("follow the daemon's events");
	if (options->output == OUTPUT_JSON && !is_once)
		return fail(EXIT_USAGE, EINVAL,
			    "use -o jsonl, or --once for what there is",
			    "a stream of events is no single JSON object");
	if ((options->since || is_once) &&
	    string_replace(&following.token,
			   options->since ? options->since : "oldest") < 0)
		return fail_errno(ENOMEM, "no memory");
	interrupt_defer();
	status = is_once ? print_history(&following)
			 : follow_for_ever(&following);
	free(following.token);
	return status;
}
