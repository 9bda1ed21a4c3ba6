/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Acknowledged writes and a server that loses them: nbdkit's cache filter keeps
 * what is written to itself until it is flushed, and takes it along when it is
 * killed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "tests/daemon/disk.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB  1024
#define MIB  (1024 * 1024)
#define SIZE (16 * MIB)
#define FUA  NBDCLIENTD__V1__COMMAND_FLAG__COMMAND_FLAG_FUA

#define DATA_LOSS 15

static void
set_up(struct disk *f, const char *settings)
{
	disk_start(f, SIZE, NBDKIT("--filter=cache", "file", "file=FILE"),
		   settings);
}

static void
write_bytes(struct disk *f, uint64_t offset, size_t length, uint64_t seed,
	    uint32_t flags)
{
	struct client_error error;
	struct payload data;
	void *bytes;

	data = payload_allocate(length, &bytes);
	pattern_fill(bytes, length, seed, offset);
	memcpy(f->model + offset, bytes, length);
	if (client_write(f->client, "disk", offset, flags, &data, DISK_TIMEOUT,
			 &error) < 0)
		fail_msg("write at %lu: %s", (unsigned long)offset,
			 error.message);
}

static void
zero_bytes(struct disk *f, uint64_t offset, size_t length)
{
	Nbdclientd__V1__ZeroRequest request =
		NBDCLIENTD__V1__ZERO_REQUEST__INIT;
	struct client_error error;
	void *response;
	char name[] = "disk";

	request.volume = name;
	request.offset = offset;
	request.length = length;
	response = client_call(f->client, RPC_IO_ZERO, &request, DISK_TIMEOUT,
			       &error);
	if (!response)
		fail_msg("%s", error.message);
	codec_message_free(response);
	memset(f->model + offset, 0, length);
}

static void
flush_well(struct disk *f)
{
	struct client_error error;

	if (disk_flush(f, &error) < 0)
		fail_msg("%s", error.message);
}

/* Nothing was lost: neither of what the daemon answers nor, once it is flushed,
 * of what the server has in its file. */
static void
expect_all_saved(struct disk *f)
{
	disk_expect_model(f);
	flush_well(f);
	assert_true(disk_file_is_model(f));
}

static uint64_t
unflushed(struct disk *f)
{
	Nbdclientd__V1__Volume *volume = daemon_volume(f->client, "disk");
	uint64_t bytes = volume->unflushed_bytes;

	codec_message_free(volume);
	return bytes;
}

/* Writes of many sizes over each other, with zeroes between; not so many bytes
 * that the daemon flushes before it is asked to. */
static void
scribble(struct disk *f)
{
	for (uint64_t i = 0; i < 6; i++)
		write_bytes(f, i * 96 * KIB, 128 * KIB, 100 + i, 0);
	for (uint64_t i = 0; i < 100; i++)
		write_bytes(f, i * 3000 + i % 7 * 100000, 1 + i * 97 % 9000,
			    200 + i, 0);
	zero_bytes(f, 70000, 100000);
	write_bytes(f, 100000, 10, 1, 0);
	write_bytes(f, 8 * MIB, 300 * KIB, 2, 0);
	write_bytes(f, 8 * MIB + 5, 300 * KIB - 10, 3, 0);
}

static void
acknowledged_writes_survive_a_server_that_loses_them(void **state)
{
	struct disk f;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "");
	scribble(&f);
	assert_true(unflushed(&f) > 0);
	/* The server has them nowhere but in its own memory. */
	assert_false(disk_file_is_model(&f));
	reborn_restart(&f.server);
	/* Not even the flush needs a read before it. */
	flush_well(&f);
	disk_expect_model(&f);
	assert_true(disk_file_is_model(&f));
	volume = daemon_volume(f.client, "disk");
	assert_string_equal(volume->unflushed, "replay");
	assert_int_equal(volume->unflushed_bytes, 0);
	assert_true(volume->counters->replayed > 100);
	codec_message_free(volume);
	/* What is flushed is not written again. */
	reborn_restart(&f.server);
	disk_expect_model(&f);
	disk_stop(&f);
}

/* Far less than the limit, but the server flushes in no time. */
static void
the_daemon_flushes_early_where_that_is_quick(void **state)
{
	struct disk f;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "");
	for (uint64_t i = 0; i < 14; i++)
		write_bytes(&f, i * MIB + i * 1000, MIB, i, 0);
	volume = daemon_volume(f.client, "disk");
	assert_true(volume->counters->early_flushes > 0);
	codec_message_free(volume);
	reborn_restart(&f.server);
	expect_all_saved(&f);
	disk_stop(&f);
}

/* The same server and the same deeds: nothing but the journal saves them. */
static void
without_a_journal_they_are_lost(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "Unflushed=ignore\n");
	scribble(&f);
	assert_int_equal(unflushed(&f), 0);
	reborn_restart(&f.server);
	flush_well(&f);
	assert_false(disk_file_is_model(&f));
	disk_stop(&f);
}

static void
they_survive_one_restart_after_the_other(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "Connections=1-4\n");
	for (uint64_t round = 0; round < 5; round++) {
		for (uint64_t i = 0; i < 30; i++)
			write_bytes(&f, round * 20000 + i * 50000, 60000,
				    round * 100 + i, 0);
		if (round == 2)
			flush_well(&f);
		reborn_restart(&f.server);
	}
	expect_all_saved(&f);
	disk_stop(&f);
}

static void
a_durable_write_stays_above_an_older_one(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "");
	write_bytes(&f, 0, 100000, 1, 0);
	/* In the middle, across an end, over the whole of one. */
	write_bytes(&f, 50000, 1000, 2, FUA);
	write_bytes(&f, 90000, 20000, 3, FUA);
	write_bytes(&f, 200000, 10000, 4, 0);
	write_bytes(&f, 199000, 20000, 5, FUA);
	write_bytes(&f, 95000, 2000, 6, 0);
	reborn_restart(&f.server);
	expect_all_saved(&f);
	disk_stop(&f);
}

static void
the_journal_is_bounded_and_flushes_by_itself(void **state)
{
	struct disk f;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "UnflushedLimit=1M\n");
	for (uint64_t at = 0; at < 12 * MIB; at += 64 * KIB) {
		write_bytes(&f, at, 64 * KIB, at, 0);
		assert_true(unflushed(&f) <= 1 * MIB);
	}
	/* One that is larger than all the journal may hold. */
	write_bytes(&f, 12 * MIB, 2 * MIB, 7, 0);
	write_bytes(&f, 14 * MIB, 64 * KIB, 8, 0);
	assert_true(unflushed(&f) <= 1 * MIB);
	volume = daemon_volume(f.client, "disk");
	assert_true(volume->counters->early_flushes >= 10);
	assert_int_equal(volume->unflushed_limit, MIB);
	codec_message_free(volume);
	reborn_restart(&f.server);
	expect_all_saved(&f);
	disk_stop(&f);
}

/* A connection, other than OLD, that has carried so many BYTES to the server;
 * 0: there is none yet. */
static uint64_t
find_connection(struct disk *f, uint64_t old, uint64_t bytes)
{
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;
	Nbdclientd__V1__ListConnectionsResponse *response;
	struct client_error error;
	uint64_t found = 0;

	response = client_call(f->client, RPC_ADMIN_LIST_CONNECTIONS, &request,
			       DISK_TIMEOUT, &error);
	if (!response)
		fail_msg("%s", error.message);
	for (size_t i = 0; i < response->n_connections; i++) {
		const Nbdclientd__V1__Connection *connection =
			response->connections[i];

		if (connection->id != old && connection->bytes_sent >= bytes)
			found = connection->id;
	}
	codec_message_free(response);
	return found;
}

static uint64_t
n_replayed(struct disk *f)
{
	Nbdclientd__V1__Volume *volume = daemon_volume(f->client, "disk");
	uint64_t n = volume->counters->replayed;

	codec_message_free(volume);
	return n;
}

static void
a_lost_replay_begins_anew(void **state)
{
	struct disk f;
	uint64_t connection;

	(void)state;
	/* 20 ms for each write, so that a replay takes its time. */
	disk_start(&f, SIZE,
		   NBDKIT("--filter=delay", "--filter=cache", "file",
			  "file=FILE", "wdelay=20ms"),
		   "Connections=1\nInFlight=2\n");
	for (uint64_t i = 0; i < 60; i++)
		write_bytes(&f, i * 40000, 50000, i, 0);
	connection = find_connection(&f, 0, 0);
	for (int i = 0; i < 4; i++) {
		uint64_t old = connection;

		/* In the middle of the replay, but for the first time. */
		reborn_restart(&f.server);
		do
			connection = find_connection(&f, old, 200000);
		while (!connection);
		assert_int_equal(n_replayed(&f), 0);
	}
	disk_expect_model(&f);
	assert_true(n_replayed(&f) > 0);
	flush_well(&f);
	assert_true(disk_file_is_model(&f));
	disk_stop(&f);
}

static void
report_makes_the_next_flush_fail_once(void **state)
{
	struct disk f;
	struct client_error error;

	(void)state;
	set_up(&f, "Unflushed=report\n");
	write_bytes(&f, 1000, 5000, 1, 0);
	write_bytes(&f, 6000, 1000, 1, 0);
	write_bytes(&f, 2 * MIB, 512, 1, 0);
	reborn_restart(&f.server);
	assert_int_equal(disk_flush(&f, &error), -1);
	assert_int_equal(error.status, DATA_LOSS);
	assert_int_equal(error.reason,
			 NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_DATA_LOSS);
	assert_string_equal(
		error.message,
		"flush: writes that were acknowledged may be lost, at "
		"(offset+length) 1000+6000, 2097152+512");
	flush_well(&f);
	/* Nothing was lost that was flushed. */
	write_bytes(&f, 1000, 5000, 1, 0);
	flush_well(&f);
	reborn_restart(&f.server);
	flush_well(&f);
	disk_stop(&f);
}

static void
a_server_that_cannot_flush_is_told_of(void **state)
{
	struct disk f;
	Nbdclientd__V1__Volume *volume;
	struct client_error error;

	(void)state;
	set_up(&f, "");
	/* The same address, and now a server without flush. */
	disk_replace_server(&f, NBDKIT("eval", "get_size=echo 16777216",
				       "pwrite=cat >/dev/null",
				       "pread=head -c $3 /dev/zero"));
	client_free(f.client);
	daemon_terminate(&f.daemon);
	daemon_launch(&f.daemon);
	disk_connect(&f);
	write_bytes(&f, 0, 1000, 1, 0);
	volume = daemon_volume(f.client, "disk");
	assert_string_equal(volume->unflushed, "cannot flush");
	assert_int_equal(volume->unflushed_bytes, 0);
	codec_message_free(volume);
	assert_int_equal(disk_flush(&f, &error), -1);
	assert_int_equal(
		error.reason,
		NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_NOT_SUPPORTED);
	disk_stop(&f);
}

static void
reload(struct disk *f, const char *settings)
{
	disk_configure(f, settings);
	process_signal(f->daemon.pid, SIGHUP);
	daemon_await(&f->daemon, "RELOADING=1");
	daemon_await(&f->daemon, "READY=1");
}

/* The server is dead, and has taken along what it had not written, when a
 * reload changes the volume, twice. */
static void
they_survive_a_reload_without_a_server(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "");
	scribble(&f);
	reborn_kill(&f.server);
	reload(&f, "IdleTimeout=20s\n");
	reload(&f, "IdleTimeout=30s\n");
	assert_false(disk_file_is_model(&f));
	reborn_restart(&f.server);
	expect_all_saved(&f);
	disk_stop(&f);
}

/* What is at the address then is not the disk that it was. */
static void
they_are_not_written_to_another_disk_after_a_reload(void **state)
{
	struct client_error error;
	struct disk f;

	(void)state;
	set_up(&f, "");
	write_bytes(&f, 1000, 5000, 1, 0);
	reborn_kill(&f.server);
	reload(&f, "IdleTimeout=20s\n");
	disk_replace_server(&f, NBDKIT("memory", "8M"));
	daemon_await_volume(f.client, "disk", volume_is_ready);
	assert_int_equal(disk_flush(&f, &error), -1);
	assert_int_equal(error.status, DATA_LOSS);
	assert_non_null(strstr(error.message, "1000+5000"));
	flush_well(&f);
	disk_stop(&f);
}

static void
what_is_unflushed_is_flushed_when_the_daemon_ends(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "");
	scribble(&f);
	client_free(f.client);
	f.client = NULL;
	daemon_terminate(&f.daemon);
	assert_true(disk_file_is_model(&f));
	daemon_launch(&f.daemon);
	disk_connect(&f);
	disk_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			acknowledged_writes_survive_a_server_that_loses_them),
		cmocka_unit_test(the_daemon_flushes_early_where_that_is_quick),
		cmocka_unit_test(without_a_journal_they_are_lost),
		cmocka_unit_test(they_survive_one_restart_after_the_other),
		cmocka_unit_test(a_durable_write_stays_above_an_older_one),
		cmocka_unit_test(the_journal_is_bounded_and_flushes_by_itself),
		cmocka_unit_test(a_lost_replay_begins_anew),
		cmocka_unit_test(report_makes_the_next_flush_fail_once),
		cmocka_unit_test(a_server_that_cannot_flush_is_told_of),
		cmocka_unit_test(they_survive_a_reload_without_a_server),
		cmocka_unit_test(
			they_are_not_written_to_another_disk_after_a_reload),
		cmocka_unit_test(
			what_is_unflushed_is_flushed_when_the_daemon_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
