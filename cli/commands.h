/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one table of commands. A command has a verb, and a noun where the daemon
 * manages the thing; data verbs stand alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"

struct command {
	/* The word before the verb, or NULL. */
	const char *noun;
	const char *verb;
	/* Arguments, as in "TARGET [FILE|-]". */
	const char *usage;
	const char *summary;
	/* Its own options: OPTION() bits. */
	uint64_t options;
	int min_args;
	/* -1: any number. */
	int max_args;
	/* Does it, and returns EXIT_OK or the code of a recorded failure. */
	int (*run)(const struct options *options);
};

extern const struct command commands[];
extern const size_t n_commands;

/* The command, or NULL. NOUN may be NULL. */
const struct command *command_find(const char *noun, const char *verb);

/* WORD as the table has it if it is a noun, else NULL. */
const char *command_find_noun(const char *word);
