/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Servers that are killed, stopped and started again under load: what was
 * acknowledged is there, requests end in time, and an error says what it can.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "tests/daemon/harness.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define MIB   (1024 * 1024)
#define READ  NBDCLIENTD__V1__COMMAND__COMMAND_READ
#define WRITE NBDCLIENTD__V1__COMMAND__COMMAND_WRITE

/* gRPC's numbers */
#define DEADLINE_EXCEEDED 4
#define UNAVAILABLE       14

/* A server of a file of 33 MiB, and a daemon with volume "disk" on it. Loads use
 * the first 32 MiB; the last one is for requests that may be applied at any
 * later time. */
struct fixture {
	char *dir;
	char *file;
	struct reborn_server server;
	struct daemon_process daemon;
	struct client *client;
	struct channel *channel;
	char file_argument[128];
	const char *argv[8];
};

static void
open_channel(struct fixture *f)
{
	struct client_error error;

	f->client = daemon_connect(&f->daemon);
	f->channel = channel_open(f->client, "disk", 30000, &error);
	if (!f->channel)
		fail_msg("%s", error.message);
}

static void
set_up(struct fixture *f, const char *settings)
{
	*f = (struct fixture){ .dir = workdir_make() };
	f->file = workdir_sparse_file(f->dir, "disk", 33 * MIB);
	snprintf(f->file_argument, sizeof(f->file_argument), "file=%s",
		 f->file);
	f->argv[0] = "nbdkit";
	f->argv[1] = "--foreground";
	/* Slow enough that something is in flight whenever it dies. */
	f->argv[2] = "--filter=delay";
	f->argv[3] = "file";
	f->argv[4] = f->file_argument;
	f->argv[5] = "rdelay=5ms";
	f->argv[6] = "wdelay=5ms";
	reborn_start(&f->server, f->argv);
	daemon_prepare(&f->daemon, "");
	daemon_put_volume(&f->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n%s",
			  f->server.socket, settings);
	daemon_launch(&f->daemon);
	open_channel(f);
}

static void
tear_down(struct fixture *f)
{
	channel_free(f->channel);
	client_free(f->client);
	daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	reborn_cleanup(&f->server);
	workdir_remove(f->dir);
	free(f->file);
}

static void
kill_and_restart(void *user)
{
	struct fixture *f = user;

	reborn_restart(&f->server);
}

static void
write_all(struct fixture *f, uint64_t seed, void (*midway)(void *user))
{
	struct load load = {
		.channel = f->channel,
		.command = WRITE,
		.size = 32 * MIB,
		.block = 64 * 1024,
		.depth = 32,
		.seed = seed,
		.midway_at = 150,
		.midway = midway,
		.user = f,
	};

	load_run(&load);
	assert_int_equal(load.n_done, 512);
	if (load.n_failed)
		fail_msg("%u failed: %s", load.n_failed,
			 load.first_error.message);
}

static void
read_all(struct fixture *f, uint64_t seed, void (*midway)(void *user))
{
	struct load load = {
		.channel = f->channel,
		.command = READ,
		.size = 32 * MIB,
		.block = 64 * 1024,
		.depth = 32,
		.seed = seed,
		.midway_at = 150,
		.midway = midway,
		.user = f,
	};

	load_run(&load);
	assert_int_equal(load.n_wrong, 0);
	if (load.n_failed)
		fail_msg("%u failed: %s", load.n_failed,
			 load.first_error.message);
}

static void
a_server_killed_in_mid_write_costs_no_request_and_no_byte(void **state)
{
	struct fixture f;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "Connections=1-4\n");
	write_all(&f, 1, kill_and_restart);
	read_all(&f, 1, kill_and_restart);
	volume = daemon_volume(f.client, "disk");
	assert_true(volume->counters->reconnects >= 2);
	assert_true(volume->counters->retries >= 1);
	assert_int_equal(volume->counters->errors, 0);
	codec_message_free(volume);
	tear_down(&f);
}

/* Continues the server a little later, from a process of its own: the load
 * must stall meanwhile. */
static void
stop_for_a_while(void *user)
{
	struct fixture *f = user;
	char command[64];

	process_stop(f->server.pid);
	snprintf(command, sizeof(command), "sleep 0.5; kill -CONT -%d",
		 f->server.pid);
	process_start((const char *[]){ "sh", "-c", command, NULL }, -1);
}

static void
a_server_that_is_stopped_for_a_while_costs_nothing(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "Connections=1-4\n");
	write_all(&f, 2, stop_for_a_while);
	read_all(&f, 2, stop_for_a_while);
	tear_down(&f);
}

struct answer {
	bool is_there;
	struct client_error error;
	bool has_failed;
};

static void
keep_answer(struct channel_request *request, struct io_reply *reply,
	    const struct client_error *error)
{
	struct answer *answer = request->user;

	(void)reply;
	answer->is_there = true;
	answer->has_failed = error;
	if (error)
		answer->error = *error;
}

static void
ask(struct fixture *f, uint32_t command, uint32_t timeout_ms,
    struct answer *answer)
{
	struct channel_request request = {
		.io.command = command,
		.io.offset = 32 * MIB,
		.io.length = 4096,
		.io.timeout_ms = timeout_ms,
		.on_reply = keep_answer,
		.user = answer,
	};
	void *bytes;

	*answer = (struct answer){ 0 };
	if (command == WRITE) {
		request.io.data = payload_allocate(4096, &bytes);
		memset(bytes, 7, 4096);
	}
	channel_submit(f->channel, &request);
	while (!answer->is_there)
		assert_true(channel_wait(f->channel, 30000) > 0);
}

static uint64_t
milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
a_hanging_server_is_left_at_the_deadline_of_the_request(void **state)
{
	struct fixture f;
	struct answer answer;
	uint64_t began;

	(void)state;
	set_up(&f, "");
	process_stop(f.server.pid);
	began = milliseconds();
	ask(&f, READ, 300, &answer);
	assert_true(answer.has_failed);
	assert_int_equal(answer.error.status, DEADLINE_EXCEEDED);
	assert_int_equal(answer.error.applied,
			 NBDCLIENTD__V1__APPLIED__APPLIED_NO);
	ask(&f, WRITE, 300, &answer);
	assert_int_equal(answer.error.status, DEADLINE_EXCEEDED);
	assert_int_equal(answer.error.applied,
			 NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE);
	assert_true(milliseconds() - began < 5000);
	/* The late answers belong to nobody and harm nobody. */
	process_signal(f.server.pid, SIGCONT);
	write_all(&f, 3, NULL);
	read_all(&f, 3, NULL);
	tear_down(&f);
}

static void
without_a_server_requests_wait_and_then_say_why(void **state)
{
	struct fixture f;
	struct answer answer;
	uint64_t began;

	(void)state;
	set_up(&f, "");
	reborn_kill(&f.server);
	began = milliseconds();
	ask(&f, WRITE, 500, &answer);
	assert_true(milliseconds() - began >= 450);
	assert_true(answer.has_failed);
	assert_int_equal(answer.error.status, UNAVAILABLE);
	assert_int_equal(
		answer.error.reason,
		NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_SERVER_UNREACHABLE);
	assert_non_null(strstr(answer.error.message, "Connection refused"));
	assert_string_equal(answer.error.volume, "disk");
	/* It comes back, and all is well without anybody's doing. */
	reborn_restart(&f.server);
	ask(&f, WRITE, 30000, &answer);
	assert_false(answer.has_failed);
	tear_down(&f);
}

static void
a_hung_connection_is_given_up_and_another_one_made(void **state)
{
	struct fixture f;
	pid_t hung;

	(void)state;
	set_up(&f, "RequestTimeout=500ms\nConnectTimeout=500ms\n");
	hung = f.server.pid;
	process_stop(hung);
	/* Its successor at the same address answers. */
	f.server.pid = 0;
	reborn_restart(&f.server);
	{
		struct answer answer;

		ask(&f, READ, 20000, &answer);
		if (answer.has_failed)
			fail_msg("%s", answer.error.message);
	}
	process_kill(hung);
	tear_down(&f);
}

static bool
is_recovering(const Nbdclientd__V1__Volume *volume)
{
	return volume->state ==
	       NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_RECOVERING;
}

static void
a_server_that_falls_silent_is_noticed_without_a_request(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "RequestTimeout=300ms\nConnectTimeout=300ms\n"
		   "ProbeInterval=200ms\n");
	process_signal(f.server.pid, SIGSTOP);
	daemon_await_volume(f.client, "disk", is_recovering);
	process_signal(f.server.pid, SIGCONT);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_server_killed_in_mid_write_costs_no_request_and_no_byte),
		cmocka_unit_test(
			a_server_that_is_stopped_for_a_while_costs_nothing),
		cmocka_unit_test(
			a_hanging_server_is_left_at_the_deadline_of_the_request),
		cmocka_unit_test(
			without_a_server_requests_wait_and_then_say_why),
		cmocka_unit_test(
			a_hung_connection_is_given_up_and_another_one_made),
		cmocka_unit_test(
			a_server_that_falls_silent_is_noticed_without_a_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
