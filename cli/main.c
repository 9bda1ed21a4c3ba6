/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbdctl: reads the command line, runs the one command, says why it failed.
 * Neither gRPC nor libnbd is touched before a command needs it.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>

#include "cli/commands.h"
#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/options.h"

static int
run(const struct options *options)
{
	if (options_has(options, OPTION_HELP)) {
		help_print(options);
		return EXIT_OK;
	}
	attempt("run nbdctl %s", options->command->verb);
	return options->command->run(options);
}

/* What is still in stdio's buffer can fail, too: /dev/full. */
static int
finish_output(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	attempt("write to standard output");
	return fail_errno(errno, "write");
}

int
main(int argc, char **argv)
{
	struct options options;
	int status;

	setlocale(LC_CTYPE, "");
	interrupt_init();
	status = options_parse(&options, argc, argv);
	if (status == EXIT_OK)
		status = run(&options);
	status = finish_output(status);
	failure_print(&options);
	daemon_disconnect();
	options_done(&options);
	return status;
}
