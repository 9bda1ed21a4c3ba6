/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two clients of one volume whose server takes its time: one has thousands of
 * requests outstanding, the other asks now and then. What counts is how many of
 * the one's are answered while the other waits; times are told, not judged.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/config/configuration.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon.h"
#include "daemon/core/session.h"
#include "daemon/core/user.h"
#include "daemon/core/volume.h"
#include "tests/support/process.h"
#include "tests/support/server.h"
#include "tests/support/unit.h"

#define N_GREEDY    4096
#define N_MODEST    12
#define BLOCK       4096
#define CONNECTIONS 4
/* With two clients present each has an eighth of InFlight=, 64, on each
 * connection; and when one of these is answered the next one is sent. */
#define GREEDY_SHARE (CONNECTIONS * 8)

struct fixture {
	struct server server;
	struct daemon *daemon;
	struct volume *volume;
	struct client *greedy;
	struct client *modest;
	struct request *requests;
	atomic_uint n_answered;
	atomic_uint n_failed;
	sem_t all_answered;
	sem_t drained;
};

#define USER        12345
#define OTHER_USER  12346
#define USERS_LIMIT 500
#define USERS_BYTES (1024 * 1024)

static struct client *
add_client(struct daemon *daemon, uid_t uid)
{
	struct client_identity identity = {
		.pid = getpid(),
		.uid = uid,
		.gid = uid,
	};
	struct client *client = client_new(daemon, &identity);

	assert_non_null(client);
	return client;
}

static void
set_up_with(struct fixture *f, unsigned users_limit, uint64_t users_bytes)
{
	struct configuration *configuration = configuration_new();
	struct volume_settings *settings = volume_settings_new("disk");

	*f = (struct fixture){ 0 };
	server_start_line(&f->server, SERVER_UNIX,
			  "nbdkit --foreground --filter=delay memory 16M "
			  "rdelay=20ms");
	string_list_append(&settings->uris, f->server.uri);
	settings->connections_min = CONNECTIONS;
	settings->connections_max = CONNECTIONS;
	configuration_add_volume(configuration, settings);
	configuration->daemon.max_requests_of_user = users_limit;
	configuration->daemon.max_bytes_of_user = users_bytes;
	configuration->daemon.max_sessions_of_user = 0;
	configuration->daemon.max_clients_of_user = 2;
	f->daemon = daemon_new(configuration);
	assert_non_null(f->daemon);
	configuration_unref(configuration);
	f->greedy = add_client(f->daemon, USER);
	f->modest = add_client(f->daemon, OTHER_USER);
	f->volume = volume_find(f->daemon, "disk", f->greedy);
	assert_non_null(f->volume);
	f->requests = calloc(N_GREEDY, sizeof(*f->requests));
	sem_init(&f->all_answered, 0, 0);
	sem_init(&f->drained, 0, 0);
}

static void
set_up(struct fixture *f, unsigned users_limit)
{
	set_up_with(f, users_limit, 1ull << 30);
}

static void
on_drained(void *user)
{
	struct fixture *f = user;

	sem_post(&f->drained);
}

static void
tear_down(struct fixture *f)
{
	volume_unref(f->volume);
	client_gone(f->greedy);
	client_gone(f->modest);
	daemon_drain(f->daemon, clock_now() + 5000000000ull, on_drained, f);
	sem_wait(&f->drained);
	client_unref(f->greedy);
	client_unref(f->modest);
	daemon_free(f->daemon);
	sem_destroy(&f->drained);
	sem_destroy(&f->all_answered);
	free(f->requests);
	server_stop(&f->server);
}

static void
on_greedy_done(struct request *request)
{
	struct fixture *f = request->user;

	f->n_failed += request->failure.errnum != 0;
	request_done(request);
	if (++f->n_answered == N_GREEDY)
		sem_post(&f->all_answered);
}

static void
submit_greedy(struct fixture *f)
{
	for (unsigned i = 0; i < N_GREEDY; i++) {
		f->requests[i] = (struct request){
			.command = REQUEST_READ,
			.offset = i % 1024 * BLOCK,
			.length = BLOCK,
			.client = f->greedy,
			.on_done = on_greedy_done,
			.user = f,
		};
		volume_submit(f->volume, &f->requests[i]);
	}
}

static void
on_modest_done(struct request *request)
{
	sem_post(request->user);
}

/* Nanoseconds that it took; how many of the other's were answered meanwhile. */
static uint64_t
read_modestly(struct fixture *f, unsigned *n_others)
{
	unsigned before = f->n_answered;
	uint64_t start = clock_now();
	sem_t done;
	struct request request = {
		.command = REQUEST_READ,
		.length = BLOCK,
		.client = f->modest,
		.on_done = on_modest_done,
		.user = &done,
	};

	sem_init(&done, 0, 0);
	volume_submit(f->volume, &request);
	sem_wait(&done);
	*n_others = f->n_answered - before;
	sem_destroy(&done);
	assert_int_equal(request.failure.errnum, 0);
	request_done(&request);
	return clock_now() - start;
}

static void
a_client_with_thousands_of_requests_delays_another_by_a_few(void **state)
{
	struct fixture f;
	uint64_t alone = 0, beside = 0;
	unsigned most = 0;

	(void)state;
	set_up(&f, N_GREEDY);
	for (int i = 0; i < N_MODEST; i++) {
		unsigned none;
		uint64_t time = read_modestly(&f, &none);

		alone = time > alone ? time : alone;
	}
	submit_greedy(&f);
	for (int i = 0; i < N_MODEST; i++) {
		unsigned n;
		uint64_t time = read_modestly(&f, &n);

		beside = time > beside ? time : beside;
		most = n > most ? n : most;
	}
	/* Else it said nothing. */
	assert_true(f.n_answered < N_GREEDY);
	print_message("alone at most %.1f ms, beside %u others %.1f ms, with "
		      "at most %u of them answered meanwhile\n",
		      (double)alone / 1e6, N_GREEDY, (double)beside / 1e6,
		      most);
	assert_in_range(most, 0, 3 * GREEDY_SHARE);
	sem_wait(&f.all_answered);
	assert_int_equal(f.n_failed, 0);
	tear_down(&f);
}

/* The failure that comes at once, which names KEY, or 0. */
static int
try_to_read(struct fixture *f, struct client *client, uint64_t length,
	    const char *key)
{
	sem_t done;
	struct request request = {
		.command = REQUEST_READ,
		.length = length,
		.client = client,
		.on_done = on_modest_done,
		.user = &done,
	};
	int errnum;

	sem_init(&done, 0, 0);
	volume_submit(f->volume, &request);
	sem_wait(&done);
	sem_destroy(&done);
	errnum = request.failure.errnum;
	if (errnum)
		assert_non_null(strstr(failure_text(&request.failure), key));
	request_done(&request);
	return errnum;
}

/* The server stands still meanwhile, so that all of the limit is taken however
 * long it takes to submit them; another program of the same user gets nothing,
 * because of the limit KEY. */
static void
take_all_of_the_limit(struct fixture *f, struct client *second, const char *key)
{
	process_stop(f->server.pid);
	submit_greedy(f);
	assert_int_equal(try_to_read(f, second, BLOCK, key), EDQUOT);
	process_signal(f->server.pid, SIGCONT);
}

static int
try_as(struct fixture *f, struct client *client)
{
	return try_to_read(f, client, BLOCK, "MaxRequestsPerUser=");
}

static void
programs_of_one_user_share_that_user_s_limits(void **state)
{
	struct client_identity identity = { .uid = USER, .gid = USER };
	struct failure failure = { 0 };
	struct client *second;
	struct fixture f;

	(void)state;
	set_up(&f, USERS_LIMIT);
	second = add_client(f.daemon, USER);
	assert_null(client_new(f.daemon, &identity));
	assert_int_equal(errno, EUSERS);
	take_all_of_the_limit(&f, second, "MaxRequestsPerUser=");
	assert_int_equal(try_as(&f, f.modest), 0);
	sem_wait(&f.all_answered);
	assert_int_equal(f.n_failed, N_GREEDY - USERS_LIMIT);
	/* All is given back. */
	assert_int_equal(try_as(&f, second), 0);
	assert_int_equal(second->user->requests, 0);
	assert_int_equal(second->user->bytes, 0);
	assert_int_equal(f.greedy->bytes_in_flight, 0);
	assert_null(session_open(f.daemon, second, "disk", 0, NULL, NULL,
				 &failure));
	assert_int_equal(failure.errnum, EUSERS);
	failure_done(&failure);
	client_gone(second);
	client_unref(second);
	tear_down(&f);
}

static void
and_that_user_s_bytes(void **state)
{
	struct client *second;
	struct fixture f;

	(void)state;
	set_up_with(&f, N_GREEDY, USERS_BYTES);
	second = add_client(f.daemon, USER);
	take_all_of_the_limit(&f, second, "MaxBytesPerUser=");
	assert_int_equal(try_as(&f, f.modest), 0);
	sem_wait(&f.all_answered);
	assert_int_equal(f.n_failed, N_GREEDY - USERS_BYTES / BLOCK);
	/* One alone may be as large as it wants. */
	assert_int_equal(try_to_read(&f, second, 4 * USERS_BYTES, ""), 0);
	assert_int_equal(second->user->bytes, 0);
	client_gone(second);
	client_unref(second);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_client_with_thousands_of_requests_delays_another_by_a_few),
		cmocka_unit_test(programs_of_one_user_share_that_user_s_limits),
		cmocka_unit_test(and_that_user_s_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
