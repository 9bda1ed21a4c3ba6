/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completion for fish: a line for each word that may be offered, with the
 * condition when. The functions that say so are in cli/completion/. */
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/completion.h"

/* Fish's single quotes: two characters are special. */
static void
print_text(const char *text)
{
	putchar('\'');
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('\'');
}

static void
print_values(enum option_id id)
{
	const char *kind = completion_value(id);

	if (*kind == '=')
		printf(" -x -a '%s'", kind + 1);
	else if (strcmp(kind, "file") == 0)
		printf(" -r -F");
	else if (completion_takes_value(id))
		printf(" -x");
}

static void
print_option(const struct command *command, enum option_id id)
{
	const struct option_row *row = &option_rows[id];

	printf("complete -c nbdctl");
	if (command) {
		printf(" -n '__nbdctl_in 0 ");
		completion_print_name(command);
		printf("'");
	}
	if (row->letter)
		printf(" -s %c", row->letter);
	printf(" -l %s", row->name);
	print_values(id);
	printf(" -d ");
	print_text(row->help);
	putchar('\n');
}

static const char *
words_of(const char *kind, size_t length)
{
	static const struct {
		const char *kind, *words;
	} rows[] = {
		{ "volume", "(__nbdctl_ask volume ls --columns name)" },
		{ "disk", "(__nbdctl_ask volume ls --columns name)" },
		{ "conn", "(__nbdctl_ask conn ls --columns id)" },
		{ "client", "(__nbdctl_ask client ls --columns id)" },
		{ "level", "error warning notice info debug" },
		{ "shell", "bash zsh fish" },
		{ "feature", completion_features },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strlen(rows[i].kind) == length &&
		    strncmp(rows[i].kind, kind, length) == 0)
			return rows[i].words;
	return "";
}

/* The argument at PLACE. */
static void
print_argument(const struct command *command, unsigned place, const char *kind,
	       size_t length)
{
	bool is_file = strncmp(kind, "file", length) == 0 ||
		       strncmp(kind, "disk", length) == 0;
	bool has_more = strcmp(kind + length, " ...") == 0;

	printf("complete -c nbdctl -n '__nbdctl_in %u ", place);
	completion_print_name(command);
	if (!has_more) {
		printf("; and not __nbdctl_in %u ", place + 1);
		completion_print_name(command);
	}
	printf("'%s -a '%s'\n", is_file ? " -F" : "", words_of(kind, length));
}

static void
print_command(const struct command *command)
{
	const char *kind = completion_arguments(command);

	printf("complete -c nbdctl -n '__nbdctl_at %s' -a %s -d ",
	       command->noun ? command->noun : "", command->verb);
	print_text(command->summary);
	putchar('\n');
	for (enum option_id id = 0; id < N_OPTIONS; id++)
		if (command->options >> id & 1)
			print_option(command, id);
	for (unsigned place = 0; *kind && *kind != '.'; place++) {
		size_t length = strcspn(kind, " ");

		print_argument(command, place, kind, length);
		kind += length + strspn(kind + length, " ");
	}
}

static void
print_nouns(void)
{
	const char *latest = "";

	for (size_t i = 0; i < n_commands; i++) {
		const char *noun = commands[i].noun;

		if (noun && strcmp(noun, latest) != 0) {
			printf("complete -c nbdctl -n '__nbdctl_at ' -a %s\n",
			       noun);
			latest = noun;
		}
	}
}

void
completion_print_fish(void)
{
	printf("set -g __nbdctl_with_value");
	for (enum option_id id = 0; id < N_OPTIONS; id++) {
		if (!completion_takes_value(id))
			continue;
		printf(" --%s", option_rows[id].name);
		if (option_rows[id].letter)
			printf(" -%c", option_rows[id].letter);
	}
	printf("\n\n");
	completion_print(completion_fish, completion_fish_size);
	for (enum option_id id = 0; id < N_OPTIONS; id++)
		if (option_is_global(id))
			print_option(NULL, id);
	print_nouns();
	for (size_t i = 0; i < n_commands; i++)
		print_command(&commands[i]);
}
