/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server of a volume with Command=. memcheck looks at this program, too, and
 * so at what runs between fork and exec; as valgrind does not know pidfd_open(),
 * a pipe that a thread closes stands for the descriptor.
 */
#include "daemon/core/child.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/unit.h"
#include "tests/support/workdir.h"

struct fixture {
	char *dir;
	char path[128];
	struct loop *loop;
	struct child *child;
	struct message message;
	const struct string_list *command;
	void (*act)(struct fixture *f);
	sem_t done, exited;
	char how[128];
	bool was_asked;
};

static struct {
	pthread_t thread;
	pid_t pid;
	int fd;
} waiter;

static void *
wait_for_exit(void *user)
{
	siginfo_t info;

	(void)user;
	waitid(P_PID, (id_t)waiter.pid, &info, WEXITED | WNOWAIT);
	close(waiter.fd);
	return NULL;
}

int __wrap_pidfd_open(pid_t pid, unsigned flags);

int
__wrap_pidfd_open(pid_t pid, unsigned flags)
{
	int fds[2];

	(void)flags;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	waiter.pid = pid;
	waiter.fd = fds[1];
	if (pthread_create(&waiter.thread, NULL, wait_for_exit, NULL) != 0)
		abort();
	return fds[0];
}

static void
await(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0)
		;
}

static void
on_message(struct message *message)
{
	struct fixture *f = container_of(message, struct fixture, message);

	f->act(f);
	sem_post(&f->done);
}

static void
on_loop(struct fixture *f, void (*act)(struct fixture *f))
{
	f->act = act;
	loop_send(f->loop, &f->message);
	await(&f->done);
}

static void
on_exit_of_server(void *user, const char *how)
{
	struct fixture *f = user;

	f->was_asked = !how;
	snprintf(f->how, sizeof(f->how), "%s", how ? how : "");
	sem_post(&f->exited);
}

static void
make(struct fixture *f)
{
	f->child = child_new(f->loop, "disk", f->path, f->command,
			     on_exit_of_server, f);
}

static void
start(struct fixture *f)
{
	assert_int_equal(child_start(f->child), 0);
}

static void
stop(struct fixture *f)
{
	child_stop(f->child);
}

static void
release(struct fixture *f)
{
	child_free(f->child);
}

static void
set_up(struct fixture *f, const char *const *words)
{
	struct string_list command = { 0 };

	*f = (struct fixture){ .dir = workdir_make() };
	snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	sem_init(&f->done, 0, 0);
	sem_init(&f->exited, 0, 0);
	f->message.run = on_message;
	for (; *words; words++)
		assert_int_equal(string_list_append(&command, *words), 0);
	f->command = &command;
	f->loop = loop_new(0);
	assert_non_null(f->loop);
	on_loop(f, make);
	assert_non_null(f->child);
	string_list_done(&command);
}

static void
await_exit(struct fixture *f)
{
	await(&f->exited);
	pthread_join(waiter.thread, NULL);
}

static void
tear_down(struct fixture *f)
{
	on_loop(f, release);
	loop_free(f->loop);
	sem_destroy(&f->done);
	sem_destroy(&f->exited);
	workdir_remove(f->dir);
}

/* Runs WORDS to its end, twice. */
static void
expect_end(const char *const *words, const char *how)
{
	struct fixture f;

	set_up(&f, words);
	for (int i = 0; i < 2; i++) {
		on_loop(&f, start);
		await_exit(&f);
		assert_false(f.was_asked);
		assert_string_equal(f.how, how);
	}
	tear_down(&f);
}

static void
its_end_is_told_and_it_can_be_started_again(void **state)
{
	(void)state;
	expect_end((const char *[]){ "sh", "-c", "exit 3", NULL },
		   "ended with exit status 3");
	expect_end((const char *[]){ "sh", "-c", "kill -KILL $$", NULL },
		   "was killed by signal 9 (Killed)");
}

static void
what_is_no_program_could_not_be_started(void **state)
{
	(void)state;
	expect_end((const char *[]){ "/nowhere/nothing", NULL },
		   "could not be started");
}

static void
it_gets_the_socket_as_from_systemd_and_nothing_else(void **state)
{
	(void)state;
	expect_end(
		(const char *[]){
			"sh", "-c",
			"test $LISTEN_FDS = 1 && test $LISTEN_PID = $$ && "
			"test -S /proc/self/fd/3 && "
			"! test -e /proc/self/fd/4 && exit 7",
			NULL },
		"ended with exit status 7");
}

static void
it_ends_when_asked_and_its_socket_goes(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, (const char *[]){ "sleep", "100000", NULL });
	assert_int_equal(access(f.path, F_OK), 0);
	on_loop(&f, start);
	on_loop(&f, stop);
	await_exit(&f);
	assert_true(f.was_asked);
	assert_int_not_equal(access(f.path, F_OK), 0);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_end_is_told_and_it_can_be_started_again),
		cmocka_unit_test(what_is_no_program_could_not_be_started),
		cmocka_unit_test(
			it_gets_the_socket_as_from_systemd_and_nothing_else),
		cmocka_unit_test(it_ends_when_asked_and_its_socket_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
