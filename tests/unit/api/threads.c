/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One handle, several threads: one waits in nbd_poll(), the others issue
 * commands and retire them, lock-free readers look on. Meant for the thread
 * sanitizer.
 */
#include <errno.h>
#include <libnbd.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/support/server.h"
#include "tests/unit/api/support.h"

enum {
	N_WRITERS = 4,
	N_ROUNDS = 200,
	BLOCK = 512,
};

static struct server server;

static int
start_server(void **state)
{
	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

struct shared {
	struct nbd_handle *h;
	sem_t pending; /* posted per command, so that the poller may sleep */
	atomic_int n_completed;
	atomic_int n_failed;
	atomic_bool is_over;
};

struct waiter {
	struct shared *shared;
	sem_t done;
};

static int
wake(void *data, int *error)
{
	struct waiter *waiter = data;

	if (*error)
		atomic_fetch_add(&waiter->shared->n_failed, 1);
	atomic_fetch_add(&waiter->shared->n_completed, 1);
	sem_post(&waiter->done);
	return 1;
}

/* Writes a block of its own again and again and reads it back. */
static void *
write_and_read(void *data)
{
	struct shared *shared = data;
	struct waiter waiter = { .shared = shared };
	nbd_completion_callback completion = { wake, &waiter, NULL };
	static atomic_int n_writers;
	int number = atomic_fetch_add(&n_writers, 1);
	uint64_t offset = (uint64_t)number * BLOCK;
	char written[BLOCK];
	char seen[BLOCK];

	sem_init(&waiter.done, 0, 0);
	for (int round = 0; round < N_ROUNDS; round++) {
		memset(written, number + round, sizeof(written));
		if (nbd_aio_pwrite(shared->h, written, BLOCK, offset,
				   completion, 0) < 0)
			atomic_fetch_add(&shared->n_failed, 1);
		sem_post(&shared->pending);
		sem_wait(&waiter.done);
		if (nbd_aio_pread(shared->h, seen, BLOCK, offset, completion,
				  0) < 0)
			atomic_fetch_add(&shared->n_failed, 1);
		sem_post(&shared->pending);
		sem_wait(&waiter.done);
		if (memcmp(written, seen, BLOCK) != 0)
			atomic_fetch_add(&shared->n_failed, 1);
	}
	sem_destroy(&waiter.done);
	return NULL;
}

/* Only while something is in flight does waiting for the server end. */
static void *
poll_for_all(void *data)
{
	struct shared *shared = data;

	for (int i = 0; i < N_WRITERS * N_ROUNDS * 2; i++) {
		sem_wait(&shared->pending);
		while (atomic_load(&shared->n_completed) <= i)
			if (nbd_poll(shared->h, -1) < 0) {
				atomic_fetch_add(&shared->n_failed, 1);
				return NULL;
			}
	}
	return NULL;
}

static void *
look_on(void *data)
{
	struct shared *shared = data;

	while (!atomic_load(&shared->is_over)) {
		if (nbd_aio_is_dead(shared->h) || nbd_aio_is_closed(shared->h))
			atomic_fetch_add(&shared->n_failed, 1);
		(void)nbd_aio_get_direction(shared->h);
		(void)nbd_get_private_data(shared->h);
		sched_yield();
	}
	return NULL;
}

static void
threads_share_a_handle(void **state)
{
	struct shared shared = { .h = nbd_create() };
	pthread_t writers[N_WRITERS];
	pthread_t poller;
	pthread_t reader;

	(void)state;
	sem_init(&shared.pending, 0, 0);
	assert_int_equal(nbd_connect_uri(shared.h, server.uri), 0);
	assert_int_equal(pthread_create(&poller, NULL, poll_for_all, &shared),
			 0);
	assert_int_equal(pthread_create(&reader, NULL, look_on, &shared), 0);
	for (int i = 0; i < N_WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL,
						write_and_read, &shared),
				 0);
	for (int i = 0; i < N_WRITERS; i++)
		pthread_join(writers[i], NULL);
	pthread_join(poller, NULL);
	atomic_store(&shared.is_over, true);
	pthread_join(reader, NULL);
	assert_int_equal(atomic_load(&shared.n_failed), 0);
	assert_int_equal(atomic_load(&shared.n_completed),
			 N_WRITERS * N_ROUNDS * 2);
	assert_int_equal(nbd_shutdown(shared.h, 0), 0);
	nbd_close(shared.h);
	sem_destroy(&shared.pending);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_share_a_handle),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
