/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options, --help and --version. */
#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "daemon/config/load.h"
#include "daemon/config/values.h"
#include "daemon/core/daemon.h"

#define EXIT_USAGE 2

enum {
	OPTION_CONFIG = 256,
	OPTION_DEMO,
	OPTION_LISTEN,
	OPTION_CHECK,
	OPTION_SHOW,
	OPTION_LOG_LEVEL,
	OPTION_VERSION,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "demo", no_argument, NULL, OPTION_DEMO },
	{ "listen", required_argument, NULL, OPTION_LISTEN },
	{ "check-config", no_argument, NULL, OPTION_CHECK },
	{ "show-config", optional_argument, NULL, OPTION_SHOW },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static void
print_help(void)
{
	printf("Usage: nbd-clientd [OPTION]...\n"
	       "Holds connections to NBD servers and serves them to local "
	       "programs.\n"
	       "\n"
	       "  --config=FILE      read FILE, and conf.d and volumes.d "
	       "beside "
	       "it,\n"
	       "                     instead of %s\n"
	       "  --demo             serve a RAM disk as volume 'demo'; reads "
	       "no file\n"
	       "  --listen=PATH      the unix socket for local programs\n"
	       "  --check-config     say what is wrong with the configuration, "
	       "and leave\n"
	       "  --show-config[=all|set|default]\n"
	       "                     print each value and where it comes from, "
	       "and leave\n"
	       "  --log-level=LEVEL  error, warning, notice, info or debug\n"
	       "  --version          print versions, and leave\n"
	       "  --help             print this, and leave\n"
	       "\n"
	       "SIGHUP reloads the configuration; SIGTERM finishes what is in "
	       "flight and leaves,\n"
	       "a second one leaves at once.\n",
	       CONFIGURATION_FILE);
}

static int
read_log_level(const char *text, int *level)
{
	struct string_builder complaint = STRING_BUILDER_INIT;
	CLEANUP_FREE char *why = NULL;
	struct value value = { .text = text, .complaint = &complaint };

	if (value_parse_log_level(&value, level) == 0)
		return 0;
	why = string_builder_take(&complaint);
	fprintf(stderr, "nbd-clientd: --log-level=%s: %s\n", text,
		why ? why : "unknown level");
	return -1;
}

static bool
read_show_mode(const char *text, enum show_mode *mode)
{
	static const char *const names[] = {
		[SHOW_ALL] = "all",
		[SHOW_SET] = "set",
		[SHOW_DEFAULTS] = "default",
	};

	*mode = SHOW_ALL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!text || strcmp(text, names[i]) == 0) {
			*mode = (enum show_mode)i;
			return true;
		}
	}
	fprintf(stderr,
		"nbd-clientd: --show-config=%s: not one of all, set, default\n",
		text);
	return false;
}

/* False: the option ends the program with *STATUS. */
static bool
read_option(struct options *options, int option, int *status)
{
	*status = EXIT_SUCCESS;
	switch (option) {
	case OPTION_CONFIG:
		options->config = optarg;
		return true;
	case OPTION_DEMO:
		options->is_demo = true;
		return true;
	case OPTION_LISTEN:
		options->listen = optarg;
		return true;
	case OPTION_CHECK:
		options->only_check = true;
		return true;
	case OPTION_SHOW:
		options->shows_config = true;
		if (read_show_mode(optarg, &options->show_mode))
			return true;
		*status = EXIT_USAGE;
		return false;
	case OPTION_LOG_LEVEL:
		if (read_log_level(optarg, &options->log_level) == 0)
			return true;
		*status = EXIT_USAGE;
		return false;
	case OPTION_VERSION:
		printf("nbd-clientd %s (%s)\n", NBD_CLIENTD_VERSION,
		       daemon_library_version());
		return false;
	case OPTION_HELP:
		print_help();
		return false;
	default:
		fprintf(stderr, "Try 'nbd-clientd --help'.\n");
		*status = EXIT_USAGE;
		return false;
	}
}

bool
options_read(struct options *options, int argc, char *argv[], int *status)
{
	int option;

	*options = (struct options){ .log_level = -1 };
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!read_option(options, option, status))
			return false;
	if (optind < argc) {
		fprintf(stderr,
			"nbd-clientd: unexpected argument '%s'\n"
			"Try 'nbd-clientd --help'.\n",
			argv[optind]);
		*status = EXIT_USAGE;
		return false;
	}
	return true;
}
