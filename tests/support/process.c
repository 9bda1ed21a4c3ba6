/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Child processes that never outlive the test that started them. */
#include "tests/support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/support/outcome.h"

enum {
	STATUS_NO_EXEC = 127,
	ACTIVATION_FD = 3,
};

static void
pass_listener(int listener)
{
	char pid[16];

	if (listener == ACTIVATION_FD)
		fcntl(listener, F_SETFD, 0);
	else
		dup2(listener, ACTIVATION_FD);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
}

static char *const *
as_exec_argv(const char *const *argv)
{
	union {
		const char *const *from;
		char *const *to;
	} cast = { .from = argv };

	return cast.to;
}

static _Noreturn void
become(const char *const argv[], int listener, int output, pid_t parent)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The parent may have died before the line above. */
	if (getppid() != parent)
		_exit(STATUS_NO_EXEC);
	if (listener >= 0)
		pass_listener(listener);
	if (output >= 0)
		dup2(output, STDOUT_FILENO);
	execvp(argv[0], as_exec_argv(argv));
	fprintf(stderr, "cannot execute %s: %s\n", argv[0], strerror(errno));
	_exit(STATUS_NO_EXEC);
}

static pid_t
start(const char *const argv[], int listener, int output)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		test_broken("cannot fork: %s", strerror(errno));
	if (pid == 0)
		become(argv, listener, output, parent);
	/* On both sides, so that neither races with a later kill. */
	setpgid(pid, pid);
	return pid;
}

pid_t
process_start(const char *const argv[], int listener)
{
	return start(argv, listener, -1);
}

void
process_signal(pid_t pid, int signum)
{
	if (pid > 0)
		kill(-pid, signum);
}

void
process_stop(pid_t pid)
{
	siginfo_t info;

	kill(pid, SIGSTOP);
	if (waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT) < 0)
		test_broken("cannot stop a child: %s", strerror(errno));
}

int
process_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			test_broken("cannot wait for a child: %s",
				    strerror(errno));
	return status;
}

bool
process_has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return true;
	return info.si_pid == pid;
}

void
process_kill(pid_t pid)
{
	if (pid <= 0)
		return;
	process_signal(pid, SIGKILL);
	process_wait(pid);
}

bool
process_run(const char *const argv[])
{
	int status = process_wait(start(argv, -1, -1));

	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

char *
process_output(const char *const argv[])
{
	struct string_builder text = STRING_BUILDER_INIT;
	char bytes[4096];
	int pipes[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC) < 0)
		test_broken("cannot make a pipe: %s", strerror(errno));
	pid = start(argv, -1, pipes[1]);
	close(pipes[1]);
	while ((n = read(pipes[0], bytes, sizeof(bytes))) > 0)
		string_builder_append_bytes(&text, bytes, (size_t)n);
	close(pipes[0]);
	if (process_wait(pid) != 0)
		test_broken("%s failed", argv[0]);
	return string_builder_take(&text);
}
