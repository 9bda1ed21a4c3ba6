/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The --help of nbdctl, of a noun and of a command, from the tables. */
#pragma once

struct options;

/* Prints what OPTIONS ask help on, on standard output. */
void help_print(const struct options *options);
