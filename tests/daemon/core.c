/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The core without the RPC layer: several threads submit, look, open and close
 * at once. What the thread sanitizer can
 * say of the daemon it says here, because gRPC is not built for it.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/config/configuration.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon.h"
#include "daemon/core/session.h"
#include "daemon/core/volume.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/server.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define MIB       (1024 * 1024)
#define BLOCK     (16 * 1024)
#define N_THREADS 4
#define SHARE     (4 * MIB)

struct fixture {
	struct server server;
	struct daemon *daemon;
	struct client *client;
	struct volume *volume;
	sem_t drained;
};

static void
set_up(struct fixture *f, const char *server)
{
	struct configuration *configuration = configuration_new();
	struct volume_settings *settings = volume_settings_new("disk");
	struct client_identity identity = { .pid = getpid() };

	server_start_line(&f->server, SERVER_UNIX, server);
	string_list_append(&settings->uris, f->server.uri);
	settings->connections_max = 3;
	configuration->daemon.ad_hoc_transports = 0x7;
	configuration->daemon.ad_hoc_users.is_everyone = true;
	configuration_add_volume(configuration, settings);
	f->daemon = daemon_new(configuration);
	assert_non_null(f->daemon);
	configuration_unref(configuration);
	f->client = client_new(f->daemon, &identity);
	assert_non_null(f->client);
	f->volume = volume_find(f->daemon, "disk", f->client);
	assert_non_null(f->volume);
	sem_init(&f->drained, 0, 0);
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
	client_gone(f->client);
	daemon_drain(f->daemon, clock_now() + 5000000000ull, on_drained, f);
	sem_wait(&f->drained);
	client_unref(f->client);
	daemon_free(f->daemon);
	sem_destroy(&f->drained);
	server_stop(&f->server);
}

/* One request at a time, waited for. */
struct waiter {
	struct request request;
	sem_t done;
	uint64_t n_extents;
};

static void
on_done(struct request *request)
{
	struct waiter *waiter = request->user;

	sem_post(&waiter->done);
}

static void
on_extents(struct request *request, const char *context, uint64_t offset,
	   const struct request_extent *extents, size_t n)
{
	struct waiter *waiter = request->user;

	(void)context;
	(void)offset;
	(void)extents;
	waiter->n_extents += n;
}

static void
carry_out(struct fixture *f, struct waiter *waiter)
{
	waiter->request.on_done = on_done;
	waiter->request.on_extents = on_extents;
	waiter->request.user = waiter;
	waiter->request.client = f->client;
	sem_init(&waiter->done, 0, 0);
	volume_submit(f->volume, &waiter->request);
	sem_wait(&waiter->done);
	sem_destroy(&waiter->done);
	if (waiter->request.failure.errnum) {
		fprintf(stderr, "%s\n", failure_text(&waiter->request.failure));
		abort();
	}
}

struct worker {
	struct fixture *f;
	unsigned number;
	pthread_t thread;
};

static void
write_block(struct fixture *f, uint64_t offset)
{
	struct waiter waiter = { .request.command = REQUEST_WRITE,
				 .request.offset = offset };

	if (buffer_allocate(&waiter.request.payload, BLOCK) < 0)
		abort();
	pattern_fill(waiter.request.payload.data, BLOCK, 9, offset);
	carry_out(f, &waiter);
	request_done(&waiter.request);
}

static void
read_block(struct fixture *f, uint64_t offset)
{
	struct waiter waiter = { .request.command = REQUEST_READ,
				 .request.offset = offset,
				 .request.length = BLOCK };

	carry_out(f, &waiter);
	if (pattern_mismatch(waiter.request.payload.data, BLOCK, 9, offset) !=
	    BLOCK)
		abort();
	request_done(&waiter.request);
}

static void *
write_and_read(void *argument)
{
	struct worker *worker = argument;
	uint64_t start = (uint64_t)worker->number * SHARE;

	for (uint64_t at = start; at < start + SHARE; at += BLOCK)
		write_block(worker->f, at);
	for (uint64_t at = start; at < start + SHARE; at += BLOCK)
		read_block(worker->f, at);
	return NULL;
}

static void
look_around(struct fixture *f)
{
	struct volume_description description;
	struct connection_description *connections = NULL;
	struct client_description *clients;
	struct volume **volumes;
	size_t n = 0;

	assert_int_equal(volume_describe(f->volume, f->client, &description),
			 0);
	volume_description_done(&description);
	assert_int_equal(
		volume_describe_connections(f->volume, &connections, &n), 0);
	connection_descriptions_done(connections, n);
	assert_int_equal(clients_describe(f->daemon, &clients, &n), 0);
	assert_int_equal(n, 1);
	free(clients);
	assert_int_equal(volumes_list(f->daemon, f->client, &volumes, &n), 0);
	volumes_unref(volumes, n);
}

struct opening {
	sem_t done;
	struct volume *volume;
	char *why;
};

static void
on_open(void *user, struct volume *volume, const struct failure *failure)
{
	struct opening *opening = user;

	opening->volume = volume;
	if (failure)
		opening->why = strdup(failure_text(failure));
	sem_post(&opening->done);
}

static void
open_and_close(struct fixture *f)
{
	struct ad_hoc_options options = { .uri = f->server.uri };
	struct opening opening = { 0 };
	struct failure failure = { 0 };

	sem_init(&opening.done, 0, 0);
	volume_open_ad_hoc(f->daemon, f->client, &options, on_open, &opening);
	sem_wait(&opening.done);
	if (!opening.volume)
		fail_msg("%s", opening.why);
	assert_int_equal(volume_close(f->daemon, f->client,
				      volume_name(opening.volume), &failure),
			 0);
	volume_unref(opening.volume);
	sem_destroy(&opening.done);
}

struct talk {
	sem_t answered;
	sem_t closed;
	enum session_event_kind kind;
	uint64_t size;
};

static void
on_event(struct session *session, const struct session_event *event, void *user)
{
	struct talk *talk = user;

	(void)session;
	talk->kind = event->kind;
	if (event->n_exports > 0)
		talk->size = event->exports[0].size;
	sem_post(&talk->answered);
}

static void
on_session_closed(void *user)
{
	struct talk *talk = user;

	sem_post(&talk->closed);
}

static void
negotiate(struct fixture *f)
{
	struct talk talk = { 0 };
	struct failure failure = { 0 };
	struct session *session;

	sem_init(&talk.answered, 0, 0);
	sem_init(&talk.closed, 0, 0);
	session = session_open(f->daemon, f->client, "disk", 0, on_event, &talk,
			       &failure);
	assert_non_null(session);
	sem_wait(&talk.answered);
	assert_int_equal(talk.kind, SESSION_CONNECTED);
	session_list(session, 0);
	sem_wait(&talk.answered);
	assert_int_equal(talk.kind, SESSION_LISTED);
	session_info(session, NULL, 0);
	sem_wait(&talk.answered);
	assert_int_equal(talk.kind, SESSION_INFO);
	assert_int_equal(talk.size, N_THREADS * SHARE);
	session_go(session, NULL, 0);
	sem_wait(&talk.answered);
	assert_int_equal(talk.kind, SESSION_GONE);
	session_close(session, on_session_closed);
	sem_wait(&talk.closed);
	sem_destroy(&talk.answered);
	sem_destroy(&talk.closed);
}

static void
threads_submit_look_open_and_negotiate_at_once(void **state)
{
	struct fixture f;
	struct worker workers[N_THREADS];

	(void)state;
	set_up(&f, "nbdkit --foreground --filter=delay memory 16M wdelay=1ms");
	for (unsigned i = 0; i < N_THREADS; i++) {
		workers[i] = (struct worker){ .f = &f, .number = i };
		pthread_create(&workers[i].thread, NULL, write_and_read,
			       &workers[i]);
	}
	for (int i = 0; i < 10; i++) {
		look_around(&f);
		open_and_close(&f);
		negotiate(&f);
	}
	for (unsigned i = 0; i < N_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	tear_down(&f);
}

static void
the_whole_disk_is_mapped_zeroed_and_flushed(void **state)
{
	struct fixture f;
	struct waiter write = { .request.command = REQUEST_WRITE,
				.request.offset = 1 * MIB };
	struct waiter map = { .request.command = REQUEST_BLOCK_STATUS };
	struct waiter zero = { .request.command = REQUEST_ZERO };
	struct waiter flush = { .request.command = REQUEST_FLUSH };

	(void)state;
	/* Larger than 32 bits, so that commands must be split. */
	set_up(&f, "nbdkit --foreground memory 10G");
	assert_int_equal(buffer_allocate(&write.request.payload, MIB), 0);
	memset(write.request.payload.data, 1, MIB);
	carry_out(&f, &write);
	carry_out(&f, &map);
	/* Hole, data, hole; the last in as many pieces as it takes. */
	assert_true(map.n_extents >= 3);
	zero.request.length = 10ull << 30;
	carry_out(&f, &zero);
	carry_out(&f, &flush);
	request_done(&write.request);
	request_done(&map.request);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			threads_submit_look_open_and_negotiate_at_once),
		cmocka_unit_test(the_whole_disk_is_mapped_zeroed_and_flushed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
