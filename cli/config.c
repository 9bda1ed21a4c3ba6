/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config: the daemon's own judgement of a configuration. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/errors.h"
#include "cli/families.h"
#include "cli/options.h"
#include "cli/output.h"
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
		memcpy(slash + 1, "nbd-clientd", sizeof("nbd-clientd"));
		execv(path, argv);
	}
	execvp("nbd-clientd", argv);
}

/* Runs nbd-clientd with OPTION, and FILE if there is one; its standard output is
 * OUT, if that is a descriptor. The child, or -1 with a recorded failure. */
static pid_t
start_daemon(const struct options *options, const char *option, int out)
{
	char name[] = "nbd-clientd", config[] = "--config";
	CLEANUP_FREE char *copy = strdup(option);
	char *argv[] = { name, copy, options->n_args > 0 ? config : NULL,
			 options->args[0], NULL };
	pid_t child;

	fflush(NULL);
	child = copy ? fork() : -1;
	if (child < 0)
		fail_errno(errno, "fork");
	if (child == 0) {
		if (out < 0 || dup2(out, STDOUT_FILENO) >= 0)
			exec_daemon(argv);
		_exit(127);
	}
	return child;
}

static int
await_daemon(pid_t child)
{
	int wait_status;

	if (child < 0)
		return (int)failure_code();
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

static int
run_daemon(const struct options *options, const char *option)
{
	return await_daemon(start_daemon(options, option, -1));
}

/* "# volumes.d/NAME.conf" begins a volume; the daemon's own values come
 * first. */
static void
take_volume(char *volume, size_t size, const char *line)
{
	const char *slash = strrchr(line, '/'), *dot = strrchr(line, '.');

	if (slash && dot && dot > slash)
		snprintf(volume, size, "%.*s", (int)(dot - slash - 1),
			 slash + 1);
}

/* "Key=value # origin", which the daemon writes in columns. */
static void
add_value(struct output *output, const char *volume, char *line)
{
	char *value = strchr(line, '='), *origin = NULL, *end;

	for (char *at = line; (at = strstr(at, " # ")); at++)
		origin = at;
	if (!value || !origin || origin < value)
		return;
	for (end = origin; end > value && end[-1] == ' '; end--)
		;
	*value++ = '\0';
	*end = '\0';
	origin += strlen(" # ");
	output_text(output, *volume ? volume : NULL);
	output_text(output, line);
	output_text(output, end < value ? "" : value);
	output_text(output, origin);
}

static void
read_values(struct output *output, FILE *from)
{
	CLEANUP_FREE char *line = NULL;
	char volume[NAME_MAX + 1] = "";
	size_t capacity = 0;
	ssize_t length;

	while ((length = getline(&line, &capacity, from)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (line[0] == '#')
			take_volume(volume, sizeof(volume), line);
		else
			add_value(output, volume, line);
	}
}

/* For programs: rows. */
static int
show_rows(const struct options *options, const char *option)
{
	static const struct output_column columns[] = {
		{ "VOLUME", OUTPUT_TEXT },
		{ "KEY", OUTPUT_TEXT },
		{ "VALUE", OUTPUT_TEXT },
		{ "ORIGIN", OUTPUT_TEXT },
	};
	struct output *output;
	int pipes[2], status;
	pid_t child;
	FILE *from;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		return fail_errno(errno, "pipe");
	child = start_daemon(options, option, pipes[1]);
	close(pipes[1]);
	from = child < 0 ? NULL : fdopen(pipes[0], "r");
	output = output_new(options, "config", OUTPUT_ROWS, columns, 4);
	if (from)
		read_values(output, from);
	else
		fail_errno(errno, "read what nbd-clientd says");
	status = await_daemon(child);
	if (from)
		fclose(from);
	else
		close(pipes[0]);
	if (status == EXIT_OK)
		return output_finish(output);
	output_discard(output);
	return status;
}

/* People get what could be a file of the configuration. */
static int
show(const struct options *options, const char *option)
{
	return options->output == OUTPUT_TABLE && !options->columns
		       ? run_daemon(options, option)
		       : show_rows(options, option);
}

int
run_config_check(const struct options *options)
{
	static const struct output_column columns[] = {
		{ "VALID", OUTPUT_BOOL },
	};
	struct output *output;
	int nothing, status;

	attempt("check the configuration");
	if (options->output == OUTPUT_TABLE && !options->columns)
		return run_daemon(options, "--check-config");
	nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (nothing < 0)
		return fail_errno(errno, "open /dev/null");
	status = await_daemon(start_daemon(options, "--check-config", nothing));
	close(nothing);
	if (status != EXIT_OK)
		return status;
	output = output_new(options, "config", OUTPUT_FACTS, columns, 1);
	output_bool(output, true);
	return output_finish(output);
}

int
run_config_show(const struct options *options)
{
	attempt("show the configuration");
	return show(options, "--show-config=all");
}

int
run_config_diff(const struct options *options)
{
	attempt("show what the configuration sets");
	return show(options, "--show-config=set");
}

int
run_config_default(const struct options *options)
{
	attempt("show the default configuration");
	return show(options, "--show-config=default");
}
