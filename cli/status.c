/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* status, version, ping, health; daemon info, reload, drain and log-level. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/screen.h"
#include "cli/version.h"
#include "cli/volume_facts.h"
#include "grpc/health/v1/health.pb-c.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "proto/client_stream.h"

static Nbdclientd__V1__GetStatusResponse *
get_status(const struct options *options)
{
	Nbdclientd__V1__GetStatusRequest request =
		NBDCLIENTD__V1__GET_STATUS_REQUEST__INIT;

	return daemon_call(options, RPC_ADMIN_GET_STATUS, &request);
}

static const struct output_column daemon_columns[] = {
	{ "DAEMON", OUTPUT_STATE },   { "VERSION", OUTPUT_TEXT },
	{ "LIBRARY", OUTPUT_TEXT },   { "SOCKET", OUTPUT_TEXT },
	{ "PID", OUTPUT_NUMBER },     { "UPTIME", OUTPUT_TIME },
	{ "MEMORY", OUTPUT_BYTES },   { "CLIENTS", OUTPUT_NUMBER },
	{ "VOLUMES", OUTPUT_NUMBER },
};

static struct output *
daemon_facts(const struct options *options,
	     const Nbdclientd__V1__GetStatusResponse *status)
{
	struct output *output = output_new(
		options, "daemon", OUTPUT_FACTS, daemon_columns,
		sizeof(daemon_columns) / sizeof(daemon_columns[0]));

	output_text(output, status->state);
	output_text(output, status->version);
	output_text(output, status->library);
	output_text(output, options->address);
	output_number(output, status->pid);
	output_number(output, status->uptime_ms);
	output_number(output, status->resident_memory);
	output_number(output, status->clients);
	output_number(output, status->n_volumes);
	return output;
}

static int
show_status(const struct options *options)
{
	CLEANUP_MESSAGE Nbdclientd__V1__GetStatusResponse *status = get_status(
		options);
	struct output *outputs[2];

	if (!status)
		return (int)failure_code();
	outputs[0] = daemon_facts(options, status);
	outputs[1] = volume_rows(options, status->volumes, status->n_volumes);
	return output_print(outputs, 2);
}

int
run_status(const struct options *options)
{
	int status;

	attempt("ask the daemon for its status");
	if (options->columns)
		return fail(EXIT_USAGE, EINVAL,
			    "use --columns with daemon info or volume ls",
			    "status shows two tables");
	if (!options_has(options, OPTION_WATCH))
		return show_status(options);
	screen_begin();
	do {
		screen_start_page();
		status = show_status(options);
		screen_finish_page();
	} while (status == EXIT_OK && screen_pause(1000));
	screen_end();
	return interrupted() ? fail_interrupted() : status;
}

/* Without a daemon our own version is still worth knowing. */
int
run_version(const struct options *options)
{
	static const struct output_column columns[] = {
		{ "NBDCTL", OUTPUT_TEXT },
		{ "DAEMON", OUTPUT_TEXT },
		{ "LIBRARY", OUTPUT_TEXT },
	};
	CLEANUP_MESSAGE Nbdclientd__V1__GetStatusResponse *status = NULL;
	struct output *output;

	attempt("ask the daemon for its version");
	status = get_status(options);
	if (!status) {
		failure_print(options);
	}
	output = output_new(options, "version", OUTPUT_FACTS, columns, 3);
	output_text(output, NBDCTL_VERSION);
	output_text(output, status ? status->version : NULL);
	output_text(output, status ? status->library : NULL);
	return output_finish(output);
}

int
run_ping(const struct options *options)
{
	static const struct output_column columns[] = {
		{ "PID", OUTPUT_NUMBER },
		{ "MICROSECONDS", OUTPUT_NUMBER },
	};
	CLEANUP_MESSAGE Nbdclientd__V1__GetStatusResponse *status = NULL;
	struct timespec from, to;
	struct output *output;
	struct client *client;

	attempt("ping the daemon");
	/* Not the connecting is measured but the answer. */
	if (daemon_connect(options, &client) != EXIT_OK)
		return (int)failure_code();
	clock_gettime(CLOCK_MONOTONIC, &from);
	status = get_status(options);
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (!status)
		return (int)failure_code();
	output = output_new(options, "ping", OUTPUT_FACTS, columns, 2);
	output_number(output, status->pid);
	output_number(output, (uint64_t)((to.tv_sec - from.tv_sec) * 1000000 +
					 (to.tv_nsec - from.tv_nsec) / 1000));
	return output_finish(output);
}

#define HEALTH(name) \
	GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

static const char *
health_name(Grpc__Health__V1__HealthCheckResponse__ServingStatus status)
{
	switch (status) {
	case HEALTH(SERVING):
		return "serving";
	case HEALTH(NOT_SERVING):
		return "not serving";
	case HEALTH(SERVICE_UNKNOWN):
		return "no such volume";
	case HEALTH(UNKNOWN):
	case _GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS_IS_INT_SIZE:
		break;
	}
	return "unknown";
}

static int
print_health(const struct options *options,
	     const Grpc__Health__V1__HealthCheckResponse *response)
{
	static const struct output_column columns[] = {
		{ "SERVICE", OUTPUT_TEXT },
		{ "HEALTH", OUTPUT_STATE },
	};
	struct output *output = output_new(options, "health", OUTPUT_FACTS,
					   columns, 2);

	output_text(output,
		    options->n_args > 0 ? options->args[0] : "nbd-clientd");
	output_text(output, health_name(response->status));
	return output_finish(output);
}

static int
exit_code_of(const Grpc__Health__V1__HealthCheckResponse *response)
{
	return response->status == HEALTH(SERVING) ? EXIT_OK : EXIT_NO;
}

/* Each change, until the daemon or the user ends it. */
static int
watch_health(const struct options *options,
	     const Grpc__Health__V1__HealthCheckRequest *request)
{
	Grpc__Health__V1__HealthCheckResponse *response;
	struct client_stream *stream;
	struct client_error error;
	struct client *client;
	int status = EXIT_OK;
	int r;

	interrupt_defer();
	if (daemon_connect(options, &client) != EXIT_OK)
		return (int)failure_code();
	stream = client_stream_open(client, RPC_HEALTH_WATCH, request,
				    daemon_timeout(options), &error);
	if (!stream)
		return daemon_fail(&error);
	while (status == EXIT_OK &&
	       (r = client_stream_receive(stream, &response, &error)) == 1) {
		status = print_health(options, response);
		fflush(stdout);
		codec_message_free(response);
	}
	if (status == EXIT_OK && r < 0)
		status = interrupted() ? fail_interrupted()
				       : daemon_fail(&error);
	client_stream_free(stream);
	return status;
}

int
run_health(const struct options *options)
{
	Grpc__Health__V1__HealthCheckRequest request =
		GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	CLEANUP_MESSAGE Grpc__Health__V1__HealthCheckResponse *response = NULL;
	const char *volume = options->n_args > 0 ? options->args[0] : NULL;
	int status;

	attempt("ask for the health of %s", volume ? volume : "the daemon");
	if (volume)
		request.service = options->args[0];
	if (options_has(options, OPTION_WATCH))
		return watch_health(options, &request);
	response = daemon_call(options, RPC_HEALTH_CHECK, &request);
	if (!response)
		return (int)failure_code();
	status = print_health(options, response);
	return status == EXIT_OK ? exit_code_of(response) : status;
}

int
run_daemon_info(const struct options *options)
{
	CLEANUP_MESSAGE Nbdclientd__V1__GetStatusResponse *status = NULL;

	attempt("ask the daemon about itself");
	status = get_status(options);
	if (!status)
		return (int)failure_code();
	return output_finish(daemon_facts(options, status));
}

/* All that can be known without doing it: there is a daemon. */
static int
check_daemon(const struct options *options)
{
	void *status = get_status(options);

	codec_message_free(status);
	return status ? EXIT_OK : (int)failure_code();
}

int
run_daemon_reload(const struct options *options)
{
	static const struct output_column columns[] = {
		{ "ADDED", OUTPUT_NUMBER },
		{ "CHANGED", OUTPUT_NUMBER },
		{ "REMOVED", OUTPUT_NUMBER },
	};
	Nbdclientd__V1__ReloadRequest request =
		NBDCLIENTD__V1__RELOAD_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__ReloadResponse *response = NULL;
	struct output *output;

	attempt("have the daemon read its configuration again");
	if (options_has(options, OPTION_DRY_RUN))
		return check_daemon(options);
	response = daemon_call(options, RPC_ADMIN_RELOAD, &request);
	if (!response) {
		if (failure_code() == EXIT_USAGE)
			failure_advise("mend the files named above and reload "
				       "again");
		return (int)failure_code();
	}
	output = output_new(options, "reload", OUTPUT_FACTS, columns, 3);
	output_number(output, response->volumes_added);
	output_number(output, response->volumes_changed);
	output_number(output, response->volumes_removed);
	return output_finish(output);
}

int
run_daemon_drain(const struct options *options)
{
	Nbdclientd__V1__DrainRequest request =
		NBDCLIENTD__V1__DRAIN_REQUEST__INIT;
	void *response;

	attempt("have the daemon finish and exit");
	if (options_has(options, OPTION_DRY_RUN))
		return check_daemon(options);
	response = daemon_call(options, RPC_ADMIN_DRAIN, &request);
	codec_message_free(response);
	return response ? EXIT_OK : (int)failure_code();
}

int
run_daemon_log_level(const struct options *options)
{
	static const struct output_column columns[] = {
		{ "LEVEL", OUTPUT_TEXT },
		{ "PREVIOUS", OUTPUT_TEXT },
	};
	Nbdclientd__V1__SetLogLevelRequest request =
		NBDCLIENTD__V1__SET_LOG_LEVEL_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__SetLogLevelResponse *response = NULL;
	struct output *output;

	attempt("%s the daemon's log level",
		options->n_args > 0 ? "set" : "ask for");
	if (options->n_args > 0 && !options_has(options, OPTION_DRY_RUN))
		request.level = options->args[0];
	response = daemon_call(options, RPC_ADMIN_SET_LOG_LEVEL, &request);
	if (!response)
		return (int)failure_code();
	output = output_new(options, "log_level", OUTPUT_FACTS, columns, 2);
	output_text(output, response->level);
	output_text(output, response->previous);
	return output_finish(output);
}
