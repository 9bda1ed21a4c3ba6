/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The client of the daemon, and what its errors mean for nbdctl. */
#include "cli/daemon.h"

#include <errno.h>
#include <grpc/status.h>
#include <stdio.h>
#include <string.h>

#include "cli/errors.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "nbdclientd/v1/io.pb-c.h"

/* A daemon that restarts drains first; then its servers are connected anew. */
#define PATIENCE_MS 30000

static struct client *the_client;

static void
interrupt_client(void)
{
	if (the_client)
		client_interrupt(the_client);
}

int
daemon_connect(const struct options *options, struct client **client)
{
	struct client_error error;

	*client = NULL;
	if (!the_client) {
		client_log_grpc(options->verbose > 1);
		the_client = client_connect(options->address, &error);
		if (!the_client)
			return daemon_fail(&error);
		client_set_patience(the_client,
				    options->timeout_ms
					    ? (int)options->timeout_ms
					    : PATIENCE_MS);
		interrupt_call(interrupt_client);
	}
	*client = the_client;
	return EXIT_OK;
}

void
daemon_disconnect(void)
{
	struct client *client = the_client;

	interrupt_call(NULL);
	the_client = NULL;
	client_free(client);
}

int
daemon_timeout(const struct options *options)
{
	return options->timeout_ms ? (int)options->timeout_ms : CLIENT_FOREVER;
}

/* Then nothing is changed, whether the question arrived or not. */
static bool
is_question(enum rpc_method_id method)
{
	static const char *const beginnings[] = { "Get", "List", "ExportInfo",
						  "Check" };
	const char *name = rpc_methods[method].name;

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

void *
daemon_call(const struct options *options, enum rpc_method_id method,
	    const void *request)
{
	struct client_error error;
	struct client *client;
	void *response;

	if (daemon_connect(options, &client) != EXIT_OK)
		return NULL;
	response = client_call(client, method, request, daemon_timeout(options),
			       &error);
	if (response)
		return response;
	if (is_question(method))
		error.applied = NBDCLIENTD__V1__APPLIED__APPLIED_NO;
	daemon_fail(&error);
	return NULL;
}

#define ANY          (-1)
#define REASON(name) NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_##name

/*
 * What an answer means for the exit code: the first row that fits counts. The
 * reason says more than the status, except where one reason has two meanings.
 */
/* clang-format off */
static const struct {
	int failure, reason, status;
	enum exit_code code;
} exit_code_rows[] = {
	{ CLIENT_NOT_REACHABLE, ANY, ANY, EXIT_NO_DAEMON },
	{ CLIENT_NOT_PERMITTED, ANY, ANY, EXIT_PERMISSION },
	{ CLIENT_TIMED_OUT, ANY, ANY, EXIT_TIMEOUT },
	{ CLIENT_INTERRUPTED, ANY, ANY, EXIT_CANCELLED },
	{ CLIENT_BROKEN, ANY, ANY, EXIT_GENERAL },

	{ ANY, REASON(UNKNOWN_VOLUME), ANY, EXIT_UNKNOWN_VOLUME },
	{ ANY, REASON(UNKNOWN_EXPORT), ANY, EXIT_NBD },
	{ ANY, REASON(PERMISSION), ANY, EXIT_PERMISSION },
	{ ANY, REASON(TIMEOUT), ANY, EXIT_TIMEOUT },
	{ ANY, REASON(SERVER_UNREACHABLE), ANY, EXIT_SERVER_UNREACHABLE },
	{ ANY, REASON(NBD), ANY, EXIT_NBD },
	{ ANY, REASON(TLS), ANY, EXIT_TLS },
	{ ANY, REASON(BUSY), ANY, EXIT_BUSY },
	{ ANY, REASON(NOT_SUPPORTED), ANY, EXIT_NOT_SUPPORTED },
	{ ANY, REASON(LIMIT), ANY, EXIT_BUSY },
	{ ANY, REASON(DATA_LOSS), ANY, EXIT_DATA_LOSS },
	{ ANY, REASON(IDENTITY), ANY, EXIT_IDENTITY },
	/* A wrong offset is an error of NBD, a wrong URI one of usage. */
	{ ANY, REASON(INVALID), GRPC_STATUS_OUT_OF_RANGE, EXIT_NBD },
	{ ANY, REASON(INVALID), ANY, EXIT_USAGE },

	/* No reason given. */
	{ ANY, ANY, GRPC_STATUS_CANCELLED, EXIT_CANCELLED },
	{ ANY, ANY, GRPC_STATUS_INVALID_ARGUMENT, EXIT_USAGE },
	{ ANY, ANY, GRPC_STATUS_DEADLINE_EXCEEDED, EXIT_TIMEOUT },
	{ ANY, ANY, GRPC_STATUS_NOT_FOUND, EXIT_UNKNOWN_VOLUME },
	{ ANY, ANY, GRPC_STATUS_PERMISSION_DENIED, EXIT_PERMISSION },
	{ ANY, ANY, GRPC_STATUS_UNAUTHENTICATED, EXIT_TLS },
	{ ANY, ANY, GRPC_STATUS_RESOURCE_EXHAUSTED, EXIT_BUSY },
	{ ANY, ANY, GRPC_STATUS_OUT_OF_RANGE, EXIT_NBD },
	{ ANY, ANY, GRPC_STATUS_UNIMPLEMENTED, EXIT_NOT_SUPPORTED },
	{ ANY, ANY, GRPC_STATUS_INTERNAL, EXIT_NBD },
	{ ANY, ANY, GRPC_STATUS_UNAVAILABLE, EXIT_SERVER_UNREACHABLE },
	{ ANY, ANY, GRPC_STATUS_DATA_LOSS, EXIT_DATA_LOSS },
};
/* clang-format on */

static bool
fits(int wanted, int is)
{
	return wanted == ANY || wanted == is;
}

int
daemon_exit_code(const struct client_error *error)
{
	for (size_t i = 0;
	     i < sizeof(exit_code_rows) / sizeof(exit_code_rows[0]); i++)
		if (fits(exit_code_rows[i].failure, (int)error->failure) &&
		    fits(exit_code_rows[i].reason, (int)error->reason) &&
		    fits(exit_code_rows[i].status, error->status))
			return (int)exit_code_rows[i].code;
	return EXIT_GENERAL;
}

int
daemon_fail(const struct client_error *error)
{
	bool is_maybe = error->applied ==
			NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE;

	return fail((enum exit_code)daemon_exit_code(error), error->errno_value,
		    error->hint, "%s%s%s%s",
		    *error->message ? error->message : "no reason given",
		    *error->endpoint ? ", server " : "", error->endpoint,
		    is_maybe ? ", which may have carried it out" : "");
}

int
daemon_fail_io(const Nbdclientd__V1__IoError *io_error)
{
	const Nbdclientd__V1__ErrorDetail *detail = io_error->detail;
	struct client_error error = {
		.failure = CLIENT_REFUSED,
		.status = (int)io_error->code,
	};

	snprintf(error.message, sizeof(error.message), "%s", io_error->message);
	if (detail) {
		error.reason = detail->reason;
		error.applied = detail->applied;
		error.errno_value = (int)detail->errno_value;
		snprintf(error.hint, sizeof(error.hint), "%s", detail->hint);
		snprintf(error.endpoint, sizeof(error.endpoint), "%s",
			 detail->endpoint);
	}
	return daemon_fail(&error);
}
