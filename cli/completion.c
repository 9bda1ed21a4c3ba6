/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * completion: what the words of a command line can be, made of the tables of
 * commands and options. For bash and zsh these become functions that print
 * words; what chooses from them is written in the shells' own language, in
 * cli/completion/.
 */
#include "cli/completion.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/families.h"

/* What an argument can be, by the words of a command's usage. */
static const struct {
	const char *usage;
	const char *kinds;
} arguments[] = {
	{ "FEATURE TARGET", "feature volume" },
	{ "SOURCE DESTINATION", "disk disk" },
	{ "TARGET [FILE|-]", "volume file" },
	{ "A B", "disk disk" },
	{ "VOLUME", "volume" },
	{ "TARGET", "volume" },
	{ "FILE", "file" },
	{ "LEVEL", "level" },
	{ "SHELL", "shell" },
};

const char completion_features[] =
	"read-only write rotational flush fua trim zero fast-zero cache df "
	"multi-conn tls structured-reply extended-headers base:allocation";

const char *
completion_arguments(const struct command *command)
{
	/* The numbers are those of the noun's own things. */
	if (strcmp(command->usage, "ID...") == 0)
		return strcmp(command->noun, "conn") == 0 ? "conn ..."
							  : "client ...";
	if (strcmp(command->usage, "ID") == 0)
		return command->noun;
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
		if (strstr(command->usage, arguments[i].usage))
			return arguments[i].kinds;
	return "";
}

const char *
completion_value(enum option_id id)
{
	static const struct {
		enum option_id id;
		const char *value;
	} values[] = {
		{ OPTION_ADDRESS, "file" },
		{ OPTION_OUTPUT, "=table json jsonl value" },
		{ OPTION_COLOR, "=auto always never" },
		{ OPTION_READ_WRITE, "=read write randread randwrite" },
		{ OPTION_SINCE, "=oldest" },
		{ OPTION_ALGORITHM, "=sha256 sha384 sha512 sha1 md5" },
		{ OPTION_CONTEXT, "=base:allocation" },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i].id == id)
			return values[i].value;
	return "";
}

bool
completion_takes_value(enum option_id id)
{
	const char *argument = option_rows[id].argument;

	return argument && argument[0] != '[';
}

void
completion_print_name(const struct command *command)
{
	printf("%s%s%s", command->noun ? command->noun : "",
	       command->noun ? " " : "", command->verb);
}

/* For bash and zsh: the tables as functions that print words. */

static void
print_first_words(void)
{
	const char *latest = "";

	for (size_t i = 0; i < n_commands; i++) {
		const char *word = commands[i].noun ? commands[i].noun
						    : commands[i].verb;

		if (strcmp(word, latest) != 0)
			printf(" %s", word);
		latest = word;
	}
}

static void
print_verbs(void)
{
	const char *latest = "";

	printf("_nbdctl_verbs()\n{\n\tcase \"$1\" in\n");
	for (size_t i = 0; i < n_commands; i++) {
		const char *noun = commands[i].noun;

		if (!noun || strcmp(noun, latest) == 0)
			continue;
		printf("\t%s) echo \"", noun);
		for (size_t j = 0; j < n_commands; j++)
			if (commands[j].noun &&
			    strcmp(commands[j].noun, noun) == 0)
				printf("%s ", commands[j].verb);
		printf("\" ;;\n");
		latest = noun;
	}
	printf("\tesac\n}\n\n");
}

/* Those of one command, or (NULL) those that every command takes. */
static void
print_options_of(const struct command *command)
{
	for (enum option_id id = 0; id < N_OPTIONS; id++)
		if (command ? command->options >> id & 1 : option_is_global(id))
			printf("--%s ", option_rows[id].name);
}

/* "noun verb" → its options. */
static void
print_command_options(void)
{
	printf("_nbdctl_options()\n{\n\techo '");
	print_options_of(NULL);
	printf("'\n\tcase \"$1\" in\n");
	for (size_t i = 0; i < n_commands; i++) {
		if (!commands[i].options)
			continue;
		printf("\t'");
		completion_print_name(&commands[i]);
		printf("') echo '");
		print_options_of(&commands[i]);
		printf("' ;;\n");
	}
	printf("\tesac\n}\n\n");
}

/* An option → what its value is; nothing and success: anything. */
static void
print_value_kinds(void)
{
	printf("_nbdctl_value()\n{\n\tcase \"$1\" in\n");
	for (enum option_id id = 0; id < N_OPTIONS; id++) {
		if (!completion_takes_value(id))
			continue;
		printf("\t--%s", option_rows[id].name);
		if (option_rows[id].letter)
			printf("|-%c", option_rows[id].letter);
		printf(") echo '%s' ;;\n", completion_value(id));
	}
	printf("\t*) return 1 ;;\n\tesac\n}\n\n");
}

/* "noun verb" → the kinds of its arguments. */
static void
print_argument_kinds(void)
{
	printf("_nbdctl_arguments()\n{\n\tcase \"$1\" in\n");
	for (size_t i = 0; i < n_commands; i++) {
		if (!*completion_arguments(&commands[i]))
			continue;
		printf("\t'");
		completion_print_name(&commands[i]);
		printf("') echo '%s' ;;\n", completion_arguments(&commands[i]));
	}
	printf("\tesac\n}\n\n");
}

static void
print_tables(void)
{
	printf("_nbdctl_first='");
	print_first_words();
	printf("'\n_nbdctl_features='%s'\n\n", completion_features);
	print_verbs();
	print_command_options();
	print_value_kinds();
	print_argument_kinds();
	completion_print(completion_shell, completion_shell_size);
}

void
completion_print(const unsigned char *text, size_t size)
{
	fwrite(text, 1, size, stdout);
}

static void
print_bash(void)
{
	print_tables();
	completion_print(completion_bash, completion_bash_size);
}

static void
print_zsh(void)
{
	/* By its first line zsh knows what the file is for. */
	printf("#compdef nbdctl\n");
	print_tables();
	completion_print(completion_zsh, completion_zsh_size);
}

int
run_completion(const struct options *options)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {
		{ "bash", print_bash },
		{ "zsh", print_zsh },
		{ "fish", completion_print_fish },
	};

	attempt("print completions for %s", options->args[0]);
	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(shells[i].shell, options->args[0]) == 0) {
			shells[i].print();
			return EXIT_OK;
		}
	}
	return fail(EXIT_USAGE, EINVAL, "name bash, zsh or fish",
		    "there is no completion for this shell");
}
