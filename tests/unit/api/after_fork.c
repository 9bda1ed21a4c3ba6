/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the library does in a child between fork() and exec(): another thread
 * may have held any lock when the program forked, so nothing there may allocate
 * or lock. This program is linked so that its own calls of such functions pass
 * through here; those that a child makes are counted.
 */
#include <errno.h>
#include <libnbd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"
#include "tests/support/workdir.h"
#include "tests/unit/api/support.h"

static pid_t parent;
static atomic_uint *n_calls; /* shared with the children */

static void
look(void)
{
	if (parent && getpid() != parent)
		++*n_calls;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *pointer, size_t size);
void __real_free(void *pointer);
char *__real_strdup(const char *text);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
void __wrap_free(void *pointer);
char *__wrap_strdup(const char *text);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

void *
__wrap_malloc(size_t size)
{
	look();
	return __real_malloc(size);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	look();
	return __real_calloc(n, size);
}

void *
__wrap_realloc(void *pointer, size_t size)
{
	look();
	return __real_realloc(pointer, size);
}

void
__wrap_free(void *pointer)
{
	look();
	__real_free(pointer);
}

char *
__wrap_strdup(const char *text)
{
	look();
	return __real_strdup(text);
}

int
__wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	look();
	return __real_pthread_mutex_lock(mutex);
}

static int
begin(void **state)
{
	(void)state;
	test_require_program("nbdkit");
	n_calls = mmap(NULL, sizeof(*n_calls), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(n_calls != MAP_FAILED);
	parent = getpid();
	return 0;
}

static void
a_call_of_a_child_is_seen(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		/* Its address keeps the compiler from leaving both out. */
		void *volatile pointer = malloc(1);

		free(pointer);
		_exit(0);
	}
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(*n_calls, 2);
	*n_calls = 0;
}

typedef int connect_function(struct nbd_handle *h, char **argv);

/* Closing the handle waits for the child. */
static void
run(connect_function *connect_by, char **words, bool succeeds)
{
	struct nbd_handle *h = nbd_create();

	assert_int_equal(connect_by(h, words), succeeds ? 0 : -1);
	nbd_close(h);
	assert_int_equal(*n_calls, 0);
}

static void
a_command_is_begun_without_locks_and_memory(void **state)
{
	(void)state;
	run(nbd_connect_command, WORDS("nbdkit", "-s", "memory", "1M"), true);
}

static void
an_activated_server_is_begun_without_locks_and_memory(void **state)
{
	(void)state;
	run(nbd_connect_systemd_socket_activation,
	    WORDS("nbdkit", "memory", "1M"), true);
}

static void
nor_does_a_failure_need_them(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *script = workdir_text_file(dir, "script", "exit 0");

	(void)state;
	assert_int_equal(chmod(script, 0700), 0);
	run(nbd_connect_command, WORDS("no-such-program"), false);
	run(nbd_connect_command, WORDS(dir), false);
	run(nbd_connect_command, WORDS(script), false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_of_a_child_is_seen),
		cmocka_unit_test(a_command_is_begun_without_locks_and_memory),
		cmocka_unit_test(
			an_activated_server_is_begun_without_locks_and_memory),
		cmocka_unit_test(nor_does_a_failure_need_them),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, begin, NULL);
}
