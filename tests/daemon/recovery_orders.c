/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an administrator tells a volume, with nbdctl: pause, resume, reconnect;
 * and a volume that gives up.
 */
#include <string.h>

#include "nbdclientd/v1/admin.pb-c.h"
#include "tests/daemon/disk.h"
#include "tests/support/unit.h"

#define KIB 1024
#define MIB (1024 * 1024)

#define UNAVAILABLE 14
#define BUSY        NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_BUSY
#define UNREACHABLE \
	NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_SERVER_UNREACHABLE

#define EXIT_BUSY 13

/* A server that loses what is not flushed when it is killed. */
static void
set_up(struct disk *f, const char *settings)
{
	disk_start(f, 8 * MIB, NBDKIT("--filter=cache", "file", "file=FILE"),
		   settings);
	disk_open_channel(f);
}

static int
order(struct disk *f, const char *verb)
{
	return disk_nbdctl(f, "volume", verb);
}

static void
submit(struct disk *f, struct disk_answer *answer, uint32_t timeout_ms,
       uint64_t offset, uint8_t byte)
{
	disk_submit_write(f, answer, offset, 64 * KIB, byte, timeout_ms);
}

static Nbdclientd__V1__VolumeState
state_of(struct disk *f)
{
	Nbdclientd__V1__Volume *volume = daemon_volume(f->client, "disk");
	Nbdclientd__V1__VolumeState state = volume->state;

	codec_message_free(volume);
	return state;
}

static size_t
n_connections(struct disk *f)
{
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;
	Nbdclientd__V1__ListConnectionsResponse *response;
	struct client_error error;
	size_t n;

	response = client_call(f->client, RPC_ADMIN_LIST_CONNECTIONS, &request,
			       DISK_TIMEOUT, &error);
	assert_non_null(response);
	n = response->n_connections;
	codec_message_free(response);
	return n;
}

static void
a_paused_volume_leaves_its_server_alone(void **state)
{
	struct disk f;
	struct disk_answer hasty, patient;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "Connections=2\n");
	assert_int_equal(order(&f, "resume"), EXIT_BUSY);
	disk_write(&f, 0, 64 * KIB, 1);
	assert_int_equal(order(&f, "pause"), 0);
	assert_int_equal(state_of(&f),
			 NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_PAUSED);
	assert_int_equal(n_connections(&f), 0);
	/* Twice is as good as once. */
	assert_int_equal(order(&f, "pause"), 0);
	assert_int_equal(order(&f, "reconnect"), EXIT_BUSY);
	submit(&f, &patient, DISK_TIMEOUT, 64 * KIB, 2);
	submit(&f, &hasty, 100, 128 * KIB, 3);
	disk_await(&f, &hasty);
	assert_int_equal(hasty.error.status, UNAVAILABLE);
	assert_int_equal(hasty.error.reason, BUSY);
	assert_int_equal(hasty.error.applied,
			 NBDCLIENTD__V1__APPLIED__APPLIED_NO);
	assert_false(patient.is_there);
	/* All was flushed, so nothing has to be written again. */
	reborn_restart(&f.server);
	assert_int_equal(order(&f, "resume"), 0);
	assert_int_equal(order(&f, "wait"), 0);
	disk_await(&f, &patient);
	assert_false(patient.has_failed);
	disk_expect(&f, 0, 64 * KIB, 1);
	disk_expect(&f, 64 * KIB, 64 * KIB, 2);
	disk_expect(&f, 128 * KIB, 64 * KIB, 0);
	volume = daemon_volume(f.client, "disk");
	assert_int_equal(volume->counters->replayed, 0);
	codec_message_free(volume);
	disk_stop(&f);
}

static void
a_pause_under_load_loses_nothing(void **state)
{
	struct disk f;
	struct disk_answer answers[64];

	(void)state;
	set_up(&f, "");
	for (uint8_t i = 0; i < 64; i++)
		submit(&f, &answers[i], DISK_TIMEOUT, i * 64 * KIB, i);
	assert_int_equal(order(&f, "pause"), 0);
	reborn_restart(&f.server);
	assert_int_equal(order(&f, "resume"), 0);
	for (uint8_t i = 0; i < 64; i++) {
		disk_await(&f, &answers[i]);
		assert_false(answers[i].has_failed);
		disk_expect(&f, i * 64 * KIB, 64 * KIB, i);
	}
	disk_stop(&f);
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
	struct disk f;
	struct disk_answer waiting, late;

	(void)state;
	set_up(&f, "GiveUpAfter=400ms\n");
	disk_write(&f, 0, 64 * KIB, 1);
	reborn_kill(&f.server);
	submit(&f, &waiting, DISK_TIMEOUT, 64 * KIB, 2);
	disk_await(&f, &waiting);
	assert_int_equal(waiting.error.status, UNAVAILABLE);
	assert_int_equal(waiting.error.reason, UNREACHABLE);
	assert_non_null(strstr(waiting.error.message, "GiveUpAfter="));
	daemon_await_volume(f.client, "disk", has_given_up);
	/* Nobody waits for what will not come. */
	submit(&f, &late, DISK_TIMEOUT, 64 * KIB, 2);
	disk_await(&f, &late);
	assert_int_equal(late.error.status, UNAVAILABLE);
	assert_non_null(strstr(late.error.hint, "nbdctl volume reconnect"));
	reborn_restart(&f.server);
	assert_int_equal(state_of(&f),
			 NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_GIVEN_UP);
	assert_int_equal(order(&f, "reconnect"), 0);
	/* What was acknowledged was not given up. */
	disk_expect(&f, 0, 64 * KIB, 1);
	disk_write(&f, 64 * KIB, 64 * KIB, 2);
	disk_stop(&f);
}

static void
new_connections_cost_no_request(void **state)
{
	struct disk f;
	struct disk_answer answers[64];
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "Connections=1-3\n");
	for (uint8_t i = 0; i < 64; i++) {
		/* One that is still being made would not count. */
		if (i % 16 == 0)
			daemon_await_volume(f.client, "disk", volume_is_ready);
		submit(&f, &answers[i], DISK_TIMEOUT, i * 64 * KIB, i);
		if (i % 16 == 8)
			assert_int_equal(order(&f, "reconnect"), 0);
	}
	for (uint8_t i = 0; i < 64; i++) {
		disk_await(&f, &answers[i]);
		assert_false(answers[i].has_failed);
	}
	for (uint8_t i = 0; i < 64; i++)
		disk_expect(&f, i * 64 * KIB, 64 * KIB, i);
	volume = daemon_volume(f.client, "disk");
	assert_true(volume->counters->reconnects >= 4);
	codec_message_free(volume);
	disk_stop(&f);
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
