/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --help, written by the tables of commands, options and exit codes. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/options.h"

static void
print_option(enum option_id id)
{
	const struct option_row *row = &option_rows[id];
	const char *argument = row->argument ? row->argument : "";
	char left[40];

	snprintf(left, sizeof(left), "%c%c%s --%s%s%s", row->letter ? '-' : ' ',
		 row->letter ? row->letter : ' ', row->letter ? "," : " ",
		 row->name, *argument && *argument != '[' ? " " : "", argument);
	printf("  %-26s %s\n", left, row->help);
}

static void
print_command(const struct command *command)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%s%s %s",
		 command->noun ? command->noun : "", command->noun ? " " : "",
		 command->verb, command->usage);
	printf("  %-26s %s\n", left, command->summary);
}

static void
print_global_options(void)
{
	printf("\nOptions, before or after the command:\n");
	for (enum option_id id = 0; id < N_OPTIONS; id++)
		if (option_is_global(id))
			print_option(id);
}

static void
help_command(const struct command *command)
{
	printf("Usage: nbdctl %s%s%s %s%s\n\nWhat it is for: %s.\n",
	       command->noun ? command->noun : "", command->noun ? " " : "",
	       command->verb, command->options ? "[OPTION]... " : "",
	       command->usage, command->summary);
	if (strstr(command->usage, "TARGET") ||
	    strcmp(command->verb, "copy") == 0)
		printf("A target is the name of a volume or an NBD URI.\n");
	if (command->options) {
		printf("\nOptions:\n");
		for (enum option_id id = 0; id < N_OPTIONS; id++)
			if (command->options >> id & 1)
				print_option(id);
	}
	print_global_options();
}

static void
help_noun(const char *noun)
{
	printf("Usage: nbdctl %s COMMAND [OPTION]... [ARGUMENT]...\n\n", noun);
	for (size_t i = 0; i < n_commands; i++)
		if (commands[i].noun && strcmp(commands[i].noun, noun) == 0)
			print_command(&commands[i]);
	print_global_options();
}

static void
help_all(void)
{
	printf("Usage: nbdctl [OPTION]... COMMAND [OPTION]... [ARGUMENT]...\n\n"
	       "Uses NBD disks through nbd-clientd. A target is the name of a "
	       "volume or an\nNBD URI such as nbd://host/export or "
	       "nbd+unix:///export?socket=PATH.\n\nCommands:\n");
	for (size_t i = 0; i < n_commands; i++)
		print_command(&commands[i]);
	printf("  %-26s %s\n", "COMMAND --help", "the options of a command");
	print_global_options();
	printf("\nSizes take the suffixes K, M, G, T, P and E.\n\n"
	       "Exit codes:\n");
#define X(symbol, code, meaning) printf("  %2d  %s\n", code, meaning);
	EXIT_CODES(X)
#undef X
}

void
help_print(const struct options *options)
{
	if (options->command)
		help_command(options->command);
	else if (options->noun)
		help_noun(options->noun);
	else
		help_all();
}
