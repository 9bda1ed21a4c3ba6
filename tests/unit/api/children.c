/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs that a handle starts: how they are searched for, with what they
 * begin, and what is said when they cannot be run.
 */
#include <errno.h>
#include <libnbd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"
#include "tests/support/workdir.h"
#include "tests/unit/api/support.h"

static char *
make_program(const char *dir, const char *name, mode_t mode, const char *text)
{
	char *path = workdir_text_file(dir, name, text);

	assert_int_equal(chmod(path, mode), 0);
	return path;
}

/* How the child of H ended; it is not reaped. */
static siginfo_t
ending_of(struct nbd_handle *h)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)nbd_get_subprocess_pid(h), &info,
				WEXITED | WNOWAIT),
			 0);
	return info;
}

/* Running NAME fails; what it says on standard error, and its status. */
static void
assert_complaint(char *name, const char *complaint, int status)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char text[512] = "";
	int saved = dup(STDERR_FILENO);
	int pipe_fds[2];
	ssize_t n;

	assert_int_equal(pipe(pipe_fds), 0);
	assert_true(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
	assert_int_equal(nbd_connect_command(h, WORDS(name)), -1);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
	close(pipe_fds[1]);
	assert_int_equal(ending_of(h).si_code, CLD_EXITED);
	assert_int_equal(ending_of(h).si_status, status);
	n = read(pipe_fds[0], text, sizeof(text) - 1);
	close(pipe_fds[0]);
	assert_true(n > 0);
	assert_string_equal(text, complaint);
	assert_int_equal(nbd_aio_is_dead(h), 1);
}

static void
what_cannot_be_run_is_told_on_standard_error(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *plain = make_program(dir, "plain", 0644, "exit 0\n");
	CLEANUP_FREE char *missing = workdir_path(dir, "missing");
	char complaint[512];

	(void)state;
	snprintf(complaint, sizeof(complaint),
		 "%s: No such file or directory\n", missing);
	assert_complaint(missing, complaint, 127);
	snprintf(complaint, sizeof(complaint), "%s: Permission denied\n",
		 plain);
	assert_complaint(plain, complaint, 126);
}

static void
assert_serves(char **argv)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	if (nbd_connect_command(h, argv) != 0)
		fail_msg("%s", nbd_get_error());
	assert_int_equal(nbd_get_size(h), 1 << 20);
	assert_int_equal(nbd_shutdown(h, 0), 0);
}

static void
a_script_without_an_interpreter_is_the_shells(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *script = make_program(
		dir, "serve", 0755,
		"test \"$1\" = 'a b' && exec nbdkit -s memory \"$2\"\n");

	(void)state;
	assert_serves(WORDS(script, "a b", "1M"));
}

/* A file that may not be run is not what is looked for. */
static void
the_search_goes_on_behind_what_cannot_be_run(void **state)
{
	CLEANUP_WORKDIR char *first = workdir_make();
	CLEANUP_WORKDIR char *second = workdir_make();
	CLEANUP_FREE char *wrong = make_program(first, "my-server", 0644, "");
	CLEANUP_FREE char *right = make_program(
		second, "my-server", 0755,
		"#!/bin/sh\nexec nbdkit -s memory 1M\n");
	CLEANUP_FREE char *saved = strdup(getenv("PATH"));
	CLEANUP_FREE char *path = NULL;

	(void)state;
	assert_true(asprintf(&path, "/no/such/directory:%s:%s:%s", first,
			     second, saved) > 0);
	setenv("PATH", path, 1);
	assert_serves(WORDS("my-server"));
	setenv("PATH", saved, 1);
}

/* A program that ignores SIGPIPE does so for itself. */
static void
a_child_dies_of_broken_pipes(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *command = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *activated = nbd_create();
	char **argv = WORDS("sh", "-c", "kill -PIPE $$; exit 5");
	void (*saved)(int) = signal(SIGPIPE, SIG_IGN);

	(void)state;
	assert_int_equal(nbd_connect_command(command, argv), -1);
	assert_int_equal(nbd_connect_systemd_socket_activation(activated, argv),
			 -1);
	signal(SIGPIPE, saved);
	assert_int_equal(ending_of(command).si_code, CLD_KILLED);
	assert_int_equal(ending_of(command).si_status, SIGPIPE);
	assert_int_equal(ending_of(activated).si_code, CLD_KILLED);
	assert_int_equal(ending_of(activated).si_status, SIGPIPE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_run_is_told_on_standard_error),
		cmocka_unit_test(a_script_without_an_interpreter_is_the_shells),
		cmocka_unit_test(the_search_goes_on_behind_what_cannot_be_run),
		cmocka_unit_test(a_child_dies_of_broken_pipes),
	};

	unsetenv("LIBNBD_DEBUG");
	test_require_program("nbdkit");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
