/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client's line of a transcript does. */
#include "tests/protocol/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/protocol/allocations.h"
#include "tests/protocol/commands.h"
#include "tests/protocol/expectations.h"
#include "tests/protocol/options.h"
#include "tests/protocol/settings.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"

int
call_errno(const char *name)
{
	static const struct {
		const char *name;
		int errnum;
	} errnos[] = {
#define E(name) { #name, name }
		E(EPERM),     E(ENOENT),       E(EIO),      E(ENOMEM),
		E(EACCES),    E(EFAULT),       E(EINVAL),   E(ENOSPC),
		E(EPIPE),     E(ERANGE),       E(EPROTO),   E(EOVERFLOW),
		E(ENOTSUP),   E(ECONNRESET),   E(ENOTCONN), E(ESHUTDOWN),
		E(ETIMEDOUT), E(ECONNREFUSED),
#undef E
		{ "0", 0 },
	};

	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++)
		if (!strcmp(errnos[i].name, name))
			return errnos[i].errnum;
	return -1;
}

static struct outcome
failed(struct run *run)
{
	return (struct outcome){ .kind = OUTCOME_FAILED,
				 .errnum = run_note_error(run) };
}

static struct outcome
value_or_failed(struct run *run, int64_t value)
{
	if (value < 0)
		return failed(run);
	return (struct outcome){ .kind = OUTCOME_OK,
				 .has_value = true,
				 .value = value };
}

static struct outcome
connect_synchronously(struct run *run)
{
	if (nbd_connect_socket(run->h, TAKE_FD(run->socket)) < 0)
		return failed(run);
	return (struct outcome){ .kind = OUTCOME_OK };
}

static struct outcome
call_connect(struct run *run)
{
	if (run->has_thread)
		return connect_synchronously(run);
	if (nbd_aio_connect_socket(run->h, TAKE_FD(run->socket)) < 0)
		return failed(run);
	while (nbd_aio_is_connecting(run->h))
		if (!run_turn(run) && nbd_aio_is_connecting(run->h))
			return (struct outcome){ .kind = OUTCOME_PENDING };
	if (nbd_aio_is_dead(run->h) || nbd_aio_is_closed(run->h))
		return (struct outcome){ .kind = OUTCOME_FAILED,
					 .errnum = run->died_of };
	return (struct outcome){ .kind = OUTCOME_OK,
				 .n_bytes = run->player.n_sent };
}

static bool
has_ended(const struct run *run)
{
	return nbd_aio_is_dead(run->h) || nbd_aio_is_closed(run->h);
}

/* Turns until the connection has ended: "await-end". */
static struct outcome
call_await_end(struct run *run)
{
	while (!has_ended(run)) {
		if (run->has_thread) {
			if (nbd_poll(run->h, -1) < 0)
				run_note_error(run);
		} else if (!run_turn(run) && !has_ended(run)) {
			return (struct outcome){ .kind = OUTCOME_PENDING };
		}
	}
	return (struct outcome){ .kind = OUTCOME_OK };
}

/* Turns until nothing can move: all that is on its way has arrived. */
static struct outcome
call_settle(struct run *run)
{
	while (run_turn(run))
		;
	return (struct outcome){ .kind = OUTCOME_OK };
}

static struct outcome
call_shutdown(struct run *run)
{
	if (run->has_thread) {
		if (nbd_shutdown(run->h, 0) < 0)
			return failed(run);
		return (struct outcome){ .kind = OUTCOME_OK };
	}
	if (nbd_aio_disconnect(run->h, 0) < 0)
		return failed(run);
	return call_await_end(run);
}

/* "call VERB ...": everything that talks to the server. */
static struct outcome
call_call(struct run *run, const struct line *line)
{
	const char *verb = script_word(line, 1);

	if (!strcmp(verb, "connect"))
		return call_connect(run);
	if (!strcmp(verb, "shutdown"))
		return call_shutdown(run);
	if (!strcmp(verb, "disconnect"))
		return value_or_failed(run, nbd_aio_disconnect(run->h, 0));
	if (!strcmp(verb, "await-end"))
		return call_await_end(run);
	if (!strcmp(verb, "settle"))
		return call_settle(run);
	if (command_is_verb(verb))
		return command_call(run, line);
	script_mistake(line, "%s is no call", verb);
}

/* "state NAME ..." */
static struct outcome
call_state(struct run *run, const struct line *line)
{
	const char *state = run_state(run);

	if (run->mode == RUN_CUT)
		return (struct outcome){ .kind = OUTCOME_OK };
	for (size_t i = 1; i < line->words.n_items; i++)
		if (!strcmp(state, script_word(line, i)))
			return (struct outcome){ .kind = OUTCOME_OK };
	run_fail(run, line, "the handle is %s", state);
	return (struct outcome){ .kind = OUTCOME_OK };
}

/* "check COMMAND OFFSET LENGTH pattern AT" or "... zero" */
static void
check_buffer(struct run *run, const struct line *line)
{
	const struct command *command = command_find(run, line,
						     script_word(line, 1));
	uint64_t offset = script_number(line, 2);
	uint64_t length = script_number(line, 3);
	const char *what = script_word(line, 4);

	if (offset > command->size || length > command->size - offset)
		script_mistake(line, "the buffer has only %zu bytes",
			       command->size);
	if (!strcmp(what, "zero")) {
		if (!pattern_is_all(command->buffer + offset, length, 0))
			run_fail(run, line, "not all of it is zero");
	} else if (pattern_mismatch(command->buffer + offset, length, 0,
				    script_number(line, 5)) < length) {
		run_fail(run, line, "it is not the pattern");
	}
}

static void
check_text(struct run *run, const struct line *line, const char *have,
	   const char *want)
{
	if (strcmp(have ? have : "", want) != 0)
		run_fail(run, line, "instead: \"%s\"", have ? have : "");
}

/* "check ...": what came of earlier calls. */
static struct outcome
call_check(struct run *run, const struct line *line)
{
	const char *what = script_word(line, 1);

	if (run->mode == RUN_CUT)
		return (struct outcome){ .kind = OUTCOME_OK };
	if (!strcmp(what, "events"))
		check_text(run, line,
			   command_find(run, line, script_word(line, 2))
				   ->events.text,
			   script_word(line, 3));
	else if (!strcmp(what, "listed"))
		check_text(run, line, run->listed, script_word(line, 2));
	else if (!strcmp(what, "error")) {
		if (!run->error || !strstr(run->error, script_word(line, 2)))
			run_fail(run, line, "the error is: %s",
				 run->error ? run->error : "none");
	} else if (!strcmp(what, "warned")) {
		if (run->mode == RUN_WHOLE &&
		    !strstr(run->debug.text, script_word(line, 2)))
			run_fail(run, line, "the library did not say so");
	} else if (!strcmp(what, "allocations")) {
		if (allocations_largest() > script_number(line, 2))
			run_fail(run, line, "it asked for %zu bytes at once",
				 allocations_largest());
	} else
		check_buffer(run, line);
	return (struct outcome){ .kind = OUTCOME_OK };
}

struct outcome
call_line(struct run *run, const struct line *line)
{
	const char *verb = script_word(line, 0);

	if (!strcmp(verb, "call"))
		return call_call(run, line);
	if (!strcmp(verb, "start"))
		return command_start(run, line);
	if (!strcmp(verb, "wait"))
		return command_wait(run, line);
	if (!strcmp(verb, "opt"))
		return option_call(run, line);
	if (!strcmp(verb, "set"))
		return settings_set(run, line);
	if (!strcmp(verb, "get"))
		return settings_get(run, line);
	if (!strcmp(verb, "state"))
		return call_state(run, line);
	if (!strcmp(verb, "check"))
		return call_check(run, line);
	if (!strcmp(verb, "watch-allocations")) {
		allocations_reset();
		return (struct outcome){ .kind = OUTCOME_OK };
	}
	script_mistake(line, "%s?", verb);
}
