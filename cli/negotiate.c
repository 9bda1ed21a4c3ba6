/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * negotiate: option mode by hand. Each line of standard input is one step; its
 * answer is printed before the next line is read. A step that the server
 * refuses is reported and negotiation goes on; the first refusal decides the
 * exit code.
 */
#include "cli/negotiate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/daemon.h"
#include "cli/direct_negotiate.h"
#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/negotiate_print.h"
#include "cli/options.h"
#include "common/cleanup.h"
#include "nbdclientd/v1/negotiation.pb-c.h"
#include "proto/client_stream.h"

/* One step and its answer, NULL with a recorded failure: the server refused the
 * step, or (is_over) the connection is lost. */
static Nbdclientd__V1__NegotiateResponse *
step(struct negotiation *negotiation, Nbdclientd__V1__NegotiateRequest *request)
{
	Nbdclientd__V1__NegotiateResponse *response = NULL;
	struct client_error error;
	int result = 1;

	request->id = ++negotiation->last_id;
	if (negotiation->direct)
		return direct_negotiation_step(negotiation->direct, request);
	result = client_stream_step(negotiation->stream, request, &response,
				    &error);
	if (result <= 0) {
		negotiation->is_over = true;
		if (result < 0)
			daemon_fail(&error);
		else
			fail(EXIT_SERVER_UNREACHABLE, ECONNRESET, NULL,
			     "the daemon ended the negotiation");
		return NULL;
	}
	if (response->result_case ==
	    NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_ERROR) {
		daemon_fail_io(response->error);
		codec_message_free(response);
		return NULL;
	}
	return response;
}

/* Does the step and prints what came of it. */
int
negotiation_step(struct negotiation *negotiation,
		 Nbdclientd__V1__NegotiateRequest *request)
{
	CLEANUP_MESSAGE Nbdclientd__V1__NegotiateResponse *response = step(
		negotiation, request);

	if (!response)
		return (int)failure_code();
	return negotiate_print(negotiation->options, request, response);
}

/* Cuts LINE into words apart by blanks; "" is the empty word. */
static size_t
split(char *line, char **words)
{
	size_t n = 0;

	while (n < NEGOTIATION_WORDS_MAX) {
		line += strspn(line, " \t\r\n");
		if (*line == '\0')
			break;
		if (*line == '"') {
			words[n++] = ++line;
			line += strcspn(line, "\"\n");
		} else {
			words[n++] = line;
			line += strcspn(line, " \t\r\n");
		}
		if (*line)
			*line++ = '\0';
	}
	return n;
}

static int
run_line(struct negotiation *negotiation, char *line)
{
	const struct negotiation_row *row;
	char *words[NEGOTIATION_WORDS_MAX];
	size_t n = split(line, words);

	if (n == 0 || words[0][0] == '#')
		return EXIT_OK;
	attempt("%s", words[0]);
	row = negotiation_find(words[0]);
	if (!row)
		return fail(EXIT_USAGE, EINVAL, "help lists the steps",
			    "there is no such step");
	if (n - 1 < row->min_words || n - 1 > row->max_words)
		return fail(EXIT_USAGE, EINVAL, "help lists the steps",
			    "the step is: %s %s", row->name, row->usage);
	return row->run(negotiation, words + 1, n - 1);
}

static void
prompt(const struct options *options)
{
	if (isatty(STDIN_FILENO) && !options_has(options, OPTION_QUIET))
		fputs("nbd> ", stderr);
}

static int
run_lines(struct negotiation *negotiation)
{
	CLEANUP_FREE char *line = NULL;
	size_t capacity = 0;
	int first = EXIT_OK;

	prompt(negotiation->options);
	while (!negotiation->is_over && getline(&line, &capacity, stdin) > 0) {
		int status = run_line(negotiation, line);

		fflush(stdout);
		if (first == EXIT_OK)
			first = status;
		failure_print(negotiation->options);
		if (!negotiation->is_over)
			prompt(negotiation->options);
	}
	if (!negotiation->is_over)
		negotiation_abort(negotiation, NULL, 0);
	return first;
}

static int
connect_stream(struct negotiation *negotiation, char *target)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;
	Nbdclientd__V1__NegotiateConnect connect =
		NBDCLIENTD__V1__NEGOTIATE_CONNECT__INIT;
	struct client_error error;
	struct client *client;
	int status = daemon_connect(negotiation->options, &client);

	if (status != EXIT_OK)
		return status;
	/* The user thinks between the steps: no deadline. */
	negotiation->stream = client_stream_open(client,
						 RPC_NEGOTIATION_NEGOTIATE,
						 NULL, CLIENT_FOREVER, &error);
	if (!negotiation->stream)
		return daemon_fail(&error);
	connect.target = target;
	request.step_case = NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_CONNECT;
	request.connect = &connect;
	return negotiation_step(negotiation, &request);
}

static int
connect_direct(struct negotiation *negotiation, char *target)
{
	if (!target_is_uri(target))
		return target_fail_without_daemon();
	negotiation->direct = direct_negotiation_open(negotiation->options,
						      target);
	return negotiation->direct ? EXIT_OK : (int)failure_code();
}

int
run_negotiate(const struct options *options)
{
	struct negotiation negotiation = { .options = options };
	char *target = options->args[0];
	int status = target_check(target);

	if (status != EXIT_OK)
		return status;
	attempt("negotiate with %s", target);
	status = options_has(options, OPTION_DIRECT)
			 ? connect_direct(&negotiation, target)
			 : connect_stream(&negotiation, target);
	/* Steps can change things: the connection is all that is tried. */
	if (status == EXIT_OK && options_has(options, OPTION_DRY_RUN))
		negotiation_abort(&negotiation, NULL, 0);
	else if (status == EXIT_OK)
		status = run_lines(&negotiation);
	client_stream_free(negotiation.stream);
	direct_negotiation_close(negotiation.direct);
	return status;
}
