/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line: what is understood, and what is refused. */
#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/errors.h"
#include "tests/support/unit.h"

/* Parses WORDS, apart by single blanks, as what follows "nbdctl". */
static int
parse(struct options *options, const char *words)
{
	static char line[512];
	static char *argv[32];
	static char program[] = "nbdctl";
	char *rest = line, *word;
	int argc = 1;

	strncpy(line, words, sizeof(line) - 1);
	argv[0] = program;
	while ((word = strsep(&rest, " ")))
		argv[argc++] = word;
	argv[argc] = NULL;
	return options_parse(options, argc, argv);
}

static void
assert_refused(const char *words)
{
	struct options options;

	failure_clear();
	if (parse(&options, words) != EXIT_USAGE)
		fail_msg("\"%s\" was understood", words);
	assert_int_equal(failure_code(), EXIT_USAGE);
	failure_clear();
	options_done(&options);
}

static void
global_options_stand_before_or_after_the_command(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, "-o json volume ls"), EXIT_OK);
	assert_string_equal(options.command->verb, "ls");
	assert_string_equal(options.command->noun, "volume");
	assert_int_equal(options.output, OUTPUT_JSON);
	assert_int_equal(parse(&options, "volume ls --output=jsonl -vv"),
			 EXIT_OK);
	assert_int_equal(options.output, OUTPUT_JSONL);
	assert_int_equal(options.verbose, 2);
	assert_int_equal(parse(&options, "volume -ovalue ls"), EXIT_OK);
	assert_int_equal(options.output, OUTPUT_VALUE);
}

static void
arguments_and_options_may_be_mixed(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(
		parse(&options,
		      "write disk0 --offset 64K - --fua --length=1M -j 4"),
		EXIT_OK);
	assert_int_equal(options.n_args, 2);
	assert_string_equal(options.args[0], "disk0");
	assert_string_equal(options.args[1], "-");
	assert_null(options.args[2]);
	assert_int_equal(options.offset, 65536);
	assert_int_equal(options.length, 1048576);
	assert_int_equal(options.jobs, 4);
	assert_true(options_has(&options, OPTION_FUA));
	assert_true(options_has(&options, OPTION_LENGTH));
	assert_false(options_has(&options, OPTION_QUIET));
}

static void
after_two_dashes_there_are_only_words(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, "size -- --help"), EXIT_OK);
	assert_string_equal(options.args[0], "--help");
	assert_false(options_has(&options, OPTION_HELP));
}

static void
a_context_may_be_named_several_times(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, "map d -c base:allocation -cqemu:x"),
			 EXIT_OK);
	assert_int_equal(options.contexts.n_items, 2);
	assert_string_equal(options.contexts.items[1], "qemu:x");
	options_done(&options);
}

static void
help_needs_no_arguments(void **state)
{
	struct options options;

	(void)state;
	assert_int_equal(parse(&options, "--help"), EXIT_OK);
	assert_null(options.command);
	assert_int_equal(parse(&options, "copy --help"), EXIT_OK);
	assert_string_equal(options.command->verb, "copy");
	assert_int_equal(parse(&options, "volume -h"), EXIT_OK);
	assert_string_equal(options.noun, "volume");
}

static void
what_is_not_understood_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"frobnicate",
		"volume",
		"volume frobnicate",
		"size",
		"size a b",
		"size --offset 1 a",
		"--offset 1 read a",
		"read a --offset",
		"read a --offset x",
		"read a --offset -1",
		"read a --fua=yes",
		"read a -x",
		"read a --bogus",
		"copy a b -j 0",
		"copy a b -j 2000",
		"-o yaml status",
		"--color sometimes status",
		"-t never status",
		"--progress=77 copy a b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i]);
}

static void
the_address_comes_from_the_environment_unless_it_is_given(void **state)
{
	struct options options;

	(void)state;
	setenv("NBDCTL_ADDRESS", "/somewhere", 1);
	assert_int_equal(parse(&options, "status"), EXIT_OK);
	assert_string_equal(options.address, "/somewhere");
	assert_int_equal(parse(&options, "status -a /else"), EXIT_OK);
	assert_string_equal(options.address, "/else");
	unsetenv("NBDCTL_ADDRESS");
}

/* The table is data: mistakes in it show here. */
static void
each_command_is_found_by_its_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_commands; i++) {
		assert_ptr_equal(
			command_find(commands[i].noun, commands[i].verb),
			&commands[i]);
		assert_non_null(commands[i].run);
		assert_true(commands[i].max_args == -1 ||
			    commands[i].max_args >= commands[i].min_args);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			global_options_stand_before_or_after_the_command),
		cmocka_unit_test(arguments_and_options_may_be_mixed),
		cmocka_unit_test(after_two_dashes_there_are_only_words),
		cmocka_unit_test(a_context_may_be_named_several_times),
		cmocka_unit_test(help_needs_no_arguments),
		cmocka_unit_test(what_is_not_understood_is_refused),
		cmocka_unit_test(
			the_address_comes_from_the_environment_unless_it_is_given),
		cmocka_unit_test(each_command_is_found_by_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
