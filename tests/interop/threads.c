/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several connections to one disk, several threads, one handle shared. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"

enum {
	N_THREADS = 4,
	N_ROUNDS = 30,
	BLOCK = 4096
};

static void
what_one_connection_writes_the_other_reads(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *writer = fixture_open(fixture);
	struct nbd_handle *reader = fixture_open(fixture);
	uint8_t out[BLOCK];
	uint8_t in[BLOCK];

	assert_int_equal(nbd_can_multi_conn(writer), 1);
	for (uint64_t i = 0; i < 20; i++) {
		pattern_fill(out, BLOCK, i, 0);
		assert_nbd_ok(nbd_pwrite(writer, out, BLOCK, 0, 0));
		assert_nbd_ok(nbd_flush(writer, 0));
		assert_nbd_ok(nbd_pread(reader, in, BLOCK, 0, 0));
		assert_memory_equal(in, out, BLOCK);
	}
	assert_nbd_ok(nbd_shutdown(writer, 0));
	assert_nbd_ok(nbd_shutdown(reader, 0));
	nbd_close(writer);
	nbd_close(reader);
}

/* A thread with its own handle and its own part of the disk. */
struct worker {
	const struct fixture *fixture;
	pthread_t thread;
	uint64_t begin;
	int n_wrong;
};

static int
work_once(struct nbd_handle *h, const struct worker *worker, uint64_t round)
{
	uint64_t offset = worker->begin + round % 16 * BLOCK;
	uint8_t buffer[BLOCK];

	pattern_fill(buffer, BLOCK, round, offset);
	if (nbd_pwrite(h, buffer, BLOCK, offset, 0) < 0)
		return 1;
	memset(buffer, 0, BLOCK);
	if (nbd_pread(h, buffer, BLOCK, offset, 0) < 0)
		return 1;
	return pattern_mismatch(buffer, BLOCK, round, offset) != BLOCK;
}

static void *
work_alone(void *user_data)
{
	struct worker *worker = user_data;
	const struct server *server = &worker->fixture->server;
	struct nbd_handle *h = fixture_new_handle(worker->fixture);
	uint8_t byte;
	int result;

	result = server->socket ? nbd_connect_unix(h, server->socket)
				: nbd_connect_tcp(h, "127.0.0.1", server->port);
	if (result < 0)
		worker->n_wrong++;
	for (uint64_t i = 0; i < N_ROUNDS && worker->n_wrong == 0; i++)
		worker->n_wrong += work_once(h, worker, i);
	/* Errors belong to the thread they happened in. */
	if (nbd_pread(h, &byte, 1, UINT64_MAX, 0) != -1 ||
	    nbd_get_errno() != EINVAL)
		worker->n_wrong++;
	if (nbd_shutdown(h, 0) < 0)
		worker->n_wrong++;
	nbd_close(h);
	return NULL;
}

static void
threads_with_handles_of_their_own(void **state)
{
	struct worker workers[N_THREADS];

	for (unsigned i = 0; i < N_THREADS; i++) {
		workers[i] = (struct worker){
			.fixture = *state,
			.begin = (uint64_t)i << 20,
		};
		assert_int_equal(pthread_create(&workers[i].thread, NULL,
						work_alone, &workers[i]),
				 0);
	}
	for (unsigned i = 0; i < N_THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].n_wrong, 0);
	}
}

static void *
work_shared(void *user_data)
{
	struct worker *worker = user_data;

	for (uint64_t i = 0; i < N_ROUNDS && worker->n_wrong == 0; i++)
		worker->n_wrong += work_once(worker->fixture->h, worker, i);
	return NULL;
}

static void
threads_that_share_a_handle(void **state)
{
	struct worker workers[N_THREADS];

	for (unsigned i = 0; i < N_THREADS; i++) {
		workers[i] = (struct worker){
			.fixture = *state,
			.begin = (uint64_t)i << 20,
		};
		assert_int_equal(pthread_create(&workers[i].thread, NULL,
						work_shared, &workers[i]),
				 0);
	}
	for (unsigned i = 0; i < N_THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].n_wrong, 0);
	}
}

/* As nbdfuse does: many threads issue, one thread polls. */
struct poller {
	struct nbd_handle *h;
	atomic_bool is_over;
	atomic_uint n_failed;
};

static void *
poll_all_the_time(void *user_data)
{
	struct poller *poller = user_data;

	while (!atomic_load(&poller->is_over))
		if (nbd_poll(poller->h, 5) < 0)
			atomic_fetch_add(&poller->n_failed, 1);
	return NULL;
}

struct issuer {
	struct nbd_handle *h;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
	int n_wrong;
};

static int
on_completion(void *user_data, int *error)
{
	struct issuer *issuer = user_data;

	pthread_mutex_lock(&issuer->lock);
	if (*error)
		issuer->n_wrong++;
	issuer->is_done = true;
	pthread_cond_signal(&issuer->done);
	pthread_mutex_unlock(&issuer->lock);
	return 0;
}

static void
issue_once(struct issuer *issuer, uint64_t round)
{
	nbd_completion_callback completion = { .callback = on_completion,
					       .user_data = issuer };
	uint8_t buffer[512];
	int64_t cookie;

	issuer->is_done = false;
	cookie = nbd_aio_pread(issuer->h, buffer, sizeof(buffer),
			       round % 64 * 512, completion, 0);
	if (cookie < 0) {
		issuer->n_wrong++;
		return;
	}
	pthread_mutex_lock(&issuer->lock);
	while (!issuer->is_done)
		pthread_cond_wait(&issuer->done, &issuer->lock);
	pthread_mutex_unlock(&issuer->lock);
	/* The callback has been called: it must be done by now. */
	if (nbd_aio_command_completed(issuer->h, (uint64_t)cookie) != 1)
		issuer->n_wrong++;
}

static void *
issue_many(void *user_data)
{
	struct issuer *issuer = user_data;

	for (uint64_t i = 0; i < N_ROUNDS; i++)
		issue_once(issuer, i);
	return NULL;
}

static void
threads_that_issue_while_one_polls(void **state)
{
	const struct fixture *fixture = *state;
	struct poller poller = { .h = fixture->h };
	struct issuer issuers[N_THREADS];
	pthread_t thread;

	assert_int_equal(
		pthread_create(&thread, NULL, poll_all_the_time, &poller), 0);
	for (unsigned i = 0; i < N_THREADS; i++) {
		issuers[i] = (struct issuer){ .h = fixture->h };
		pthread_mutex_init(&issuers[i].lock, NULL);
		pthread_cond_init(&issuers[i].done, NULL);
		assert_int_equal(pthread_create(&issuers[i].thread, NULL,
						issue_many, &issuers[i]),
				 0);
	}
	for (unsigned i = 0; i < N_THREADS; i++) {
		pthread_join(issuers[i].thread, NULL);
		assert_int_equal(issuers[i].n_wrong, 0);
		pthread_mutex_destroy(&issuers[i].lock);
		pthread_cond_destroy(&issuers[i].done);
	}
	atomic_store(&poller.is_over, true);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&poller.n_failed), 0);
}

/* As nbdcopy does: a completion of one handle issues on another. */
struct relay {
	struct nbd_handle *to;
	uint8_t buffer[BLOCK];
	bool is_written;
};

static int
on_written(void *user_data, int *error)
{
	struct relay *relay = user_data;

	assert_int_equal(*error, 0);
	relay->is_written = true;
	return 1;
}

static int
on_read(void *user_data, int *error)
{
	struct relay *relay = user_data;
	nbd_completion_callback completion = { .callback = on_written,
					       .user_data = relay };

	assert_int_equal(*error, 0);
	assert_nbd_ok(nbd_aio_pwrite(relay->to, relay->buffer, BLOCK, 1 << 20,
				     completion, 0));
	return 1;
}

static void
a_completion_issues_on_another_handle(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *from = fixture_open(fixture);
	struct relay relay = { .to = fixture_open(fixture) };
	nbd_completion_callback completion = { .callback = on_read,
					       .user_data = &relay };
	uint8_t data[BLOCK];

	pattern_fill(data, BLOCK, 77, 0);
	assert_nbd_ok(nbd_pwrite(from, data, BLOCK, 0, 0));
	assert_nbd_ok(
		nbd_aio_pread(from, relay.buffer, BLOCK, 0, completion, 0));
	while (nbd_aio_in_flight(from) > 0)
		assert_int_equal(nbd_poll(from, 30000), 1);
	while (!relay.is_written)
		assert_int_equal(nbd_poll(relay.to, 30000), 1);
	assert_nbd_ok(nbd_pread(from, data, BLOCK, 1 << 20, 0));
	assert_int_equal(pattern_mismatch(data, BLOCK, 77, 0), BLOCK);
	nbd_close(from);
	nbd_close(relay.to);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_one_connection_writes_the_other_reads),
		cmocka_unit_test(threads_with_handles_of_their_own),
		cmocka_unit_test(threads_that_share_a_handle),
		cmocka_unit_test(threads_that_issue_while_one_polls),
		cmocka_unit_test(a_completion_issues_on_another_handle),
	};

	fixture_check_library();
	return fixture_run_everywhere(tests, sizeof(tests) / sizeof(tests[0]),
				      CAN_MULTI);
}
