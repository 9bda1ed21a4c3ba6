/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon restarts, or is killed, under clients that are at work: they wait
 * and go on. No request fails, no byte is wrong.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "tests/daemon/harness.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define MIB      (1024 * 1024)
#define SIZE     (64 * MIB)
#define BLOCK    65536
#define PATIENCE 20000

struct fixture {
	char *dir;
	char *file;
	const char *argv[6];
	struct reborn_server server;
	struct daemon_process daemon;
	struct client *client;
	struct channel *channel;
	/* Somebody else, who restarts the daemon: the thread lives as long as
	 * the daemon, which would be killed at its end. */
	pthread_t operator;
	sem_t asked;
	sem_t done;
	/* How to end it; 0: no more. */
	int signal;
	bool is_under_way;
};

static void *operate(void *argument);

static void
set_up(struct fixture *f)
{
	struct client_error error;

	*f = (struct fixture){ 0 };
	f->dir = workdir_make();
	f->file = workdir_sparse_file(f->dir, "disk", SIZE);
	f->argv[0] = "qemu-nbd";
	f->argv[1] = "--persistent";
	f->argv[2] = "--shared=0";
	f->argv[3] = "--format=raw";
	f->argv[4] = f->file;
	sem_init(&f->asked, 0, 0);
	sem_init(&f->done, 0, 0);
	assert_int_equal(pthread_create(&f->operator, NULL, operate, f), 0);
	reborn_start(&f->server, f->argv);
	daemon_prepare(&f->daemon, "AdHocUsers=*\nAdHocTransports=unix\n");
	daemon_put_volume(&f->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n",
			  f->server.socket);
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
	client_set_patience(f->client, PATIENCE);
	f->channel = channel_open(f->client, "disk", PATIENCE, &error);
	if (!f->channel)
		fail_msg("%s", error.message);
}

/* Meanwhile the client is at work. */
static void *
operate(void *argument)
{
	struct fixture *f = argument;

	while (sem_wait(&f->asked) == 0 && f->signal) {
		if (f->signal == SIGKILL)
			process_kill(f->daemon.pid);
		else
			daemon_terminate(&f->daemon);
		close(f->daemon.notify_fd);
		daemon_launch(&f->daemon);
		sem_post(&f->done);
	}
	return NULL;
}

static void
ask_for(struct fixture *f, int signal)
{
	f->signal = signal;
	f->is_under_way = true;
	sem_post(&f->asked);
}

static void
await_restart(struct fixture *f)
{
	if (f->is_under_way)
		sem_wait(&f->done);
	f->is_under_way = false;
}

static void
terminate_midway(void *user)
{
	ask_for(user, SIGTERM);
}

static void
kill_midway(void *user)
{
	ask_for(user, SIGKILL);
}

static void
tear_down(struct fixture *f)
{
	channel_free(f->channel);
	client_free(f->client);
	daemon_terminate(&f->daemon);
	ask_for(f, 0);
	pthread_join(f->operator, NULL);
	daemon_cleanup(&f->daemon);
	reborn_cleanup(&f->server);
	workdir_remove(f->dir);
	free(f->file);
	sem_destroy(&f->asked);
	sem_destroy(&f->done);
}

static void
work(struct fixture *f, uint32_t command, void (*midway)(void *user))
{
	struct load load = {
		.channel = f->channel,
		.command = command,
		.size = SIZE,
		.block = BLOCK,
		.depth = 200,
		.seed = 5,
		.midway_at = 200,
		.midway = midway,
		.user = f,
	};

	load_run(&load);
	await_restart(f);
	if (load.n_failed > 0)
		fail_msg("%u requests failed, the first one: %s", load.n_failed,
			 load.first_error.message);
	assert_int_equal(load.n_wrong, 0);
	assert_int_equal(load.n_done, SIZE / BLOCK);
}

static void
a_channel_goes_on(void (*midway)(void *user))
{
	struct client_error error;
	struct fixture f;

	set_up(&f);
	work(&f, NBDCLIENTD__V1__COMMAND__COMMAND_WRITE, midway);
	work(&f, NBDCLIENTD__V1__COMMAND__COMMAND_READ, midway);
	if (channel_close(f.channel, PATIENCE, &error) < 0)
		fail_msg("%s", error.message);
	tear_down(&f);
}

static void
a_channel_goes_on_after_a_restart(void **state)
{
	(void)state;
	a_channel_goes_on(terminate_midway);
}

static void
a_channel_goes_on_after_a_kill(void **state)
{
	(void)state;
	a_channel_goes_on(kill_midway);
}

/* The volume and the channel are of one client; both are there again. */
static void
a_volume_opened_by_uri_is_opened_again(void **state)
{
	Nbdclientd__V1__OpenVolumeRequest request =
		NBDCLIENTD__V1__OPEN_VOLUME_REQUEST__INIT;
	Nbdclientd__V1__CloseVolumeRequest closing =
		NBDCLIENTD__V1__CLOSE_VOLUME_REQUEST__INIT;
	CLEANUP_FREE char *uri = NULL;
	Nbdclientd__V1__Volume *volume;
	struct client_error error;
	struct fixture f;
	void *response;

	(void)state;
	set_up(&f);
	channel_free(f.channel);
	assert_true(asprintf(&uri, "nbd+unix:///?socket=%s", f.server.socket) >
		    0);
	request.uri = uri;
	volume = client_call(f.client, RPC_VOLUMES_OPEN_VOLUME, &request,
			     PATIENCE, &error);
	if (!volume)
		fail_msg("%s", error.message);
	f.channel = channel_open(f.client, volume->name, PATIENCE, &error);
	if (!f.channel)
		fail_msg("%s", error.message);
	work(&f, NBDCLIENTD__V1__COMMAND__COMMAND_WRITE, kill_midway);
	work(&f, NBDCLIENTD__V1__COMMAND__COMMAND_READ, terminate_midway);
	closing.name = volume->name;
	response = client_call(f.client, RPC_VOLUMES_CLOSE_VOLUME, &closing,
			       PATIENCE, &error);
	assert_non_null(response);
	codec_message_free(response);
	codec_message_free(volume);
	tear_down(&f);
}

/* Whoever asks for a name must have had it. */
static void
a_name_of_one_s_own_choice_is_refused(void **state)
{
	static const struct {
		const char *name;
		int errnum;
	} refused[] = {
		{ "disk", EINVAL },
		{ "adhoc", EINVAL },
		{ "adhoc-/", EINVAL },
	};
	Nbdclientd__V1__OpenVolumeRequest request =
		NBDCLIENTD__V1__OPEN_VOLUME_REQUEST__INIT;
	CLEANUP_FREE char *uri = NULL;
	Nbdclientd__V1__Volume *volume;
	struct client_error error;
	struct fixture f;

	(void)state;
	set_up(&f);
	assert_true(asprintf(&uri, "nbd+unix:///?socket=%s", f.server.socket) >
		    0);
	request.uri = uri;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		CLEANUP_FREE char *name = strdup(refused[i].name);

		request.name = name;
		assert_null(client_call(f.client, RPC_VOLUMES_OPEN_VOLUME,
					&request, PATIENCE, &error));
		assert_int_equal(error.errno_value, refused[i].errnum);
	}
	{
		static char name[] = "adhoc-1234-5";

		request.name = name;
		volume = client_call(f.client, RPC_VOLUMES_OPEN_VOLUME,
				     &request, PATIENCE, &error);
		assert_non_null(volume);
		assert_string_equal(volume->name, name);
		codec_message_free(volume);
		assert_null(client_call(f.client, RPC_VOLUMES_OPEN_VOLUME,
					&request, PATIENCE, &error));
		assert_int_equal(error.errno_value, EEXIST);
	}
	tear_down(&f);
}

static void
write_and_check(struct fixture *f, uint64_t offset)
{
	CLEANUP_PAYLOAD struct payload back = PAYLOAD_EMPTY;
	struct client_error error;
	struct payload data;
	void *bytes;

	data = payload_allocate(BLOCK, &bytes);
	pattern_fill(bytes, BLOCK, 6, offset);
	if (client_write(f->client, "disk", offset, 0, &data, PATIENCE,
			 &error) < 0 ||
	    client_read(f->client, "disk", offset, BLOCK, PATIENCE, &back,
			&error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(pattern_mismatch(back.bytes, BLOCK, 6, offset), BLOCK);
}

/* Each of them finds the connection gone that it was to use. */
static void
single_calls_go_on(void **state)
{
	static const int signals[] = { SIGTERM, SIGKILL };
	struct fixture f;

	(void)state;
	set_up(&f);
	for (size_t i = 0; i < 2; i++) {
		ask_for(&f, signals[i]);
		for (uint64_t n = 0; n < 100; n++)
			write_and_check(&f, n * BLOCK);
		await_restart(&f);
		write_and_check(&f, 0);
		codec_message_free(daemon_volume(f.client, "disk"));
	}
	tear_down(&f);
}

static void
without_patience_a_lost_daemon_is_a_failure(void **state)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;
	struct fixture f;

	(void)state;
	set_up(&f);
	client_set_patience(f.client, 0);
	ask_for(&f, SIGKILL);
	await_restart(&f);
	assert_true(client_read(f.client, "disk", 0, BLOCK, PATIENCE, &data,
				&error) < 0);
	assert_int_equal(error.failure, CLIENT_NOT_REACHABLE);
	tear_down(&f);
}

static void
patience_ends(void **state)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;
	struct fixture f;

	(void)state;
	set_up(&f);
	client_set_patience(f.client, 300);
	process_kill(f.daemon.pid);
	assert_true(client_read(f.client, "disk", 0, BLOCK, PATIENCE, &data,
				&error) < 0);
	assert_int_equal(error.failure, CLIENT_NOT_REACHABLE);
	close(f.daemon.notify_fd);
	daemon_launch(&f.daemon);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_channel_goes_on_after_a_restart),
		cmocka_unit_test(a_channel_goes_on_after_a_kill),
		cmocka_unit_test(a_volume_opened_by_uri_is_opened_again),
		cmocka_unit_test(a_name_of_one_s_own_choice_is_refused),
		cmocka_unit_test(single_calls_go_on),
		cmocka_unit_test(without_patience_a_lost_daemon_is_a_failure),
		cmocka_unit_test(patience_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
