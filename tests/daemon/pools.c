/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many connections the daemon makes to real servers, and what becomes of
 * requests that no server takes in one piece.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "tests/daemon/harness.h"
#include "tests/support/nbd_server.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/server.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB   1024
#define MIB   (1024 * 1024)
#define READ  NBDCLIENTD__V1__COMMAND__COMMAND_READ
#define WRITE NBDCLIENTD__V1__COMMAND__COMMAND_WRITE

struct fixture {
	struct server server;
	struct daemon_process daemon;
	struct client *client;
};

static void
start_daemon(struct fixture *f, const char *export, const char *settings)
{
	daemon_prepare(&f->daemon, "");
	daemon_put_volume(&f->daemon, "disk",
			  "Uri=nbd+unix:///%s?socket=%s\n%s", export,
			  f->server.socket, settings);
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
	daemon_await_volume(f->client, "disk", volume_is_ready);
}

static void
set_up(struct fixture *f, const char *server, const char *settings)
{
	*f = (struct fixture){ 0 };
	server_start_line(&f->server, SERVER_UNIX, server);
	start_daemon(f, "", settings);
}

static void
tear_down(struct fixture *f)
{
	client_free(f->client);
	daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	server_stop(&f->server);
}

static void
run(struct fixture *f, uint32_t command, uint64_t size, uint32_t block)
{
	struct client_error error;
	struct load load = {
		.channel = channel_open(f->client, "disk", 30000, &error),
		.command = command,
		.size = size,
		.block = block,
		.depth = 64,
		.seed = 5,
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

static unsigned
n_connections(struct fixture *f)
{
	Nbdclientd__V1__Volume *volume = daemon_volume(f->client, "disk");
	unsigned n = volume->connections_ready;

	codec_message_free(volume);
	return n;
}

static bool
has_three(const Nbdclientd__V1__Volume *volume)
{
	return volume->connections_ready == 3;
}

static bool
has_two(const Nbdclientd__V1__Volume *volume)
{
	return volume->connections_ready == 2;
}

static bool
has_one(const Nbdclientd__V1__Volume *volume)
{
	return volume->connections_ready == 1;
}

static void
the_pool_grows_with_the_load_and_shrinks_when_idle(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "nbdkit --foreground --filter=delay memory 16M wdelay=5ms",
	       "Connections=1-3\nIdleTimeout=300ms\n");
	assert_int_equal(n_connections(&f), 1);
	run(&f, WRITE, 16 * MIB, 64 * KIB);
	daemon_await_volume(f.client, "disk", has_one);
	/* What several connections wrote, one reads. */
	run(&f, READ, 16 * MIB, 64 * KIB);
	tear_down(&f);
}

static void
the_smallest_number_is_there_without_any_load(void **state)
{
	struct fixture f;
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;
	Nbdclientd__V1__ListConnectionsResponse *response;
	struct client_error error;

	(void)state;
	set_up(&f, "nbdkit --foreground memory 16M", "Connections=3-4\n");
	daemon_await_volume(f.client, "disk", has_three);
	response = client_call(f.client, RPC_ADMIN_LIST_CONNECTIONS, &request,
			       30000, &error);
	assert_non_null(response);
	assert_int_equal(response->n_connections, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(response->connections[i]->volume, "disk");
		assert_int_equal(
			response->connections[i]->state,
			NBDCLIENTD__V1__CONNECTION_STATE__CONNECTION_STATE_IDLE);
		for (size_t j = 0; j < i; j++)
			assert_true(response->connections[i]->id !=
				    response->connections[j]->id);
	}
	codec_message_free(response);
	tear_down(&f);
}

static void
a_server_without_multi_conn_gets_one_connection(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f,
	       "nbdkit --foreground --filter=multi-conn --filter=delay memory "
	       "16M wdelay=2ms multi-conn-mode=disable",
	       "Connections=2-4\n");
	run(&f, WRITE, 4 * MIB, 16 * KIB);
	assert_int_equal(n_connections(&f), 1);
	run(&f, READ, 4 * MIB, 16 * KIB);
	tear_down(&f);
}

static void
a_volume_that_is_read_only_may_have_several_all_the_same(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f,
	       "nbdkit --foreground --filter=multi-conn memory 16M "
	       "multi-conn-mode=disable",
	       "Connections=3-4\nReadOnly=yes\n");
	daemon_await_volume(f.client, "disk", has_three);
	tear_down(&f);
}

static void
nbd_server_serves_a_volume(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *image = workdir_sparse_file(dir, "image", 8 * MIB);
	struct fixture f = { 0 };

	(void)state;
	nbd_server_start(&f.server, image, "");
	start_daemon(&f, "disk", "Connections=1-4\n");
	run(&f, WRITE, 8 * MIB, 64 * KIB);
	run(&f, READ, 8 * MIB, 64 * KIB);
	tear_down(&f);
}

static void
qemu_nbd_serves_a_volume(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *image = workdir_sparse_file(dir, "image", 8 * MIB);
	CLEANUP_FREE char *line = NULL;
	struct fixture f;

	(void)state;
	assert_true(asprintf(&line,
			     "qemu-nbd -t -e 8 -f raw --cache=writeback %s",
			     image) > 0);
	set_up(&f, line, "Connections=1-4\n");
	run(&f, WRITE, 8 * MIB, 64 * KIB);
	run(&f, READ, 8 * MIB, 64 * KIB);
	tear_down(&f);
}

static void
a_server_is_found_by_its_name(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	server_start_line(&f.server, SERVER_TCP,
			  "nbdkit --foreground memory 8M");
	daemon_prepare(&f.daemon, "");
	daemon_put_volume(&f.daemon, "disk", "Uri=nbd://localhost:%s\n",
			  f.server.port);
	daemon_launch(&f.daemon);
	f.client = daemon_connect(&f.daemon);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	run(&f, WRITE, 8 * MIB, 64 * KIB);
	run(&f, READ, 8 * MIB, 64 * KIB);
	tear_down(&f);
}

/* Whom --pidfile names: the server that runs now. */
static pid_t
read_pid(const struct fixture *f)
{
	CLEANUP_FREE char *path = workdir_path(f->daemon.dir, "pid");
	FILE *file = fopen(path, "re");
	int pid = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	return pid;
}

static bool
has_lost_its_child(const Nbdclientd__V1__Volume *volume)
{
	return volume->counters->reconnects >= 1 && volume_is_ready(volume);
}

static void
a_server_of_our_own_is_started_again_and_ends_with_us(void **state)
{
	struct fixture f = { 0 };
	pid_t pid;

	(void)state;
	daemon_prepare(&f.daemon, "");
	daemon_put_volume(&f.daemon, "disk",
			  "Command=nbdkit --foreground --pidfile=%s/pid memory "
			  "8M\n",
			  f.daemon.dir);
	daemon_launch(&f.daemon);
	f.client = daemon_connect(&f.daemon);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	run(&f, WRITE, 8 * MIB, 64 * KIB);
	/* All connections see one memory. */
	run(&f, READ, 8 * MIB, 64 * KIB);
	pid = read_pid(&f);
	assert_int_equal(kill(pid, SIGKILL), 0);
	daemon_await_volume(f.client, "disk", has_lost_its_child);
	run(&f, WRITE, 8 * MIB, 64 * KIB);
	run(&f, READ, 8 * MIB, 64 * KIB);
	pid = read_pid(&f);
	client_free(f.client);
	daemon_terminate(&f.daemon);
	assert_int_equal(kill(pid, 0), -1);
	daemon_cleanup(&f.daemon);
}

static void
large_requests_are_cut_to_what_the_server_takes(void **state)
{
	struct fixture f;

	(void)state;
	/* Reads and writes of more than 64 KiB are an error there. */
	set_up(&f,
	       "nbdkit --foreground --filter=blocksize-policy memory 16M "
	       "blocksize-maximum=64K blocksize-error-policy=error",
	       "Connections=1-2\n");
	run(&f, WRITE, 16 * MIB, 1 * MIB);
	run(&f, READ, 16 * MIB, 2 * MIB);
	tear_down(&f);
}

static void
expect_read(struct fixture *f, uint64_t offset, uint32_t length)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;

	if (client_read(f->client, "disk", offset, length, 30000, &data,
			&error) < 0)
		fail_msg("%s", error.message);
	assert_int_equal(data.length, length);
	assert_int_equal(pattern_mismatch(data.bytes, length, 5, offset),
			 length);
}

static void
unaligned_reads_work_and_unaligned_writes_are_refused(void **state)
{
	struct fixture f;
	struct client_error error;
	struct payload data;
	void *bytes;

	(void)state;
	set_up(&f,
	       "nbdkit --foreground --filter=blocksize-policy memory 1M "
	       "blocksize-minimum=4K blocksize-error-policy=error",
	       "SingleWriter=no\n");
	run(&f, WRITE, 1 * MIB, 64 * KIB);
	expect_read(&f, 1, 1);
	expect_read(&f, 4095, 2);
	expect_read(&f, 5000, 100000);
	expect_read(&f, 1 * MIB - 1, 1);
	data = payload_allocate(100, &bytes);
	memset(bytes, 0, 100);
	assert_true(client_write(f.client, "disk", 0, 0, &data, 30000, &error) <
		    0);
	assert_non_null(strstr(error.message, "4096"));
	assert_int_equal(error.reason,
			 NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_INVALID);
	/* And nothing of it was written. */
	expect_read(&f, 0, 4096);
	tear_down(&f);
}

static void
on_reply(struct channel_request *request, struct io_reply *reply,
	 const struct client_error *error)
{
	unsigned *n_answered = request->user;

	(void)reply;
	if (error)
		fail_msg("%s", error->message);
	++*n_answered;
}

/* Of 40 requests a server that stands still has as many as it may have; the
 * others wait here. */
static void
a_connection_has_so_many_in_flight_and_no_more(void **state)
{
	struct channel_request requests[40];
	CLEANUP_CLIENT struct client *other = NULL;
	struct client_error error;
	struct channel *channel;
	unsigned n_answered = 0;
	struct fixture f;

	(void)state;
	set_up(&f, "nbdkit --foreground memory 1M",
	       "Connections=2\nInFlight=5\n");
	daemon_await_volume(f.client, "disk", has_two);
	other = daemon_connect(&f.daemon);
	channel = channel_open(f.client, "disk", 30000, &error);
	assert_non_null(channel);
	process_stop(f.server.pid);
	for (uint64_t i = 0; i < 40; i++) {
		requests[i] = (struct channel_request){
			.io.command = READ,
			.io.offset = i * 4096,
			.io.length = 4096,
			.on_reply = on_reply,
			.user = &n_answered,
		};
		channel_submit(channel, &requests[i]);
	}
	for (unsigned n = 0; n < 40;) {
		Nbdclientd__V1__Volume *volume = daemon_volume(other, "disk");

		n = volume->in_flight + volume->waiting;
		assert_true(volume->in_flight <= 10);
		if (n == 40)
			assert_int_equal(volume->in_flight, 10);
		codec_message_free(volume);
		channel_wait(channel, 20);
	}
	process_signal(f.server.pid, SIGCONT);
	while (n_answered < 40)
		assert_true(channel_wait(channel, 30000) > 0);
	channel_free(channel);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_pool_grows_with_the_load_and_shrinks_when_idle),
		cmocka_unit_test(the_smallest_number_is_there_without_any_load),
		cmocka_unit_test(
			a_server_without_multi_conn_gets_one_connection),
		cmocka_unit_test(
			a_volume_that_is_read_only_may_have_several_all_the_same),
		cmocka_unit_test(nbd_server_serves_a_volume),
		cmocka_unit_test(qemu_nbd_serves_a_volume),
		cmocka_unit_test(a_server_is_found_by_its_name),
		cmocka_unit_test(
			a_server_of_our_own_is_started_again_and_ends_with_us),
		cmocka_unit_test(
			large_requests_are_cut_to_what_the_server_takes),
		cmocka_unit_test(
			unaligned_reads_work_and_unaligned_writes_are_refused),
		cmocka_unit_test(
			a_connection_has_so_many_in_flight_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
