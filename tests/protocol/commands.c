/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands in flight and the promises about their callbacks. */
#include "tests/protocol/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"
#include "tests/fake-server/names.h"
#include "tests/protocol/calls.h"
#include "tests/protocol/data_commands.h"
#include "tests/protocol/expectations.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"

enum {
	UNTOUCHED = 0xee,
	LARGEST_FILLED = 4 << 20,
};

bool
command_is_verb(const char *verb)
{
	return data_command_find(verb) != NULL;
}

static void
read_setting(const struct line *line, const char *word,
	     struct arguments *arguments)
{
	uint64_t value;

	if (!strncmp(word, "callback-error=", 15))
		arguments->callback_error = call_errno(word + 15);
	else if (!strncmp(word, "flags=", 6) &&
		 name_parse_number(NAME_GENERAL, word + 6, &value))
		arguments->flags = (uint32_t)value;
	else if (!strncmp(word, "contexts=", 9))
		arguments->contexts = word + 9;
	else if (!strcmp(word, "retires-itself"))
		arguments->retires_itself = true;
	else
		script_mistake(line, "%s?", word);
}

/* Reads "call VERB NAME [COUNT OFFSET] [settings] [= ...]". */
static struct arguments
read_arguments(const struct line *line)
{
	struct arguments arguments = {
		.data = data_command_find(script_word(line, 1)),
		.name = script_word(line, 2),
	};
	size_t at = 3;

	if (!arguments.data)
		script_mistake(line, "%s is no command", script_word(line, 1));
	if (arguments.data->has_range) {
		arguments.count = script_number(line, at++);
		arguments.offset = script_number(line, at++);
	}
	for (; at < expectation_at(line); at++)
		read_setting(line, script_word(line, at), &arguments);
	return arguments;
}

static bool
has_buffer(const char *verb)
{
	return !strncmp(verb, "pread", 5) || !strcmp(verb, "pwrite");
}

/* Huge buffers are for calls that fail; nobody touches their pages. */
static void
make_buffer(struct command *command, const struct arguments *arguments)
{
	command->size = arguments->count;
	command->buffer = mmap(NULL, command->size + 1, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (command->buffer == MAP_FAILED)
		test_broken("out of memory");
	if (command->size > LARGEST_FILLED)
		return;
	memset(command->buffer, UNTOUCHED, command->size);
	if (!strcmp(arguments->data->verb, "pwrite"))
		pattern_fill(command->buffer, command->size, 0,
			     command->offset);
}

static struct command *
new_command(struct run *run, const struct line *line,
	    const struct arguments *arguments)
{
	struct command *command = calloc(1, sizeof(*command));

	if (!command)
		test_broken("out of memory");
	command->run = run;
	command->line = line;
	command->name = strdup(arguments->name);
	command->offset = arguments->offset;
	command->callback_error = arguments->callback_error;
	command->retires_itself = arguments->retires_itself;
	command->has_data_callback = arguments->data->has_data_callback;
	if (has_buffer(arguments->data->verb))
		make_buffer(command, arguments);
	command->next = run->commands;
	run->commands = command;
	return command;
}

static struct command *
start_command(struct run *run, const struct line *line)
{
	struct arguments arguments = read_arguments(line);
	struct command *command = new_command(run, line, &arguments);

	command->cookie = arguments.data->start(run->h, command, &arguments);
	if (command->cookie < 0) {
		command->is_retired = true;
		command->result = -1;
		command->errnum = run_note_error(run);
	}
	return command;
}

static void
keep_copy(struct command *command)
{
	if (!command->buffer || command->size > LARGEST_FILLED)
		return;
	command->copy = malloc(command->size + 1);
	if (!command->copy)
		test_broken("out of memory");
	memcpy(command->copy, command->buffer, command->size);
}

/* Retires the command if it is done. */
static bool
is_done(struct run *run, struct command *command)
{
	if (!command->is_retired && command->retires_itself)
		return false;
	if (!command->is_retired) {
		int result = nbd_aio_command_completed(
			run->h, (uint64_t)command->cookie);

		if (result == 0)
			return false;
		command->is_retired = true;
		command->result = result;
		command->errnum = result < 0 ? run_note_error(run) : 0;
	}
	if (!command->copy)
		keep_copy(command);
	return true;
}

static struct outcome
outcome_of(const struct command *command)
{
	if (command->result < 0)
		return (struct outcome){ .kind = OUTCOME_FAILED,
					 .errnum = command->errnum };
	return (struct outcome){ .kind = OUTCOME_OK,
				 .n_bytes = command->n_bytes };
}

/* In RUN_SYNC the server is in a thread: let libnbd wait for it. */
static bool
wait_in_libnbd(struct run *run)
{
	if (nbd_aio_get_direction(run->h) == 0)
		return false;
	if (nbd_poll(run->h, -1) < 0)
		run_note_error(run);
	return true;
}

static struct outcome
wait_for(struct run *run, struct command *command)
{
	while (!is_done(run, command)) {
		bool moved = run->has_thread ? wait_in_libnbd(run)
					     : run_turn(run);

		if (!moved && !is_done(run, command))
			return (struct outcome){ .kind = OUTCOME_PENDING };
	}
	return outcome_of(command);
}

struct outcome
command_start(struct run *run, const struct line *line)
{
	const struct command *command = start_command(run, line);

	if (command->cookie < 0)
		return outcome_of(command);
	return (struct outcome){ .kind = OUTCOME_OK };
}

struct outcome
command_wait(struct run *run, const struct line *line)
{
	return wait_for(run, command_find(run, line, script_word(line, 1)));
}

static struct outcome
call_synchronously(struct run *run, const struct line *line)
{
	struct arguments arguments = read_arguments(line);
	struct command *command = new_command(run, line, &arguments);

	command->result = arguments.data->call(run->h, command, &arguments);
	command->is_retired = true;
	if (command->result < 0)
		command->errnum = run_note_error(run);
	keep_copy(command);
	return outcome_of(command);
}

struct outcome
command_call(struct run *run, const struct line *line)
{
	if (run->mode == RUN_SYNC)
		return call_synchronously(run, line);
	return wait_for(run, start_command(run, line));
}

struct command *
command_find(const struct run *run, const struct line *line, const char *name)
{
	for (struct command *command = run->commands; command;
	     command = command->next)
		if (!strcmp(command->name, name))
			return command;
	script_mistake(line, "there is no command %s", name);
}

void
commands_retire(struct run *run)
{
	for (struct command *command = run->commands; command;
	     command = command->next)
		is_done(run, command);
}

/* The call took the command on: then its callbacks are promised. */
static void
check_callbacks(struct run *run, const struct command *command)
{
	unsigned completions = command->cookie > 0 ? 1 : 0;
	unsigned frees = command->cookie == 0 ? 0 : 1;

	if (command->n_completions != completions)
		run_fail(run, command->line,
			 "the completion was called %u times instead of %u",
			 command->n_completions, completions);
	if (command->n_completion_frees != frees)
		run_fail(run, command->line,
			 "the completion was freed %u times instead of %u",
			 command->n_completion_frees, frees);
	if (command->has_data_callback && command->n_data_frees != 1)
		run_fail(run, command->line,
			 "the data callback was freed %u times instead of once",
			 command->n_data_frees);
	if (command->cookie > 0 && command->is_retired &&
	    (command->result < 0) != (command->completion_error != 0))
		run_fail(run, command->line,
			 "the completion was told error %d, the caller %d",
			 command->completion_error, command->errnum);
}

void
commands_done(struct run *run)
{
	struct command *command;

	while ((command = run->commands)) {
		run->commands = command->next;
		check_callbacks(run, command);
		if (command->copy &&
		    memcmp(command->copy, command->buffer, command->size) != 0)
			run_fail(run, command->line,
				 "its buffer changed after it was done");
		string_builder_done(&command->events);
		if (command->buffer)
			munmap(command->buffer, command->size + 1);
		for (char **context = command->contexts; *context; context++)
			free(*context);
		free(command->copy);
		free(command->name);
		free(command);
	}
}
