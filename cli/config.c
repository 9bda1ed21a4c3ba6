/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config check: the daemon's own judgement of a configuration. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/errors.h"
#include "cli/families.h"
#include "cli/options.h"

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

int
run_config_check(const struct options *options)
{
	char name[] = "nbd-clientd", check[] = "--check-config",
	     config[] = "--config";
	char *argv[] = { name, check, options->n_args > 0 ? config : NULL,
			 options->args[0], NULL };
	int wait_status;
	pid_t child;

	attempt("check the configuration");
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
