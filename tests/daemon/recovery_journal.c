/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Acknowledged writes and a server that loses them: nbdkit's cache filter keeps
 * what is written to itself until it is flushed, and takes it along when it is
 * killed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/daemon/harness.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB     1024
#define MIB     (1024 * 1024)
#define SIZE    (16 * MIB)
#define TIMEOUT 30000
#define FUA     NBDCLIENTD__V1__COMMAND_FLAG__COMMAND_FLAG_FUA

#define DATA_LOSS 15

struct fixture {
	char *dir;
	char *file;
	char *file_argument;
	const char *argv[8];
	struct reborn_server server;
	struct daemon_process daemon;
	struct client *client;
	/* What the volume must hold. */
	uint8_t *model;
};

/* FILTER, which may be "", goes between the client and the cache. */
static void
set_up(struct fixture *f, const char *filter, const char *settings)
{
	size_t n = 0;

	*f = (struct fixture){ .dir = workdir_make() };
	f->file = workdir_sparse_file(f->dir, "disk", SIZE);
	f->model = calloc(1, SIZE);
	if (asprintf(&f->file_argument, "file=%s", f->file) < 0 || !f->model)
		abort();
	f->argv[n++] = "nbdkit";
	f->argv[n++] = "--foreground";
	if (*filter)
		f->argv[n++] = filter;
	f->argv[n++] = "--filter=cache";
	f->argv[n++] = "file";
	f->argv[n++] = f->file_argument;
	if (*filter)
		f->argv[n++] = "wdelay=20ms";
	reborn_start(&f->server, f->argv);
	daemon_prepare(&f->daemon, "");
	daemon_put_volume(&f->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n%s",
			  f->server.socket, settings);
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
	reborn_cleanup(&f->server);
	workdir_remove(f->dir);
	free(f->file);
	free(f->file_argument);
	free(f->model);
}

static void
write_bytes(struct fixture *f, uint64_t offset, size_t length, uint64_t seed,
	    uint32_t flags)
{
	struct client_error error;
	struct payload data;
	void *bytes;

	data = payload_allocate(length, &bytes);
	pattern_fill(bytes, length, seed, offset);
	memcpy(f->model + offset, bytes, length);
	if (client_write(f->client, "disk", offset, flags, &data, TIMEOUT,
			 &error) < 0)
		fail_msg("write at %lu: %s", (unsigned long)offset,
			 error.message);
}

static void
zero_bytes(struct fixture *f, uint64_t offset, size_t length)
{
	Nbdclientd__V1__ZeroRequest request =
		NBDCLIENTD__V1__ZERO_REQUEST__INIT;
	struct client_error error;
	void *response;
	char name[] = "disk";

	request.volume = name;
	request.offset = offset;
	request.length = length;
	response = client_call(f->client, RPC_IO_ZERO, &request, TIMEOUT,
			       &error);
	if (!response)
		fail_msg("%s", error.message);
	codec_message_free(response);
	memset(f->model + offset, 0, length);
}

/* 0 or -1 with the error. */
static int
flush(struct fixture *f, struct client_error *error)
{
	Nbdclientd__V1__FlushRequest request =
		NBDCLIENTD__V1__FLUSH_REQUEST__INIT;
	void *response;
	char name[] = "disk";

	request.volume = name;
	response = client_call(f->client, RPC_IO_FLUSH, &request, TIMEOUT,
			       error);
	codec_message_free(response);
	return response ? 0 : -1;
}

static void
flush_well(struct fixture *f)
{
	struct client_error error;

	if (flush(f, &error) < 0)
		fail_msg("%s", error.message);
}

/* Is the volume what it must be, byte for byte? */
static void
expect_model(struct fixture *f)
{
	for (uint64_t at = 0; at < SIZE; at += MIB) {
		CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
		struct client_error error;

		if (client_read(f->client, "disk", at, MIB, TIMEOUT, &data,
				&error) < 0)
			fail_msg("%s", error.message);
		assert_memory_equal(data.bytes, f->model + at, MIB);
	}
}

/* Does the file behind the server hold the model? */
static bool
file_is_model(const struct fixture *f)
{
	CLEANUP_CLOSE int fd = open(f->file, O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE uint8_t *bytes = malloc(SIZE);

	assert_non_null(bytes);
	assert_int_equal(pread(fd, bytes, SIZE, 0), SIZE);
	return memcmp(bytes, f->model, SIZE) == 0;
}

static uint64_t
unflushed(struct fixture *f)
{
	Nbdclientd__V1__Volume *volume = daemon_volume(f->client, "disk");
	uint64_t bytes = volume->unflushed_bytes;

	codec_message_free(volume);
	return bytes;
}

/* Writes of many sizes over each other, with zeroes between. */
static void
scribble(struct fixture *f)
{
	for (uint64_t i = 0; i < 40; i++)
		write_bytes(f, i * 96 * KIB, 128 * KIB, 100 + i, 0);
	for (uint64_t i = 0; i < 200; i++)
		write_bytes(f, i * 3000 + i % 7 * 100000, 1 + i * 97 % 9000,
			    200 + i, 0);
	zero_bytes(f, 70000, 100000);
	write_bytes(f, 100000, 10, 1, 0);
	write_bytes(f, 8 * MIB, 2 * MIB, 2, 0);
	write_bytes(f, 8 * MIB + 5, 2 * MIB - 10, 3, 0);
}

static void
acknowledged_writes_survive_a_server_that_loses_them(void **state)
{
	struct fixture f;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "", "");
	scribble(&f);
	assert_true(unflushed(&f) > 0);
	/* The server has them nowhere but in its own memory. */
	assert_false(file_is_model(&f));
	reborn_restart(&f.server);
	flush_well(&f);
	expect_model(&f);
	assert_true(file_is_model(&f));
	volume = daemon_volume(f.client, "disk");
	assert_string_equal(volume->unflushed, "replay");
	assert_int_equal(volume->unflushed_bytes, 0);
	assert_true(volume->counters->replayed > 200);
	codec_message_free(volume);
	/* What is flushed is not written again. */
	reborn_restart(&f.server);
	expect_model(&f);
	tear_down(&f);
}

/* The same server and the same deeds: nothing but the journal saves them. */
static void
without_a_journal_they_are_lost(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "", "Unflushed=ignore\n");
	scribble(&f);
	assert_int_equal(unflushed(&f), 0);
	reborn_restart(&f.server);
	flush_well(&f);
	assert_false(file_is_model(&f));
	tear_down(&f);
}

static void
they_survive_one_restart_after_the_other(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "", "Connections=1-4\n");
	for (uint64_t round = 0; round < 5; round++) {
		for (uint64_t i = 0; i < 30; i++)
			write_bytes(&f, round * 20000 + i * 50000, 60000,
				    round * 100 + i, 0);
		if (round == 2)
			flush_well(&f);
		reborn_restart(&f.server);
	}
	expect_model(&f);
	flush_well(&f);
	assert_true(file_is_model(&f));
	tear_down(&f);
}

static void
a_durable_write_stays_above_an_older_one(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "", "");
	write_bytes(&f, 0, 100000, 1, 0);
	/* In the middle, across an end, over the whole of one. */
	write_bytes(&f, 50000, 1000, 2, FUA);
	write_bytes(&f, 90000, 20000, 3, FUA);
	write_bytes(&f, 200000, 10000, 4, 0);
	write_bytes(&f, 199000, 20000, 5, FUA);
	write_bytes(&f, 95000, 2000, 6, 0);
	reborn_restart(&f.server);
	expect_model(&f);
	flush_well(&f);
	assert_true(file_is_model(&f));
	tear_down(&f);
}

static void
the_journal_is_bounded_and_flushes_by_itself(void **state)
{
	struct fixture f;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "", "UnflushedLimit=1M\n");
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
	expect_model(&f);
	flush_well(&f);
	assert_true(file_is_model(&f));
	tear_down(&f);
}

static void
a_lost_replay_begins_anew(void **state)
{
	struct fixture f;

	(void)state;
	/* 20 ms for each write, so that a replay takes its time. */
	set_up(&f, "--filter=delay", "Connections=1\nInFlight=2\n");
	for (uint64_t i = 0; i < 60; i++)
		write_bytes(&f, i * 40000, 50000, i, 0);
	for (int i = 0; i < 4; i++) {
		reborn_restart(&f.server);
		usleep(150000);
	}
	expect_model(&f);
	flush_well(&f);
	assert_true(file_is_model(&f));
	tear_down(&f);
}

static void
report_makes_the_next_flush_fail_once(void **state)
{
	struct fixture f;
	struct client_error error;

	(void)state;
	set_up(&f, "", "Unflushed=report\n");
	write_bytes(&f, 1000, 5000, 1, 0);
	write_bytes(&f, 6000, 1000, 1, 0);
	write_bytes(&f, 2 * MIB, 512, 1, 0);
	reborn_restart(&f.server);
	assert_int_equal(flush(&f, &error), -1);
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
	tear_down(&f);
}

static void
a_server_that_cannot_flush_is_told_of(void **state)
{
	struct fixture f;
	Nbdclientd__V1__Volume *volume;
	struct client_error error;

	(void)state;
	set_up(&f, "", "");
	/* The same address, and now a server without flush. */
	f.argv[2] = "eval";
	f.argv[3] = "get_size=echo 16777216";
	f.argv[4] = "pwrite=cat >/dev/null";
	f.argv[5] = "pread=head -c $3 /dev/zero";
	f.argv[6] = NULL;
	reborn_restart(&f.server);
	client_free(f.client);
	daemon_terminate(&f.daemon);
	daemon_launch(&f.daemon);
	f.client = daemon_connect(&f.daemon);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	write_bytes(&f, 0, 1000, 1, 0);
	volume = daemon_volume(f.client, "disk");
	assert_string_equal(volume->unflushed, "cannot flush");
	assert_int_equal(volume->unflushed_bytes, 0);
	codec_message_free(volume);
	assert_int_equal(flush(&f, &error), -1);
	assert_int_equal(
		error.reason,
		NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_NOT_SUPPORTED);
	tear_down(&f);
}

static void
put_volume(struct fixture *f, const char *settings)
{
	daemon_put_volume(&f->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n%s",
			  f->server.socket, settings);
	process_signal(f->daemon.pid, SIGHUP);
	daemon_await(&f->daemon, "RELOADING=1");
	daemon_await(&f->daemon, "READY=1");
}

/* The server is dead, and has taken along what it had not written, when a
 * reload changes the volume, twice. */
static void
they_survive_a_reload_without_a_server(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "", "");
	scribble(&f);
	reborn_kill(&f.server);
	put_volume(&f, "IdleTimeout=20s\n");
	put_volume(&f, "IdleTimeout=30s\n");
	assert_false(file_is_model(&f));
	reborn_restart(&f.server);
	expect_model(&f);
	flush_well(&f);
	assert_true(file_is_model(&f));
	tear_down(&f);
}

/* What is at the address then is not the disk that it was. */
static void
they_are_not_written_to_another_disk_after_a_reload(void **state)
{
	struct client_error error;
	struct fixture f;

	(void)state;
	set_up(&f, "", "");
	write_bytes(&f, 1000, 5000, 1, 0);
	reborn_kill(&f.server);
	put_volume(&f, "IdleTimeout=20s\n");
	f.argv[2] = "memory";
	f.argv[3] = "8M";
	f.argv[4] = NULL;
	reborn_restart(&f.server);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	assert_int_equal(flush(&f, &error), -1);
	assert_int_equal(error.status, DATA_LOSS);
	assert_non_null(strstr(error.message, "1000+5000"));
	flush_well(&f);
	tear_down(&f);
}

static void
what_is_unflushed_is_flushed_when_the_daemon_ends(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "", "");
	scribble(&f);
	client_free(f.client);
	f.client = NULL;
	daemon_terminate(&f.daemon);
	assert_true(file_is_model(&f));
	daemon_launch(&f.daemon);
	f.client = daemon_connect(&f.daemon);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			acknowledged_writes_survive_a_server_that_loses_them),
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
