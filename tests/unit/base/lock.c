/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lock of a handle: one holder at a time, and no waiter is forgotten. */
#include "client-lib/base/lock.h"

#include <errno.h>
#include <pthread.h>

#include "tests/support/unit.h"

enum {
	N_THREADS = 4,
	N_ROUNDS = 20000,
};

struct shared {
	struct lock lock;
	long counter; /* not atomic: the lock is what makes it right */
};

static void *
count(void *data)
{
	struct shared *shared = data;

	for (int i = 0; i < N_ROUNDS; i++) {
		lock_take(&shared->lock);
		shared->counter++;
		lock_release(&shared->lock);
	}
	return NULL;
}

static void
no_count_is_lost_and_every_thread_ends(void **state)
{
	struct shared shared = { 0 };
	pthread_t threads[N_THREADS];

	(void)state;
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, count, &shared), 0);
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(shared.counter, (long)N_THREADS * N_ROUNDS);
	assert_int_equal(atomic_load(&shared.lock.word), LOCK_FREE);
}

static void *
take_once(void *data)
{
	struct shared *shared = data;

	lock_take(&shared->lock);
	shared->counter++;
	lock_release(&shared->lock);
	return NULL;
}

static void
waiters_sleep_until_the_lock_is_released(void **state)
{
	struct shared shared = { 0 };
	pthread_t threads[N_THREADS];

	(void)state;
	lock_take(&shared.lock);
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, take_once, &shared),
			0);
	/* Not before one of them says that it is going to sleep. */
	while (atomic_load(&shared.lock.word) != LOCK_AWAITED)
		sched_yield();
	assert_int_equal(shared.counter, 0);
	errno = EXDEV;
	lock_release(&shared.lock);
	assert_int_equal(errno, EXDEV);
	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(shared.counter, N_THREADS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_count_is_lost_and_every_thread_ends),
		cmocka_unit_test(waiters_sleep_until_the_lock_is_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
