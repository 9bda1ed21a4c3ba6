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
#include "tests/daemon/disk.h"
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

/* A server of 33 MiB. Loads use the first 32; the last one is for requests that
 * may be applied at any later time. */
static void
set_up(struct disk *f, const char *settings)
{
	/* Slow enough that something is in flight whenever it dies: it works on
	 * fewer requests at a time than a load has in flight, or else all of
	 * them might be answered together. */
	disk_start(f, 33 * MIB,
		   NBDKIT("--threads=2", "--filter=delay", "file", "file=FILE",
			  "rdelay=20ms", "wdelay=20ms"),
		   settings);
	disk_open_channel(f);
}

static void
kill_and_restart(void *user)
{
	struct disk *f = user;

	reborn_restart(&f->server);
}

static void
run(struct disk *f, uint32_t command, uint64_t seed, void (*midway)(void *user))
{
	struct load load = {
		.channel = f->channel,
		.command = command,
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
	assert_int_equal(load.n_wrong, 0);
	if (load.n_failed)
		fail_msg("%u failed: %s", load.n_failed,
			 load.first_error.message);
}

/* Writes it all and reads it back. */
static void
write_and_read(struct disk *f, uint64_t seed, void (*midway)(void *user))
{
	run(f, WRITE, seed, midway);
	run(f, READ, seed, midway);
}

static void
a_server_killed_in_mid_write_costs_no_request_and_no_byte(void **state)
{
	struct disk f;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "Connections=1-4\n");
	write_and_read(&f, 1, kill_and_restart);
	volume = daemon_volume(f.client, "disk");
	assert_true(volume->counters->reconnects >= 2);
	assert_true(volume->counters->retries >= 1);
	assert_int_equal(volume->counters->errors, 0);
	codec_message_free(volume);
	disk_stop(&f);
}

/* Continues the server a little later, from a process of its own: the load
 * must stall meanwhile. */
static void
stop_for_a_while(void *user)
{
	struct disk *f = user;
	char command[64];

	process_stop(f->server.pid);
	snprintf(command, sizeof(command), "sleep 0.5; kill -CONT -%d",
		 f->server.pid);
	process_start((const char *[]){ "sh", "-c", command, NULL }, -1);
}

static void
a_server_that_is_stopped_for_a_while_costs_nothing(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "Connections=1-4\n");
	write_and_read(&f, 2, stop_for_a_while);
	disk_stop(&f);
}

static void
ask(struct disk *f, uint32_t command, uint32_t timeout_ms,
    struct disk_answer *answer)
{
	if (command == WRITE) {
		disk_submit_write(f, answer, 32 * MIB, 4096, 7, timeout_ms);
	} else {
		*answer = (struct disk_answer){
			.request.io.command = command,
			.request.io.offset = 32 * MIB,
			.request.io.length = 4096,
		};
		disk_submit(f, answer, timeout_ms);
	}
	disk_await(f, answer);
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
	struct disk f;
	struct disk_answer answer;
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
	write_and_read(&f, 3, NULL);
	disk_stop(&f);
}

static void
without_a_server_requests_wait_and_then_say_why(void **state)
{
	struct disk f;
	struct disk_answer answer;
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
	disk_stop(&f);
}

static void
a_hung_connection_is_given_up_and_another_one_made(void **state)
{
	struct disk f;
	pid_t hung;

	(void)state;
	set_up(&f, "RequestTimeout=500ms\nConnectTimeout=500ms\n");
	hung = f.server.pid;
	process_stop(hung);
	/* Its successor at the same address answers. */
	f.server.pid = 0;
	reborn_restart(&f.server);
	{
		struct disk_answer answer;

		ask(&f, READ, 20000, &answer);
		if (answer.has_failed)
			fail_msg("%s", answer.error.message);
	}
	process_kill(hung);
	disk_stop(&f);
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
	struct disk f;

	(void)state;
	set_up(&f, "RequestTimeout=300ms\nConnectTimeout=300ms\n"
		   "ProbeInterval=200ms\n");
	process_signal(f.server.pid, SIGSTOP);
	daemon_await_volume(f.client, "disk", is_recovering);
	process_signal(f.server.pid, SIGCONT);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	disk_stop(&f);
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
