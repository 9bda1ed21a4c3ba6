/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running a server as a child process. What needs memory (the search for the
 * program) happens before the fork, because the caller may have threads and
 * the child may then do no more than a signal handler.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/connect.h"
#include "client-lib/engine/handle.h"
#include "common/cleanup.h"

/* Where to search: PATH, or the system's default if it is not set. */
static char *
search_path(void)
{
	const char *path = getenv("PATH");
	size_t length;
	char *standard;

	if (path)
		return strdup(path);
	length = confstr(_CS_PATH, NULL, 0);
	standard = malloc(length ? length : 1);
	if (standard &&
	    (length == 0 || confstr(_CS_PATH, standard, length) != length))
		*standard = '\0';
	return standard;
}

/* Adds DIRECTORY/FILE; an empty directory is the current one. */
static int
add_candidate(struct string_list *candidates, const char *directory,
	      size_t length, const char *file)
{
	CLEANUP_FREE char *path = NULL;

	if (length == 0) {
		directory = ".";
		length = 1;
	}
	if (asprintf(&path, "%.*s/%s", (int)length, directory, file) == -1) {
		path = NULL;
		return -1;
	}
	return string_list_append(candidates, path);
}

static int
add_candidates(struct string_list *candidates, const char *file)
{
	CLEANUP_FREE char *path = NULL;
	const char *directory;

	if (strchr(file, '/'))
		return string_list_append(candidates, file);
	path = search_path();
	if (!path)
		return -1;
	for (directory = path;;) {
		size_t length = strcspn(directory, ":");

		if (add_candidate(candidates, directory, length, file) == -1)
			return -1;
		if (directory[length] == '\0')
			return 0;
		directory += length + 1;
	}
}

char *const *
command_environment(const struct nbd_handle *h)
{
	return h->config.environment_vector ? h->config.environment_vector
					    : environ;
}

int
command_candidates(struct string_list *candidates, const char *file)
{
	if (add_candidates(candidates, file) == -1)
		return fail(ENOMEM, "connect: searching for %s", file);
	return 0;
}

/* Does this failure leave hope for the next directory? */
static bool
may_be_elsewhere(int error)
{
	return error == EACCES || error == ELOOP || error == ENAMETOOLONG ||
	       error == ENOENT || error == ENOTDIR;
}

static void
complain(const char *name, int error)
{
	const char *reason = strerrordesc_np(error);
	struct {
		const char *text;
	} parts[] = { { name }, { ": " }, { reason ? reason : "?" }, { "\n" } };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (write(STDERR_FILENO, parts[i].text,
			  strlen(parts[i].text)) == -1)
			return;
}

/* A script without an interpreter line is the shell's. */
static void
exec_script(const char *path, char *const *argv, char *const *environment)
{
	enum {
		MAX_ARGUMENTS = 1024
	};
	const char *script[MAX_ARGUMENTS] = { "/bin/sh", path };
	size_t n = 2;
	union {
		const char **given;
		char *const *wanted;
	} cast = { .given = script };

	for (size_t i = 1; argv[i]; i++) {
		if (n == MAX_ARGUMENTS - 1)
			return;
		script[n++] = argv[i];
	}
	script[n] = NULL;
	execve(script[0], cast.wanted, environment);
}

_Noreturn void
command_exec(const struct string_list *candidates, char *const *argv,
	     char *const *environment)
{
	int error = ENOENT;

	for (size_t i = 0; i < candidates->n_items; i++) {
		execve(candidates->items[i], argv, environment);
		if (errno == ENOEXEC)
			exec_script(candidates->items[i], argv, environment);
		/* A file that is there but may not be run says more than
		 * its absence elsewhere. */
		if (error == ENOENT || errno != ENOENT)
			error = errno;
		if (!may_be_elsewhere(errno))
			break;
	}
	complain(argv[0], error);
	_exit(error == ENOENT ? 127 : 126);
}

/* The child: FD becomes its standard input and output. */
static _Noreturn void
run_child(int fd, const struct string_list *candidates, char *const *argv,
	  char *const *environment)
{
	signal(SIGPIPE, SIG_DFL);
	/* dup2() onto itself would keep close-on-exec; a socketpair has no
	 * business at 0 or 1 unless these were closed. */
	if (fd <= STDOUT_FILENO)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd < 0 || dup2(fd, STDIN_FILENO) == -1 ||
	    dup2(fd, STDOUT_FILENO) == -1)
		_exit(126);
	command_exec(candidates, argv, environment);
}

int
engine_connect_command(struct nbd_handle *h, char **argv)
{
	CLEANUP(string_list_done) struct string_list candidates = { 0 };
	CLEANUP_CLOSE int ours = -1;
	CLEANUP_CLOSE int theirs = -1;
	int pair[2];
	pid_t pid;

	if (argv[0][0] == '\0')
		return (dead(h, ENOENT, "connect: the command has no name"),
			-1);
	if (command_candidates(&candidates, argv[0]) == -1)
		return (dead_as_recorded(h), -1);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return (dead(h, errno, "connect: socketpair"), -1);
	ours = pair[0];
	theirs = pair[1];

	pid = fork();
	if (pid == -1)
		return (dead(h, errno, "connect: fork"), -1);
	if (pid == 0)
		run_child(theirs, &candidates, argv, command_environment(h));
	h->connect.child = pid;
	return engine_connect_socket(h, TAKE_FD(ours));
}
