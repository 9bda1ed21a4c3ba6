/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * negotiate: option mode by hand. Each line of standard input is one step; its
 * answer is printed before the next line is read. A step that the server
 * refuses is reported and negotiation goes on; the first refusal decides the
 * exit code.
 */
#include <errno.h>
#include <inttypes.h>
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
#include "cli/sizes.h"
#include "common/cleanup.h"
#include "nbdclientd/v1/negotiation.pb-c.h"
#include "proto/client_stream.h"

#define WORDS_MAX 64

struct negotiation {
	const struct options *options;
	/* One of the two. */
	struct client_stream *stream;
	struct direct_negotiation *direct;
	uint64_t last_id;
	bool is_over;
};

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
static int
step_and_print(struct negotiation *negotiation,
	       Nbdclientd__V1__NegotiateRequest *request)
{
	CLEANUP_MESSAGE Nbdclientd__V1__NegotiateResponse *response = step(
		negotiation, request);

	if (!response)
		return (int)failure_code();
	return negotiate_print(negotiation->options, request, response);
}

#define STEP(CASE, field, message)                                          \
	request.step_case = NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_##CASE; \
	request.field = &(message)

static int
do_list(struct negotiation *negotiation, char **words, size_t n)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;
	Nbdclientd__V1__NegotiateList list =
		NBDCLIENTD__V1__NEGOTIATE_LIST__INIT;

	(void)words;
	(void)n;
	STEP(LIST, list, list);
	return step_and_print(negotiation, &request);
}

static int
do_info(struct negotiation *negotiation, char **words, size_t n)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;
	Nbdclientd__V1__NegotiateInfo info =
		NBDCLIENTD__V1__NEGOTIATE_INFO__INIT;

	if (n > 0)
		info.export = words[0];
	STEP(INFO, info, info);
	return step_and_print(negotiation, &request);
}

static int
do_contexts(struct negotiation *negotiation, char **words, size_t n)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;
	Nbdclientd__V1__NegotiateListContexts contexts =
		NBDCLIENTD__V1__NEGOTIATE_LIST_CONTEXTS__INIT;

	if (n > 0) {
		contexts.export = words[0];
		contexts.queries = words + 1;
		contexts.n_queries = n - 1;
	}
	STEP(LIST_CONTEXTS, list_contexts, contexts);
	return step_and_print(negotiation, &request);
}

static int
do_set_contexts(struct negotiation *negotiation, char **words, size_t n)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;
	Nbdclientd__V1__NegotiateSetContexts contexts =
		NBDCLIENTD__V1__NEGOTIATE_SET_CONTEXTS__INIT;

	contexts.contexts = words;
	contexts.n_contexts = n;
	STEP(SET_CONTEXTS, set_contexts, contexts);
	return step_and_print(negotiation, &request);
}

static int
do_go(struct negotiation *negotiation, char **words, size_t n)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;
	Nbdclientd__V1__NegotiateGo go = NBDCLIENTD__V1__NEGOTIATE_GO__INIT;

	if (n > 0)
		go.export = words[0];
	STEP(GO, go, go);
	return step_and_print(negotiation, &request);
}

static int
do_abort(struct negotiation *negotiation, char **words, size_t n)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;
	Nbdclientd__V1__NegotiateAbort abort_step =
		NBDCLIENTD__V1__NEGOTIATE_ABORT__INIT;

	(void)words;
	(void)n;
	STEP(ABORT, abort, abort_step);
	negotiation->is_over = true;
	return step_and_print(negotiation, &request);
}

static int
do_io(struct negotiation *negotiation, Nbdclientd__V1__IoRequest *io)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;

	STEP(IO, io, *io);
	return step_and_print(negotiation, &request);
}

/* OFFSET and LENGTH; without words zero. */
static int
do_range(struct negotiation *negotiation, enum disk_command command,
	 char **words, size_t n)
{
	Nbdclientd__V1__IoRequest io = NBDCLIENTD__V1__IO_REQUEST__INIT;

	io.command = (Nbdclientd__V1__Command)command;
	if (n > 0 && !size_parse(words[0], &io.offset))
		return fail(EXIT_USAGE, EINVAL, NULL, "%s is no offset",
			    words[0]);
	if (n > 1 && !size_parse(words[1], &io.length))
		return fail(EXIT_USAGE, EINVAL, NULL, "%s is no length",
			    words[1]);
	return do_io(negotiation, &io);
}

static int
do_read(struct negotiation *negotiation, char **words, size_t n)
{
	return do_range(negotiation, DISK_READ, words, n);
}

static int
do_trim(struct negotiation *negotiation, char **words, size_t n)
{
	return do_range(negotiation, DISK_TRIM, words, n);
}

static int
do_zero(struct negotiation *negotiation, char **words, size_t n)
{
	return do_range(negotiation, DISK_ZERO, words, n);
}

static int
do_cache(struct negotiation *negotiation, char **words, size_t n)
{
	return do_range(negotiation, DISK_CACHE, words, n);
}

static int
do_flush(struct negotiation *negotiation, char **words, size_t n)
{
	return do_range(negotiation, DISK_FLUSH, words, n);
}

static int
do_map(struct negotiation *negotiation, char **words, size_t n)
{
	return do_range(negotiation, DISK_BLOCK_STATUS, words, n);
}

/* "de ad" or "dead": in place. False if TEXT is not hexadecimal. */
static bool
parse_hex(char *text, size_t *length)
{
	size_t n = strlen(text);
	unsigned int byte;

	if (n == 0 || n % 2 || strspn(text, "0123456789abcdefABCDEF") != n)
		return false;
	for (size_t i = 0; i < n / 2; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return false;
		text[i] = (char)byte;
	}
	*length = n / 2;
	return true;
}

static int
do_write(struct negotiation *negotiation, char **words, size_t n)
{
	Nbdclientd__V1__IoRequest io = NBDCLIENTD__V1__IO_REQUEST__INIT;

	(void)n;
	io.command = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE;
	if (!size_parse(words[0], &io.offset))
		return fail(EXIT_USAGE, EINVAL, NULL, "%s is no offset",
			    words[0]);
	if (!parse_hex(words[1], &io.data.len))
		return fail(EXIT_USAGE, EINVAL, NULL,
			    "%s are no bytes in hexadecimal", words[1]);
	io.data.data = (uint8_t *)words[1];
	return do_io(negotiation, &io);
}

static int
do_quit(struct negotiation *negotiation, char **words, size_t n)
{
	return do_abort(negotiation, words, n);
}

static int do_help(struct negotiation *negotiation, char **words, size_t n);

static const struct step_row {
	const char *name;
	const char *usage;
	size_t min_words;
	size_t max_words;
	int (*run)(struct negotiation *, char **words, size_t n);
} steps[] = {
	{ "list", "", 0, 0, do_list },
	{ "info", "[EXPORT]", 0, 1, do_info },
	{ "contexts", "[EXPORT [QUERY...]]", 0, WORDS_MAX, do_contexts },
	{ "set-contexts", "CONTEXT...", 0, WORDS_MAX, do_set_contexts },
	{ "go", "[EXPORT]", 0, 1, do_go },
	{ "read", "OFFSET LENGTH", 2, 2, do_read },
	{ "write", "OFFSET HEXADECIMAL", 2, 2, do_write },
	{ "map", "OFFSET LENGTH", 2, 2, do_map },
	{ "trim", "OFFSET LENGTH", 2, 2, do_trim },
	{ "zero", "OFFSET LENGTH", 2, 2, do_zero },
	{ "cache", "OFFSET LENGTH", 2, 2, do_cache },
	{ "flush", "", 0, 0, do_flush },
	{ "abort", "", 0, 0, do_abort },
	{ "quit", "", 0, 0, do_quit },
	{ "help", "", 0, 0, do_help },
};

static int
do_help(struct negotiation *negotiation, char **words, size_t n)
{
	(void)negotiation;
	(void)words;
	(void)n;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		printf("%s %s\n", steps[i].name, steps[i].usage);
	return EXIT_OK;
}

/* Cuts LINE into words apart by blanks; "" is the empty word. */
static size_t
split(char *line, char **words)
{
	size_t n = 0;

	while (n < WORDS_MAX) {
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
	char *words[WORDS_MAX];
	size_t n = split(line, words);

	if (n == 0 || words[0][0] == '#')
		return EXIT_OK;
	attempt("%s", words[0]);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct step_row *row = &steps[i];

		if (strcmp(row->name, words[0]) != 0)
			continue;
		if (n - 1 < row->min_words || n - 1 > row->max_words)
			return fail(EXIT_USAGE, EINVAL, "help lists the steps",
				    "the step is: %s %s", row->name,
				    row->usage);
		return row->run(negotiation, words + 1, n - 1);
	}
	return fail(EXIT_USAGE, EINVAL, "help lists the steps",
		    "there is no such step");
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
		do_abort(negotiation, NULL, 0);
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
	STEP(CONNECT, connect, connect);
	return step_and_print(negotiation, &request);
}

static int
connect_direct(struct negotiation *negotiation, char *target)
{
	if (!target_is_uri(target))
		return fail(EXIT_USAGE, EINVAL,
			    "leave --direct out, or write an NBD URI",
			    "volumes are the daemon's, and --direct does "
			    "without the daemon");
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
	if (status == EXIT_OK)
		status = run_lines(&negotiation);
	client_stream_free(negotiation.stream);
	direct_negotiation_close(negotiation.direct);
	return status;
}
