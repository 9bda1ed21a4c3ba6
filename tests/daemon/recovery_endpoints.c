/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two servers of one disk: what moves to the second when the first is lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "tests/daemon/harness.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB         1024
#define MIB         (1024 * 1024)
#define TIMEOUT     30000
#define UNAVAILABLE 14
#define DRAINING    NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_DRAINING

struct fixture {
	char *dir;
	char *file_argument;
	const char *argv[8];
	struct reborn_server servers[2];
	struct daemon_process daemon;
	struct client *client;
};

static const char *const nbdkit[] = { "nbdkit", "--foreground",
				      "--filter=cache", "file" };
static const char *const qemu_nbd[] = { "qemu-nbd", "--persistent",
					"--shared=0", "--image-opts" };

/* Both serve one file: through nbdkit's cache, which a server that is killed
 * takes along, or qemu-nbd. */
static void
choose_server(struct fixture *f, const char *const words[4])
{
	CLEANUP_FREE char *file = workdir_sparse_file(f->dir, "disk", 8 * MIB);
	const char *prefix = words == nbdkit
				     ? "file="
				     : "driver=raw,file.driver=file,"
				       "file.locking=off,file.filename=";

	if (asprintf(&f->file_argument, "%s%s", prefix, file) < 0)
		test_broken("out of memory");
	memcpy(f->argv, words, 4 * sizeof(*words));
	f->argv[4] = f->file_argument;
}

static void
set_up_with(struct fixture *f, const char *const words[4], const char *settings)
{
	*f = (struct fixture){ .dir = workdir_make() };
	choose_server(f, words);
	reborn_start(&f->servers[0], f->argv);
	reborn_start(&f->servers[1], f->argv);
	daemon_prepare(&f->daemon, "");
	daemon_put_volume(&f->daemon, "disk",
			  "Uri=nbd+unix:///?socket=%s\n"
			  "Uri=nbd+unix:///?socket=%s\n%s",
			  f->servers[0].socket, f->servers[1].socket, settings);
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
	daemon_await_volume(f->client, "disk", volume_is_ready);
}

static void
set_up(struct fixture *f, const char *settings)
{
	set_up_with(f, nbdkit, settings);
}

static void
tear_down(struct fixture *f)
{
	client_free(f->client);
	daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	reborn_cleanup(&f->servers[0]);
	reborn_cleanup(&f->servers[1]);
	workdir_remove(f->dir);
	free(f->file_argument);
}

static int
try_to_write(struct fixture *f, uint64_t offset, uint8_t byte, int timeout_ms,
	     struct client_error *error)
{
	struct payload data;
	void *bytes;

	data = payload_allocate(64 * KIB, &bytes);
	memset(bytes, byte, 64 * KIB);
	return client_write(f->client, "disk", offset, 0, &data, timeout_ms,
			    error);
}

static void
write_well(struct fixture *f, uint64_t offset, uint8_t byte)
{
	struct client_error error;

	if (try_to_write(f, offset, byte, TIMEOUT, &error) < 0)
		fail_msg("%s", error.message);
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

static void
on_shared_storage_writes_move_too(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "SharedStorage=yes\n");
	/* Not flushed: the first server takes it along. */
	write_well(&f, 0, 1);
	reborn_kill(&f.servers[0]);
	write_well(&f, 64 * KIB, 2);
	expect_bytes(&f, 0, 1);
	expect_bytes(&f, 64 * KIB, 2);
	/* And back, when the second is lost. */
	reborn_restart(&f.servers[0]);
	reborn_kill(&f.servers[1]);
	write_well(&f, 128 * KIB, 3);
	expect_bytes(&f, 0, 1);
	expect_bytes(&f, 64 * KIB, 2);
	expect_bytes(&f, 128 * KIB, 3);
	tear_down(&f);
}

static void
of_a_read_only_volume_all_moves(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "ReadOnly=yes\n");
	reborn_kill(&f.servers[0]);
	expect_bytes(&f, 0, 0);
	tear_down(&f);
}

static void
writes_do_not_move_to_a_disk_of_its_own(void **state)
{
	struct fixture f;
	struct client_error error;

	(void)state;
	set_up(&f, "");
	write_well(&f, 0, 1);
	reborn_kill(&f.servers[0]);
	assert_true(try_to_write(&f, 0, 2, 2000, &error) < 0);
	assert_int_equal(error.status, UNAVAILABLE);
	reborn_restart(&f.servers[0]);
	expect_bytes(&f, 0, 1);
	tear_down(&f);
}

/* How many connections go to the server of that number, and stay. */
static unsigned
connections_to(struct fixture *f, unsigned number)
{
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;
	Nbdclientd__V1__ListConnectionsResponse *response;
	struct client_error error;
	unsigned n = 0;

	response = client_call(f->client, RPC_ADMIN_LIST_CONNECTIONS, &request,
			       TIMEOUT, &error);
	if (!response)
		fail_msg("%s", error.message);
	for (size_t i = 0; i < response->n_connections; i++) {
		const Nbdclientd__V1__Connection *c = response->connections[i];

		n += c->state != DRAINING &&
		     strstr(c->endpoint, f->servers[number].socket);
	}
	codec_message_free(response);
	return n;
}

static Nbdclientd__V1__Counters
counters(struct fixture *f)
{
	Nbdclientd__V1__Volume *volume = daemon_volume(f->client, "disk");
	Nbdclientd__V1__Counters copy = *volume->counters;

	codec_message_free(volume);
	return copy;
}

static void
reads_move_until_something_is_written(void **state)
{
	struct client_error error;
	struct fixture f;

	(void)state;
	set_up(&f, "ReturnInterval=100ms\n");
	reborn_kill(&f.servers[0]);
	expect_bytes(&f, 0, 0);
	assert_int_equal(connections_to(&f, 1), 1);
	assert_true(try_to_write(&f, 0, 2, 2000, &error) < 0);
	if (!strstr(error.message, "waited for the first endpoint"))
		fail_msg("%s", error.message);
	assert_int_equal(error.applied, NBDCLIENTD__V1__APPLIED__APPLIED_NO);
	expect_bytes(&f, 0, 0);
	/* The write waits until the first one is back. */
	reborn_restart(&f.servers[0]);
	write_well(&f, 0, 3);
	assert_int_equal(connections_to(&f, 1), 0);
	expect_bytes(&f, 0, 3);
	/* The second has not seen it, and so it is not asked any more. */
	reborn_kill(&f.servers[0]);
	{
		CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;

		assert_true(client_read(f.client, "disk", 0, 512, 3000, &data,
					&error) < 0);
	}
	assert_int_equal(error.status, UNAVAILABLE);
	reborn_restart(&f.servers[0]);
	expect_bytes(&f, 0, 3);
	tear_down(&f);
}

struct switch_over {
	struct fixture *f;
	/* Which of them dies, and which is there again. */
	unsigned dies;
	unsigned lives;
};

static void
switch_over(void *user)
{
	struct switch_over *what = user;

	if (what->lives != what->dies)
		reborn_restart(&what->f->servers[what->lives]);
	reborn_kill(&what->f->servers[what->dies]);
}

static void
revive_first(void *user)
{
	struct fixture *f = user;

	reborn_restart(&f->servers[0]);
}

static void
run(struct fixture *f, uint32_t command, uint64_t seed,
    void (*midway)(void *user), void *user)
{
	struct client_error error;
	struct load load = {
		.channel = channel_open(f->client, "disk", TIMEOUT, &error),
		.command = command,
		.size = 8 * MIB,
		.block = 4 * KIB,
		.depth = 64,
		.seed = seed,
		.midway_at = 500,
		.midway = midway,
		.user = user,
	};

	if (!load.channel)
		fail_msg("%s", error.message);
	load_run(&load);
	if (load.n_failed)
		fail_msg("%u failed: %s", load.n_failed,
			 load.first_error.message);
	assert_int_equal(load.n_wrong, 0);
	channel_free(load.channel);
}

#define READ  NBDCLIENTD__V1__COMMAND__COMMAND_READ
#define WRITE NBDCLIENTD__V1__COMMAND__COMMAND_WRITE

/* Each of them dies once, in the middle of many requests. */
static void
lose_both(const char *const words[4])
{
	struct switch_over first = { .dies = 0 };
	struct switch_over second = { .dies = 1, .lives = 0 };
	struct fixture f;

	set_up_with(&f, words, "SharedStorage=yes\n");
	first.f = second.f = &f;
	run(&f, WRITE, 1, switch_over, &first);
	run(&f, READ, 1, NULL, NULL);
	assert_int_equal(connections_to(&f, 0), 0);
	run(&f, WRITE, 2, switch_over, &second);
	run(&f, READ, 2, NULL, NULL);
	assert_int_equal(connections_to(&f, 1), 0);
	assert_true(counters(&f).reconnects >= 2);
	tear_down(&f);
}

static void
under_load_nothing_is_lost(void **state)
{
	(void)state;
	lose_both(nbdkit);
}

static void
nor_with_qemu_nbd(void **state)
{
	(void)state;
	lose_both(qemu_nbd);
}

static void
await_return(struct fixture *f)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int i = 0; i < TIMEOUT / 20; i++) {
		if (connections_to(f, 0) > 0 && connections_to(f, 1) == 0)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("still not back");
}

static void
all_return_to_the_first(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "SharedStorage=yes\nReturnInterval=50ms\n");
	reborn_kill(&f.servers[0]);
	write_well(&f, 0, 1);
	assert_true(connections_to(&f, 1) > 0);
	/* What the second holds unflushed is flushed there, so that the first
	 * sees it; no request fails. */
	run(&f, WRITE, 7, revive_first, &f);
	await_return(&f);
	run(&f, READ, 7, NULL, NULL);
	assert_int_equal(counters(&f).replayed, 0);
	assert_true(counters(&f).early_flushes >= 1);
	tear_down(&f);
}

static void
a_server_that_stands_still_is_left(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "SharedStorage=yes\nRequestTimeout=1s\n"
		   "ConnectTimeout=300ms\n");
	write_well(&f, 0, 1);
	process_stop(f.servers[0].pid);
	write_well(&f, 64 * KIB, 2);
	assert_int_equal(connections_to(&f, 0), 0);
	expect_bytes(&f, 0, 1);
	expect_bytes(&f, 64 * KIB, 2);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_shared_storage_writes_move_too),
		cmocka_unit_test(of_a_read_only_volume_all_moves),
		cmocka_unit_test(writes_do_not_move_to_a_disk_of_its_own),
		cmocka_unit_test(reads_move_until_something_is_written),
		cmocka_unit_test(under_load_nothing_is_lost),
		cmocka_unit_test(nor_with_qemu_nbd),
		cmocka_unit_test(all_return_to_the_first),
		cmocka_unit_test(a_server_that_stands_still_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
