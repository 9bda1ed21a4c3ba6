/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps that negotiate knows, each made from the words of a line. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/negotiate.h"
#include "cli/sizes.h"

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
	return negotiation_step(negotiation, &request);
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
	return negotiation_step(negotiation, &request);
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
	return negotiation_step(negotiation, &request);
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
	return negotiation_step(negotiation, &request);
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
	return negotiation_step(negotiation, &request);
}

int
negotiation_abort(struct negotiation *negotiation, char **words, size_t n)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;
	Nbdclientd__V1__NegotiateAbort abort_step =
		NBDCLIENTD__V1__NEGOTIATE_ABORT__INIT;

	(void)words;
	(void)n;
	STEP(ABORT, abort, abort_step);
	negotiation->is_over = true;
	return negotiation_step(negotiation, &request);
}

static int
do_io(struct negotiation *negotiation, Nbdclientd__V1__IoRequest *io)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;

	STEP(IO, io, *io);
	return negotiation_step(negotiation, &request);
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
	return negotiation_abort(negotiation, words, n);
}

static int do_help(struct negotiation *negotiation, char **words, size_t n);

static const struct negotiation_row rows[] = {
	{ "list", "", 0, 0, do_list },
	{ "info", "[EXPORT]", 0, 1, do_info },
	{ "contexts", "[EXPORT [QUERY...]]", 0, NEGOTIATION_WORDS_MAX,
	  do_contexts },
	{ "set-contexts", "CONTEXT...", 0, NEGOTIATION_WORDS_MAX,
	  do_set_contexts },
	{ "go", "[EXPORT]", 0, 1, do_go },
	{ "read", "OFFSET LENGTH", 2, 2, do_read },
	{ "write", "OFFSET HEXADECIMAL", 2, 2, do_write },
	{ "map", "OFFSET LENGTH", 2, 2, do_map },
	{ "trim", "OFFSET LENGTH", 2, 2, do_trim },
	{ "zero", "OFFSET LENGTH", 2, 2, do_zero },
	{ "cache", "OFFSET LENGTH", 2, 2, do_cache },
	{ "flush", "", 0, 0, do_flush },
	{ "abort", "", 0, 0, negotiation_abort },
	{ "quit", "", 0, 0, do_quit },
	{ "help", "", 0, 0, do_help },
};

static int
do_help(struct negotiation *negotiation, char **words, size_t n)
{
	(void)negotiation;
	(void)words;
	(void)n;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("%s %s\n", rows[i].name, rows[i].usage);
	return EXIT_OK;
}

const struct negotiation_row *
negotiation_find(const char *name)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}
