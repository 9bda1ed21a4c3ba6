/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reloads while volumes are at work: what is not touched goes on as if nothing
 * had happened, and what is changed begins when its old self is through.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "tests/daemon/harness.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/server.h"
#include "tests/support/unit.h"

#define KIB     1024
#define MIB     (1024 * 1024)
#define TIMEOUT 30000
#define READ    NBDCLIENTD__V1__COMMAND__COMMAND_READ
#define WRITE   NBDCLIENTD__V1__COMMAND__COMMAND_WRITE

struct fixture {
	struct server server;
	struct daemon_process daemon;
	struct client *client;
	struct client *other;
};

static void
put_disk(struct fixture *f, const char *settings)
{
	daemon_put_volume(&f->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n%s",
			  f->server.socket, settings);
}

static void
set_up(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	server_start_line(&f->server, SERVER_UNIX,
			  "nbdkit --foreground memory 32M");
	daemon_prepare(&f->daemon, "AdHocUsers=*\nAdHocTransports=unix\n");
	put_disk(f, "");
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
	daemon_await_volume(f->client, "disk", volume_is_ready);
}

static void
tear_down(struct fixture *f)
{
	client_free(f->client);
	daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	server_stop(&f->server);
}

/* NULL, or what was wrong. */
static const char *
reload(struct fixture *f, struct client *client, struct client_error *error)
{
	Nbdclientd__V1__ReloadRequest request =
		NBDCLIENTD__V1__RELOAD_REQUEST__INIT;
	void *response = client_call(client, RPC_ADMIN_RELOAD, &request,
				     TIMEOUT, error);

	codec_message_free(response);
	/* Also so that the socket where it tells that never fills up. */
	daemon_await(&f->daemon, "READY=1");
	return response ? NULL : error->message;
}

static void
reload_well(struct fixture *f, struct client *client)
{
	struct client_error error;
	const char *wrong = reload(f, client, &error);

	if (wrong)
		fail_msg("%s", wrong);
}

/* How many connections the volume has; *FIRST is the id of one. */
static size_t
connections_of(struct client *client, const char *name, uint64_t *first)
{
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;
	Nbdclientd__V1__ListConnectionsResponse *response;
	CLEANUP_FREE char *volume = strdup(name);
	struct client_error error;
	size_t n;

	request.volume = volume;
	response = client_call(client, RPC_ADMIN_LIST_CONNECTIONS, &request,
			       TIMEOUT, &error);
	if (!response)
		fail_msg("%s", error.message);
	n = response->n_connections;
	if (n > 0)
		*first = response->connections[0]->id;
	codec_message_free(response);
	return n;
}

/* Somebody who works on "disk" all the time. */
struct worker {
	struct fixture *f;
	pthread_t thread;
	atomic_bool is_asked_to_end;
	atomic_uint n_rounds;
	unsigned n_failed;
	unsigned n_wrong;
	struct client_error error;
};

static void
work_once(struct worker *worker, struct channel *channel, uint32_t command)
{
	struct load load = {
		.channel = channel,
		.command = command,
		.size = 4 * MIB,
		.block = 16 * KIB,
		.depth = 32,
		.seed = 3,
	};

	load_run(&load);
	worker->n_failed += load.n_failed;
	worker->n_wrong += load.n_wrong;
	if (load.n_failed)
		worker->error = load.first_error;
}

static void *
work(void *argument)
{
	struct worker *worker = argument;
	struct client *client = daemon_connect(&worker->f->daemon);
	struct channel *channel = channel_open(client, "disk", TIMEOUT,
					       &worker->error);

	if (!channel)
		abort();
	while (!worker->is_asked_to_end) {
		work_once(worker, channel, WRITE);
		work_once(worker, channel, READ);
		worker->n_rounds++;
	}
	channel_free(channel);
	client_free(client);
	return NULL;
}

static void
start_working(struct worker *worker, struct fixture *f)
{
	*worker = (struct worker){ .f = f };
	assert_int_equal(pthread_create(&worker->thread, NULL, work, worker),
			 0);
}

static void
end_work(struct worker *worker)
{
	worker->is_asked_to_end = true;
	pthread_join(worker->thread, NULL);
	if (worker->n_failed > 0)
		fail_msg("%u failed: %s", worker->n_failed,
			 worker->error.message);
	assert_int_equal(worker->n_wrong, 0);
}

static void
untouched_volumes_are_undisturbed(void **state)
{
	struct client_error error;
	struct worker worker;
	struct fixture f;
	uint64_t before = 0, after = 1;

	(void)state;
	set_up(&f);
	connections_of(f.client, "disk", &before);
	start_working(&worker, &f);
	for (int i = 0; i < 20 || worker.n_rounds < 3; i++) {
		daemon_put_volume(&f.daemon, "other",
				  "Uri=nbd+unix:///?socket=%s\n"
				  "Connections=%d\n",
				  f.server.socket, 1 + i % 4);
		reload_well(&f, f.client);
		daemon_await_volume(f.client, "other", volume_is_ready);
		/* A bad file among good ones. */
		daemon_put_volume(&f.daemon, "third", "Uri=nbd://\nSpeed=9\n");
		assert_non_null(reload(&f, f.client, &error));
		if (!strstr(error.message, "volumes.d/third.conf:3: "))
			fail_msg("%s", error.message);
		put_disk(&f, "Connections=none\n");
		assert_non_null(reload(&f, f.client, &error));
		put_disk(&f, "");
		daemon_remove_volume_file(&f.daemon, "third");
	}
	end_work(&worker);
	assert_true(connections_of(f.client, "disk", &after) >= 1);
	assert_true(before == after);
	tear_down(&f);
}

static void
note_reply(struct channel_request *request, struct io_reply *reply,
	   const struct client_error *error)
{
	int *outcome = request->user;

	(void)reply;
	*outcome = error ? -1 : 1;
}

/* What the old one has sent may still be carried out; so the new one sends
 * nothing before. */
static void
a_changed_volume_begins_when_the_old_one_is_through(void **state)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	CLEANUP_CLIENT struct client *other = NULL;
	struct client_error error;
	struct channel *channel;
	struct fixture f;
	int outcome = 0;
	uint64_t id;
	struct channel_request request = {
		.io.command = WRITE,
		.io.length = 4096,
		.on_reply = note_reply,
		.user = &outcome,
	};
	void *bytes;

	(void)state;
	set_up(&f);
	other = daemon_connect(&f.daemon);
	channel = channel_open(f.client, "disk", TIMEOUT, &error);
	assert_non_null(channel);
	process_stop(f.server.pid);
	request.io.data = payload_allocate(4096, &bytes);
	memset(bytes, 1, 4096);
	channel_submit(channel, &request);
	for (uint32_t busy = 0; busy == 0;) {
		Nbdclientd__V1__Volume *volume = daemon_volume(other, "disk");

		busy = volume->in_flight;
		codec_message_free(volume);
		channel_wait(channel, 20);
	}
	put_disk(&f, "Connections=2\n");
	reload_well(&f, other);
	assert_int_equal(connections_of(other, "disk", &id), 0);
	process_signal(f.server.pid, SIGCONT);
	while (outcome == 0)
		assert_true(channel_wait(channel, TIMEOUT) > 0);
	assert_int_equal(outcome, 1);
	channel_free(channel);
	assert_int_equal(
		client_read(other, "disk", 0, 4096, TIMEOUT, &data, &error), 0);
	assert_true(pattern_is_all(data.bytes, 4096, 1));
	tear_down(&f);
}

static void
change_disk(void *user)
{
	struct fixture *f = user;

	put_disk(f, "IdleTimeout=30s\n");
	reload_well(f, f->other);
}

/* Also a channel of a client that has opened a volume by URI, which goes with
 * the old connection. */
static void
clients_with_patience_go_on_with_a_changed_volume(void **state)
{
	Nbdclientd__V1__OpenVolumeRequest opening =
		NBDCLIENTD__V1__OPEN_VOLUME_REQUEST__INIT;
	Nbdclientd__V1__Volume *volume;
	struct client_error error;
	struct fixture f;
	struct load load = {
		.command = WRITE,
		.size = 16 * MIB,
		.block = 16 * KIB,
		.depth = 32,
		.seed = 3,
		.midway_at = 100,
		.midway = change_disk,
	};

	(void)state;
	set_up(&f);
	client_set_patience(f.client, TIMEOUT);
	f.other = daemon_connect(&f.daemon);
	opening.uri = f.server.uri;
	volume = client_call(f.client, RPC_VOLUMES_OPEN_VOLUME, &opening,
			     TIMEOUT, &error);
	if (!volume)
		fail_msg("%s", error.message);
	load.channel = channel_open(f.client, "disk", TIMEOUT, &error);
	assert_non_null(load.channel);
	load.user = &f;
	load_run(&load);
	if (load.n_failed > 0)
		fail_msg("%u failed: %s", load.n_failed,
			 load.first_error.message);
	load = (struct load){ .channel = load.channel,
			      .command = READ,
			      .size = 16 * MIB,
			      .block = 16 * KIB,
			      .depth = 32,
			      .seed = 3 };
	load_run(&load);
	assert_int_equal(load.n_failed, 0);
	assert_int_equal(load.n_wrong, 0);
	channel_free(load.channel);
	codec_message_free(daemon_volume(f.client, volume->name));
	codec_message_free(volume);
	client_free(f.other);
	tear_down(&f);
}

/* Old and new listen at the same place. */
static void
a_program_that_serves_can_be_changed(void **state)
{
	struct client_error error;
	struct channel *channel = NULL;
	struct fixture f;

	(void)state;
	set_up(&f);
	for (int i = 1; i < 6; i++) {
		CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;

		daemon_put_volume(&f.daemon, "child",
				  "Command=nbdkit --foreground memory %dM\n",
				  i);
		reload_well(&f, f.client);
		daemon_await_volume(f.client, "child", volume_is_ready);
		if (client_read(f.client, "child", (uint64_t)i * MIB - 512, 512,
				TIMEOUT, &data, &error) < 0)
			fail_msg("%s", error.message);
		/* Whoever still has the old one keeps it in memory. */
		channel_free(channel);
		channel = channel_open(f.client, "child", TIMEOUT, &error);
		assert_non_null(channel);
	}
	channel_free(channel);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(untouched_volumes_are_undisturbed),
		cmocka_unit_test(
			a_changed_volume_begins_when_the_old_one_is_through),
		cmocka_unit_test(
			clients_with_patience_go_on_with_a_changed_volume),
		cmocka_unit_test(a_program_that_serves_can_be_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
