/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of nbd-clientd. */
#pragma once

#include <stdbool.h>

#include "daemon/config/show.h"

struct options {
	/* NULL: the usual place. */
	const char *config;
	/* Instead of Listen=. */
	const char *listen;
	/* Instead of LogLevel=; -1: not given. */
	int log_level;
	bool is_demo;
	bool only_check;
	bool shows_config;
	enum show_mode show_mode;
};

/* Reads the command line. True: go on. False: leave with *STATUS; what there
 * was to say has been said. */
bool options_read(struct options *options, int argc, char *argv[], int *status);
