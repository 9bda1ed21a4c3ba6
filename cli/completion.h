/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the completions of all shells are made of. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cli/options.h"

struct command;

/* The kinds of the command's arguments in order, apart by blanks: volume, disk
 * (a volume or file), file, conn, client, level, shell or feature; three dots
 * stand for more of the last. "": nothing can be said. */
const char *completion_arguments(const struct command *command);

/* What the option's value can be: "=" and words, or a kind; "": anything. */
const char *completion_value(enum option_id id);
bool completion_takes_value(enum option_id id);

/* What can, is and has ask for. */
extern const char completion_features[];

/* Prints "noun verb" or "verb". */
void completion_print_name(const struct command *command);

/* completion_fish.c */
void completion_print_fish(void);

/* The files of cli/completion/. */
extern const unsigned char completion_shell[], completion_bash[],
	completion_zsh[], completion_fish[];
extern const size_t completion_shell_size, completion_bash_size,
	completion_zsh_size, completion_fish_size;
void completion_print(const unsigned char *text, size_t size);
