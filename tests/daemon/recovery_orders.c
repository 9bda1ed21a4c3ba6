/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an administrator tells a volume, with nbdctl: pause, resume, reconnect;
 * and a volume that gives up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "tests/daemon/harness.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB     1024
#define MIB     (1024 * 1024)
#define TIMEOUT 30000

#define UNAVAILABLE 14
#define BUSY        NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_BUSY
#define UNREACHABLE \
	NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_SERVER_UNREACHABLE

#define EXIT_BUSY 13

/* A server that loses what is not flushed when it is killed. */
struct fixture {
	char *dir;
	char *file;
	char *file_argument;
	const char *argv[8];
	struct reborn_server server;
	struct daemon_process daemon;
	struct client *client;
	struct channel *channel;
};

static void
set_up(struct fixture *f, const char *settings)
{
	struct client_error error;

	*f = (struct fixture){ .dir = workdir_make() };
	f->file = workdir_sparse_file(f->dir, "disk", 8 * MIB);
	if (asprintf(&f->file_argument, "file=%s", f->file) < 0)
		test_broken("out of memory");
	f->argv[0] = "nbdkit";
	f->argv[1] = "--foreground";
	f->argv[2] = "--filter=cache";
	f->argv[3] = "file";
	f->argv[4] = f->file_argument;
	reborn_start(&f->server, f->argv);
	daemon_prepare(&f->daemon, "");
	daemon_put_volume(&f->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n%s",
			  f->server.socket, settings);
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
	daemon_await_volume(f->client, "disk", volume_is_ready);
	f->channel = channel_open(f->client, "disk", TIMEOUT, &error);
	if (!f->channel)
		fail_msg("%s", error.message);
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
	free(f->file_argument);
}

/* The exit status of nbdctl volume VERB disk. */
static int
nbdctl(struct fixture *f, const char *verb)
{
	const char *program = getenv("NBDCTL");
	const char *argv[] = { program, "--address", f->daemon.address,
			       "-o",    "value",     "volume",
			       verb,    "disk",      NULL };
	int status;

	if (!program)
		test_broken("NBDCTL names no program");
	status = process_wait(process_start(argv, -1));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct answer {
	struct channel_request request;
	bool is_there;
	bool has_failed;
	struct client_error error;
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
submit(struct fixture *f, struct answer *answer, uint32_t timeout_ms,
       uint64_t offset, uint8_t byte)
{
	void *bytes;

	*answer = (struct answer){
		.request.io.command = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE,
		.request.io.offset = offset,
		.request.io.length = 64 * KIB,
		.request.io.timeout_ms = timeout_ms,
		.request.on_reply = keep_answer,
		.request.user = answer,
	};
	answer->request.io.data = payload_allocate(64 * KIB, &bytes);
	memset(bytes, byte, 64 * KIB);
	channel_submit(f->channel, &answer->request);
}

static void
await(struct fixture *f, struct answer *answer)
{
	while (!answer->is_there)
		assert_true(channel_wait(f->channel, TIMEOUT) > 0);
}

static void
write_well(struct fixture *f, uint64_t offset, uint8_t byte)
{
	struct answer answer;

	submit(f, &answer, TIMEOUT, offset, byte);
	await(f, &answer);
	if (answer.has_failed)
		fail_msg("%s", answer.error.message);
}

static void
expect_bytes(struct fixture *f, uint64_t offset, uint8_t byte)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;

	if (client_read(f->client, "disk", offset, 64 * KIB, TIMEOUT, &data,
			&error) < 0)
		fail_msg("%s", error.message);
	assert_true(pattern_is_all(data.bytes, 64 * KIB, byte));
}

static Nbdclientd__V1__VolumeState
state_of(struct fixture *f)
{
	Nbdclientd__V1__Volume *volume = daemon_volume(f->client, "disk");
	Nbdclientd__V1__VolumeState state = volume->state;

	codec_message_free(volume);
	return state;
}

static size_t
n_connections(struct fixture *f)
{
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;
	Nbdclientd__V1__ListConnectionsResponse *response;
	struct client_error error;
	size_t n;

	response = client_call(f->client, RPC_ADMIN_LIST_CONNECTIONS, &request,
			       TIMEOUT, &error);
	assert_non_null(response);
	n = response->n_connections;
	codec_message_free(response);
	return n;
}

static void
a_paused_volume_leaves_its_server_alone(void **state)
{
	struct fixture f;
	struct answer hasty, patient;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "Connections=2\n");
	assert_int_equal(nbdctl(&f, "resume"), EXIT_BUSY);
	write_well(&f, 0, 1);
	assert_int_equal(nbdctl(&f, "pause"), 0);
	assert_int_equal(state_of(&f),
			 NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_PAUSED);
	assert_int_equal(n_connections(&f), 0);
	/* Twice is as good as once. */
	assert_int_equal(nbdctl(&f, "pause"), 0);
	assert_int_equal(nbdctl(&f, "reconnect"), EXIT_BUSY);
	submit(&f, &patient, TIMEOUT, 64 * KIB, 2);
	submit(&f, &hasty, 100, 128 * KIB, 3);
	await(&f, &hasty);
	assert_int_equal(hasty.error.status, UNAVAILABLE);
	assert_int_equal(hasty.error.reason, BUSY);
	assert_int_equal(hasty.error.applied,
			 NBDCLIENTD__V1__APPLIED__APPLIED_NO);
	assert_false(patient.is_there);
	/* All was flushed, so nothing has to be written again. */
	reborn_restart(&f.server);
	assert_int_equal(nbdctl(&f, "resume"), 0);
	assert_int_equal(nbdctl(&f, "wait"), 0);
	await(&f, &patient);
	assert_false(patient.has_failed);
	expect_bytes(&f, 0, 1);
	expect_bytes(&f, 64 * KIB, 2);
	expect_bytes(&f, 128 * KIB, 0);
	volume = daemon_volume(f.client, "disk");
	assert_int_equal(volume->counters->replayed, 0);
	codec_message_free(volume);
	tear_down(&f);
}

static void
a_pause_under_load_loses_nothing(void **state)
{
	struct fixture f;
	struct answer answers[64];

	(void)state;
	set_up(&f, "");
	for (uint8_t i = 0; i < 64; i++)
		submit(&f, &answers[i], TIMEOUT, i * 64 * KIB, i);
	assert_int_equal(nbdctl(&f, "pause"), 0);
	reborn_restart(&f.server);
	assert_int_equal(nbdctl(&f, "resume"), 0);
	for (uint8_t i = 0; i < 64; i++) {
		await(&f, &answers[i]);
		assert_false(answers[i].has_failed);
		expect_bytes(&f, i * 64 * KIB, i);
	}
	tear_down(&f);
}

static bool
has_given_up(const Nbdclientd__V1__Volume *volume)
{
	return volume->state ==
	       NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_GIVEN_UP;
}

static void
a_volume_gives_up_and_begins_again_when_told(void **state)
{
	struct fixture f;
	struct answer waiting, late;

	(void)state;
	set_up(&f, "GiveUpAfter=400ms\n");
	write_well(&f, 0, 1);
	reborn_kill(&f.server);
	submit(&f, &waiting, TIMEOUT, 64 * KIB, 2);
	await(&f, &waiting);
	assert_int_equal(waiting.error.status, UNAVAILABLE);
	assert_int_equal(waiting.error.reason, UNREACHABLE);
	assert_non_null(strstr(waiting.error.message, "GiveUpAfter="));
	daemon_await_volume(f.client, "disk", has_given_up);
	/* Nobody waits for what will not come. */
	submit(&f, &late, TIMEOUT, 64 * KIB, 2);
	await(&f, &late);
	assert_int_equal(late.error.status, UNAVAILABLE);
	assert_non_null(strstr(late.error.hint, "nbdctl volume reconnect"));
	reborn_restart(&f.server);
	assert_int_equal(state_of(&f),
			 NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_GIVEN_UP);
	assert_int_equal(nbdctl(&f, "reconnect"), 0);
	/* What was acknowledged was not given up. */
	expect_bytes(&f, 0, 1);
	write_well(&f, 64 * KIB, 2);
	tear_down(&f);
}

static void
new_connections_cost_no_request(void **state)
{
	struct fixture f;
	struct answer answers[64];
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "Connections=1-3\n");
	for (uint8_t i = 0; i < 64; i++) {
		submit(&f, &answers[i], TIMEOUT, i * 64 * KIB, i);
		if (i % 16 == 8)
			assert_int_equal(nbdctl(&f, "reconnect"), 0);
	}
	for (uint8_t i = 0; i < 64; i++) {
		await(&f, &answers[i]);
		assert_false(answers[i].has_failed);
	}
	for (uint8_t i = 0; i < 64; i++)
		expect_bytes(&f, i * 64 * KIB, i);
	volume = daemon_volume(f.client, "disk");
	assert_true(volume->counters->reconnects >= 4);
	codec_message_free(volume);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_paused_volume_leaves_its_server_alone),
		cmocka_unit_test(a_pause_under_load_loses_nothing),
		cmocka_unit_test(a_volume_gives_up_and_begins_again_when_told),
		cmocka_unit_test(new_connections_cost_no_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
