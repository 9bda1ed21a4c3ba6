/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: finds the command, checks each option's value. */
#include "cli/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/option_values.h"
#include "proto/client.h"

const struct option_row option_rows[N_OPTIONS] = {
#define X(symbol, letter, name, argument, help) \
	[OPTION_##symbol] = { letter, name, argument, help },
	GLOBAL_OPTIONS(X) COMMAND_OPTIONS(X)
#undef X
};

bool
option_is_global(enum option_id id)
{
	return id <= OPTION_HELP;
}

/* The option of that name, or (NAME NULL) letter; N_OPTIONS if there is none
 * that the command, which may be NULL, takes. */
static enum option_id
option_find(const struct command *command, const char *name, size_t length,
	    char letter)
{
	for (enum option_id id = 0; id < N_OPTIONS; id++) {
		const struct option_row *row = &option_rows[id];

		if (!option_is_global(id) &&
		    !(command && command->options >> id & 1))
			continue;
		if (name ? strlen(row->name) == length &&
				    memcmp(row->name, name, length) == 0
			 : letter && row->letter == letter)
			return id;
	}
	return N_OPTIONS;
}

static int
unknown_option(const struct options *options, const char *option, size_t length)
{
	return fail(EXIT_USAGE, EINVAL, NULL, "%s%s%s%s has no option %.*s",
		    options->command ? "nbdctl " : "nbdctl",
		    options->command && options->command->noun
			    ? options->command->noun
			    : "",
		    options->command && options->command->noun ? " " : "",
		    options->command ? options->command->verb : "", (int)length,
		    option);
}

static bool
option_takes_value(enum option_id id)
{
	const char *argument = option_rows[id].argument;

	return argument && argument[0] != '[';
}

static int
missing_value(enum option_id id)
{
	return fail(EXIT_USAGE, EINVAL, NULL, "--%s needs a value: %s",
		    option_rows[id].name, option_rows[id].argument);
}

/* "--name", "--name=value" or "--name value". *INDEX is its place in ARGV,
 * which moves on if the value is the next word. */
static int
parse_long(struct options *options, char **argv, int *index)
{
	const char *name = argv[*index] + 2;
	size_t length = strcspn(name, "=");
	const char *value = name[length] ? name + length + 1 : NULL;
	enum option_id id = option_find(options->command, name, length, 0);

	if (id == N_OPTIONS)
		return unknown_option(options, argv[*index], length + 2);
	if (value && !option_rows[id].argument)
		return fail(EXIT_USAGE, EINVAL, NULL, "--%s takes no value",
			    option_rows[id].name);
	if (!value && option_takes_value(id)) {
		value = argv[*index + 1];
		if (!value)
			return missing_value(id);
		++*index;
	}
	return option_set(options, id, value);
}

/* "-x", "-xy", "-xVALUE" or "-x VALUE". */
static int
parse_short(struct options *options, char **argv, int *index)
{
	int status = EXIT_OK;

	for (const char *at = argv[*index] + 1; *at && status == EXIT_OK;
	     at++) {
		const char *value = NULL;
		enum option_id id = option_find(options->command, NULL, 0, *at);

		if (id == N_OPTIONS)
			return unknown_option(options,
					      (char[]){ '-', *at, '\0' }, 2);
		if (option_takes_value(id)) {
			value = at[1] ? at + 1 : argv[++*index];
			if (!value)
				return missing_value(id);
			return option_set(options, id, value);
		}
		status = option_set(options, id, value);
	}
	return status;
}

/* The first word is a verb or a noun, the second the verb of that noun. */
static int
parse_command_word(struct options *options, const char *word)
{
	if (options->noun) {
		options->command = command_find(options->noun, word);
		if (options->command)
			return EXIT_OK;
		return fail(EXIT_USAGE, EINVAL, NULL,
			    "nbdctl %s has no command \"%s\"", options->noun,
			    word);
	}
	options->command = command_find(NULL, word);
	if (options->command)
		return EXIT_OK;
	options->noun = command_find_noun(word);
	if (!options->noun)
		return fail(EXIT_USAGE, EINVAL, NULL,
			    "there is no command \"%s\"", word);
	return EXIT_OK;
}

static int
check_arguments(const struct options *options)
{
	const struct command *command = options->command;

	if (options_has(options, OPTION_HELP))
		return EXIT_OK;
	if (!command && options->noun)
		return fail(EXIT_USAGE, EINVAL, NULL,
			    "a command is missing after \"%s\"", options->noun);
	if (!command)
		return fail(EXIT_USAGE, EINVAL, NULL, "no command given");
	if (options->n_args < command->min_args)
		return fail(EXIT_USAGE, EINVAL, NULL,
			    "an argument is missing: nbdctl %s%s%s %s",
			    command->noun ? command->noun : "",
			    command->noun ? " " : "", command->verb,
			    command->usage);
	if (command->max_args >= 0 && options->n_args > command->max_args)
		return fail(EXIT_USAGE, EINVAL, NULL,
			    "unexpected argument \"%s\"",
			    options->args[command->max_args]);
	return EXIT_OK;
}

static void
options_init(struct options *options)
{
	*options = (struct options){
		.address = client_default_address(),
		.jobs = 16,
		.connections = 1,
		.block_size = 4096,
		.depth = 16,
		.bench_ms = 5000,
		.interval_ms = 1000,
		.read_write = "read",
		.algorithm = "sha256",
		.progress_fd = -1,
	};
}

int
options_parse(struct options *options, int argc, char **argv)
{
	bool only_words = false;
	int status = EXIT_OK;

	options_init(options);
	options->args = argv;
	attempt("understand the command line");
	for (int i = 1; i < argc && status == EXIT_OK; i++) {
		if (only_words || argv[i][0] != '-' || argv[i][1] == '\0') {
			/* The word's new place is behind or at I. */
			if (options->command)
				options->args[options->n_args++] = argv[i];
			else
				status = parse_command_word(options, argv[i]);
		} else if (strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (argv[i][1] == '-') {
			status = parse_long(options, argv, &i);
		} else {
			status = parse_short(options, argv, &i);
		}
	}
	options->args[options->n_args] = NULL;
	return status != EXIT_OK ? status : check_arguments(options);
}

void
options_done(struct options *options)
{
	string_list_done(&options->contexts);
}

bool
options_use_color(const struct options *options, FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	switch (options->color) {
	case COLOR_ALWAYS:
		return true;
	case COLOR_NEVER:
		return false;
	case COLOR_AUTO:
		break;
	}
	if (no_color && *no_color)
		return false;
	return isatty(fileno(stream)) && term && strcmp(term, "dumb") != 0;
}
