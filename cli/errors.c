/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The failure that ends a command: recorded where it is found, printed once. */
#include "cli/errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/options.h"
#include "common/cleanup.h"
#include "common/strings.h"
#include "proto/errno_names.h"

static struct {
	char attempted[512];
	/* The failure; code is EXIT_OK while there is none. */
	enum exit_code code;
	/* What code was before failure_amend(). */
	enum exit_code cause;
	int errnum;
	char failed[512];
	char seen[1024];
	char todo[512];
} state;

/* What to do when the place that failed knows nothing better. */
static const char *const todo_of[] = {
	[EXIT_USAGE] = "see nbdctl --help, or nbdctl COMMAND --help",
	[EXIT_UNKNOWN_VOLUME] =
		"nbdctl volume ls shows the volumes that you may use",
	[EXIT_NO_DAEMON] = "start it (systemctl start nbd-clientd), name its "
			   "socket with --address, or use --direct with a URI",
	[EXIT_PERMISSION] = "ask for access (groups nbd-clientd and "
			    "AllowUsers=), or open it only for reading",
	[EXIT_TIMEOUT] = "allow more time with --timeout, or look at the "
			 "server with nbdctl status",
	[EXIT_SERVER_UNREACHABLE] =
		"check that the server runs and that the address is right",
	[EXIT_NBD] = "nbdctl info TARGET shows size, flags and block sizes; "
		     "the server's log may say more",
	[EXIT_TLS] = "check certificates, keys and the user name",
	[EXIT_DATA_LOSS] = "check the data and write it again",
	[EXIT_IDENTITY] = "make sure that this is the right server",
	[EXIT_BUSY] = "try again later",
	[EXIT_CANCELLED] = "run the command again",
	[EXIT_NOT_SUPPORTED] = "nbdctl info TARGET shows what the server "
			       "offers",
};

void
attempt(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(state.attempted, sizeof(state.attempted), format, args);
	va_end(args);
}

static const char *
default_todo(enum exit_code code)
{
	if ((size_t)code < sizeof(todo_of) / sizeof(todo_of[0]) &&
	    todo_of[code])
		return todo_of[code];
	return "";
}

int
fail(enum exit_code code, int errnum, const char *todo, const char *format, ...)
{
	va_list args;

	if (state.code != EXIT_OK)
		return code;
	state.code = code;
	state.cause = code;
	state.errnum = errnum;
	memcpy(state.failed, state.attempted, sizeof(state.attempted));
	snprintf(state.todo, sizeof(state.todo), "%s",
		 todo && *todo ? todo : default_todo(code));
	va_start(args, format);
	vsnprintf(state.seen, sizeof(state.seen), format, args);
	va_end(args);
	/* Lists of mistakes end in one. */
	for (size_t n = strlen(state.seen); n > 0 && state.seen[n - 1] == '\n';
	     n--)
		state.seen[n - 1] = '\0';
	return code;
}

int
fail_errno(int errnum, const char *what)
{
	enum exit_code code = EXIT_GENERAL;

	if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
		code = EXIT_PERMISSION;
	return fail(code, errnum,
		    errnum == ENOSPC ? "make room there and try again" : NULL,
		    "%s: %s", what, strerror(errnum));
}

enum exit_code
failure_code(void)
{
	return state.code;
}

void
failure_clear(void)
{
	state.code = EXIT_OK;
}

int
failure_amend(enum exit_code code, const char *format, ...)
{
	size_t used = strlen(state.seen);
	va_list args;

	state.code = code;
	va_start(args, format);
	vsnprintf(state.seen + used, sizeof(state.seen) - used, format, args);
	va_end(args);
	return code;
}

void
failure_advise(const char *todo)
{
	snprintf(state.todo, sizeof(state.todo), "%s", todo);
}

static void
failure_append_json(struct string_builder *line)
{
	string_builder_printf(line,
			      "{\"error\":{\"code\":%d,\"cause\":%d,"
			      "\"errno\":",
			      (int)state.code, (int)state.cause);
	if (*errno_name(state.errnum))
		json_append_string(line, errno_name(state.errnum));
	else
		string_builder_append(line, "null");
	string_builder_printf(
		line, ",\"errno_value\":%d,\"attempted\":", state.errnum);
	json_append_string(line, state.failed);
	string_builder_append(line, ",\"seen\":");
	json_append_string(line, state.seen);
	string_builder_append(line, ",\"todo\":");
	json_append_string(line, state.todo);
	string_builder_append(line, "}}\n");
}

static void
append_escaped(struct string_builder *line, const char *text)
{
	string_builder_append_escaped(line, text, strlen(text));
}

static void
failure_append_text(struct string_builder *line, bool is_coloured)
{
	string_builder_append(line, is_coloured ? "\033[1;31mnbdctl:\033[0m "
						: "nbdctl: ");
	/* "No" is an answer, not a failure. */
	if (*state.failed && state.code != EXIT_NO) {
		string_builder_append(line, "cannot ");
		append_escaped(line, state.failed);
		string_builder_append(line, ": ");
	}
	append_escaped(line, state.seen);
	string_builder_append(line, "\n");
	if (*state.todo) {
		string_builder_append(line, "nbdctl: to do: ");
		append_escaped(line, state.todo);
		string_builder_append(line, "\n");
	}
}

void
failure_print(const struct options *options)
{
	struct string_builder line = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	if (state.code == EXIT_OK)
		return;
	if (options->output == OUTPUT_JSON || options->output == OUTPUT_JSONL)
		failure_append_json(&line);
	else
		failure_append_text(&line, options_use_color(options, stderr));
	text = string_builder_take(&line);
	fputs(text ? text : "nbdctl: out of memory\n", stderr);
	state.code = EXIT_OK;
}
