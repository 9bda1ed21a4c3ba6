/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the parser (options.c) and the meaning of each option. */
#pragma once

#include "cli/options.h"

/* Notes that the option is given, and its VALUE (NULL: none) if it takes one;
 * without a value only its bit counts. EXIT_OK, or EXIT_USAGE, recorded. */
int option_set(struct options *options, enum option_id id, const char *value);
