/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config: the daemon's own judgement of a configuration. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/errors.h"
#include "cli/families.h"
#include "cli/options.h"
#include "common/cleanup.h"

/* Runs the nbd-clientd that lies beside this program, else the one on PATH. Of
 * a child that has just been forked; returns only if there is none. */
static void
exec_daemon(char *const argv[])
{
	char path[PATH_MAX + 16];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);

	if (length > 0) {
		char *slash;

		path[length] = '\0';
		slash = strrchr(path, '/');
		strcpy(slash + 1, "nbd-clientd");
		execv(path, argv);
	}
	execvp("nbd-clientd", argv);
}

/* Runs nbd-clientd with OPTION, and FILE if there is one. */
static int
run_daemon(const struct options *options, const char *option)
{
	char name[] = "nbd-clientd", config[] = "--config";
	CLEANUP_FREE char *copy = strdup(option);
	char *argv[] = { name, copy, options->n_args > 0 ? config : NULL,
			 options->args[0], NULL };
	int wait_status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child < 0)
		return fail_errno(errno, "fork");
	if (child == 0) {
		exec_daemon(argv);
		_exit(127);
	}
	if (waitpid(child, &wait_status, 0) < 0)
		return fail_errno(errno, "waitpid");
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
		return EXIT_OK;
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 127)
		return fail(EXIT_GENERAL, ENOENT,
			    "install it, or put its folder on PATH",
			    "there is no nbd-clientd");
	/* It has said on standard error what is wrong, and where. */
	return fail(EXIT_USAGE, EINVAL, "mend the lines named above",
		    "the configuration is not valid");
}

int
run_config_check(const struct options *options)
{
	attempt("check the configuration");
	return run_daemon(options, "--check-config");
}

int
run_config_show(const struct options *options)
{
	attempt("show the configuration");
	return run_daemon(options, "--show-config=all");
}

int
run_config_diff(const struct options *options)
{
	attempt("show what the configuration sets");
	return run_daemon(options, "--show-config=set");
}

int
run_config_default(const struct options *options)
{
	attempt("show the default configuration");
	return run_daemon(options, "--show-config=default");
}
