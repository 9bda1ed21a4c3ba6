/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reload, drain, the socket, and what the daemon survives. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "tests/daemon/harness.h"
#include "tests/support/process.h"
#include "tests/support/server.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define FAILED_PRECONDITION 9

struct fixture {
	struct server server;
	struct daemon_process daemon;
	struct client *client;
};

static void
set_up(struct fixture *f, const char *server, const char *settings)
{
	*f = (struct fixture){ 0 };
	server_start_line(&f->server, SERVER_UNIX, server);
	daemon_prepare(&f->daemon, settings);
	daemon_put_volume(&f->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n",
			  f->server.socket);
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
	daemon_await_volume(f->client, "disk", volume_is_ready);
}

static void
tear_down(struct fixture *f)
{
	client_free(f->client);
	if (f->daemon.pid)
		daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	server_stop(&f->server);
}

static Nbdclientd__V1__ReloadResponse *
reload(struct fixture *f, struct client_error *error)
{
	Nbdclientd__V1__ReloadRequest request =
		NBDCLIENTD__V1__RELOAD_REQUEST__INIT;

	return client_call(f->client, RPC_ADMIN_RELOAD, &request, 30000, error);
}

static void
expect_reload(struct fixture *f, unsigned added, unsigned changed,
	      unsigned removed)
{
	struct client_error error;
	Nbdclientd__V1__ReloadResponse *response = reload(f, &error);

	if (!response)
		fail_msg("%s", error.message);
	assert_int_equal(response->volumes_added, added);
	assert_int_equal(response->volumes_changed, changed);
	assert_int_equal(response->volumes_removed, removed);
	codec_message_free(response);
}

static uint64_t
connection_of(struct fixture *f, char *volume)
{
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;
	Nbdclientd__V1__ListConnectionsResponse *response;
	struct client_error error;
	uint64_t id;

	request.volume = volume;
	response = client_call(f->client, RPC_ADMIN_LIST_CONNECTIONS, &request,
			       30000, &error);
	if (!response)
		fail_msg("%s", error.message);
	assert_true(response->n_connections >= 1);
	id = response->connections[0]->id;
	codec_message_free(response);
	return id;
}

static void
a_reload_applies_the_difference_and_leaves_the_rest_connected(void **state)
{
	static char disk[] = "disk";
	struct fixture f;
	uint64_t connection;

	(void)state;
	set_up(&f, "nbdkit --foreground memory 1M", "");
	connection = connection_of(&f, disk);
	daemon_put_volume(&f.daemon, "other", "Uri=nbd+unix:///?socket=%s\n",
			  f.server.socket);
	expect_reload(&f, 1, 0, 0);
	daemon_await_volume(f.client, "other", volume_is_ready);
	assert_true(connection_of(&f, disk) == connection);
	/* Who may use it is no reason to connect anew. */
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbd+unix:///?socket=%s\nAllowUsers=0\n",
			  f.server.socket);
	daemon_remove_volume_file(&f.daemon, "other");
	expect_reload(&f, 0, 1, 1);
	assert_true(connection_of(&f, disk) == connection);
	/* Another number of connections is. */
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbd+unix:///?socket=%s\nConnections=2\n",
			  f.server.socket);
	expect_reload(&f, 0, 1, 0);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	assert_true(connection_of(&f, disk) != connection);
	expect_reload(&f, 0, 0, 0);
	tear_down(&f);
}

static void
a_wrong_configuration_changes_nothing_and_is_explained(void **state)
{
	static char disk[] = "disk";
	struct fixture f;
	struct client_error error;
	uint64_t connection;

	(void)state;
	set_up(&f, "nbdkit --foreground memory 1M", "");
	connection = connection_of(&f, disk);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbd+unix:///?socket=%s\nConnections=many\n",
			  f.server.socket);
	assert_null(reload(&f, &error));
	assert_int_equal(error.status, FAILED_PRECONDITION);
	assert_non_null(strstr(error.message,
			       "volumes.d/disk.conf:3: Connections=many: not "
			       "MIN-MAX or one number"));
	assert_true(connection_of(&f, disk) == connection);
	/* The signal does the same, and systemd is told when it is over. */
	daemon_put_volume(&f.daemon, "disk", "Uri=nbd+unix:///?socket=%s\n",
			  f.server.socket);
	process_signal(f.daemon.pid, SIGHUP);
	daemon_await(&f.daemon, "RELOADING=1");
	daemon_await(&f.daemon, "READY=1");
	assert_true(connection_of(&f, disk) == connection);
	tear_down(&f);
}

struct slow_read {
	bool is_done;
	bool has_failed;
	struct client_error error;
};

static void
on_slow_read(struct channel_request *request, struct io_reply *reply,
	     const struct client_error *error)
{
	struct slow_read *slow = request->user;

	(void)reply;
	slow->is_done = true;
	slow->has_failed = error;
	if (error)
		slow->error = *error;
}

static bool
is_busy(const Nbdclientd__V1__Volume *volume)
{
	return volume->in_flight > 0;
}

/* Waits until the server has the request. The channel moves only while it is
 * waited for. */
static void
await_busy(struct fixture *f, struct channel *channel)
{
	CLEANUP_CLIENT struct client *other = daemon_connect(&f->daemon);

	for (int i = 0; i < 1000; i++) {
		Nbdclientd__V1__Volume *volume = daemon_volume(other, "disk");
		bool busy = is_busy(volume);

		codec_message_free(volume);
		if (busy)
			return;
		channel_wait(channel, 20);
	}
	fail_msg("the request does not reach the server");
}

static void
sigterm_finishes_what_is_in_flight(void **state)
{
	struct fixture f;
	struct client_error error;
	struct channel *channel;
	struct slow_read slow = { 0 };
	struct channel_request request = {
		.io.command = NBDCLIENTD__V1__COMMAND__COMMAND_READ,
		.io.length = 4096,
		.on_reply = on_slow_read,
		.user = &slow,
	};

	(void)state;
	set_up(&f, "nbdkit --foreground --filter=delay memory 1M rdelay=1", "");
	channel = channel_open(f.client, "disk", 30000, &error);
	assert_non_null(channel);
	channel_submit(channel, &request);
	await_busy(&f, channel);
	process_signal(f.daemon.pid, SIGTERM);
	daemon_await(&f.daemon, "STOPPING=1");
	while (!slow.is_done)
		assert_true(channel_wait(channel, 30000) > 0);
	if (slow.has_failed)
		fail_msg("%s", slow.error.message);
	channel_free(channel);
	client_free(f.client);
	f.client = NULL;
	assert_int_equal(process_wait(f.daemon.pid), 0);
	f.daemon.pid = 0;
	/* The service manager was given the socket to keep, so its file stays
	 * for the next start; this one drops it, and nobody listens. */
	assert_int_equal(access(f.daemon.address, F_OK), 0);
	assert_null(client_connect(f.daemon.address, &error));
	assert_int_equal(error.failure, CLIENT_NOT_REACHABLE);
	tear_down(&f);
}

static void
what_does_not_finish_in_time_is_cancelled(void **state)
{
	struct fixture f;
	struct client_error error;
	struct channel *channel;
	struct slow_read slow = { 0 };
	struct channel_request request = {
		.io.command = NBDCLIENTD__V1__COMMAND__COMMAND_READ,
		.io.length = 4096,
		.on_reply = on_slow_read,
		.user = &slow,
	};

	(void)state;
	set_up(&f, "nbdkit --foreground memory 1M", "DrainTimeout=300ms\n");
	channel = channel_open(f.client, "disk", 30000, &error);
	assert_non_null(channel);
	process_stop(f.server.pid);
	channel_submit(channel, &request);
	await_busy(&f, channel);
	process_signal(f.daemon.pid, SIGTERM);
	while (!slow.is_done)
		assert_true(channel_wait(channel, 30000) > 0);
	assert_true(slow.has_failed);
	channel_free(channel);
	client_free(f.client);
	f.client = NULL;
	assert_int_equal(process_wait(f.daemon.pid), 0);
	f.daemon.pid = 0;
	tear_down(&f);
}

static void
a_second_sigterm_leaves_at_once(void **state)
{
	struct fixture f;
	struct client_error error;
	struct channel *channel;
	struct slow_read slow = { 0 };
	struct channel_request request = {
		.io.command = NBDCLIENTD__V1__COMMAND__COMMAND_READ,
		.io.length = 4096,
		.on_reply = on_slow_read,
		.user = &slow,
	};
	int status;

	(void)state;
	set_up(&f, "nbdkit --foreground memory 1M", "DrainTimeout=10min\n");
	channel = channel_open(f.client, "disk", 30000, &error);
	assert_non_null(channel);
	process_stop(f.server.pid);
	channel_submit(channel, &request);
	await_busy(&f, channel);
	process_signal(f.daemon.pid, SIGTERM);
	daemon_await(&f.daemon, "STOPPING=1");
	process_signal(f.daemon.pid, SIGTERM);
	status = process_wait(f.daemon.pid);
	f.daemon.pid = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	channel_free(channel);
	tear_down(&f);
}

static int
connect_raw(const struct fixture *f)
{
	struct sockaddr_un address = server_unix_address(f->daemon.address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static bool
serves(const struct fixture *f)
{
	Nbdclientd__V1__GetStatusRequest request =
		NBDCLIENTD__V1__GET_STATUS_REQUEST__INIT;
	struct client_error error;
	struct client *client = client_connect(f->daemon.address, &error);
	void *response;

	if (!client)
		return false;
	response = client_call(client, RPC_ADMIN_GET_STATUS, &request, 30000,
			       &error);
	if (response)
		codec_message_free(response);
	client_free(client);
	return response;
}

/* More clients than the daemon has descriptors: some are turned away, but it
 * must neither end nor stop accepting for good. */
static void
a_lack_of_descriptors_passes(void **state)
{
	enum {
		N = 100
	};
	struct rlimit few = { 40, 40 };
	struct fixture f;
	int fds[N];
	bool is_serving = false;

	(void)state;
	set_up(&f, "nbdkit --foreground memory 1M", "");
	assert_int_equal(prlimit(f.daemon.pid, RLIMIT_NOFILE, &few, NULL), 0);
	for (int i = 0; i < N; i++)
		fds[i] = connect_raw(&f);
	for (int i = 0; i < N; i++)
		close(fds[i]);
	/* It may have a few of those that have left before us. */
	for (int i = 0; i < N && !is_serving; i++)
		is_serving = serves(&f);
	assert_true(is_serving);
	/* And who was there before is still served. */
	daemon_await_volume(f.client, "disk", volume_is_ready);
	tear_down(&f);
}

static void
a_socket_of_systemds_is_used_and_left_alone(void **state)
{
	struct fixture f = { 0 };
	struct sockaddr_un address;
	CLEANUP_FREE char *option = NULL, *passed = NULL;
	struct client_error error;
	struct client *client;
	int fd;

	(void)state;
	daemon_prepare(&f.daemon, "");
	passed = workdir_path(f.daemon.dir, "passed.sock");
	address = server_unix_address(passed);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_true(asprintf(&option, "--config=%s", f.daemon.config) > 0);
	f.daemon.pid = process_start(
		(const char *[]){ getenv("NBD_CLIENTD"), option, NULL }, fd);
	client = client_connect(passed, &error);
	assert_non_null(client);
	{
		Nbdclientd__V1__GetStatusRequest request =
			NBDCLIENTD__V1__GET_STATUS_REQUEST__INIT;
		Nbdclientd__V1__GetStatusResponse *response = client_call(
			client, RPC_ADMIN_GET_STATUS, &request, 30000, &error);

		assert_non_null(response);
		assert_int_equal(response->pid, f.daemon.pid);
		codec_message_free(response);
	}
	client_free(client);
	daemon_terminate(&f.daemon);
	assert_int_equal(access(f.daemon.address, F_OK), -1);
	assert_int_equal(access(passed, F_OK), 0);
	close(fd);
	daemon_cleanup(&f.daemon);
}

static void
a_second_daemon_at_the_same_socket_does_not_start(void **state)
{
	struct fixture f;
	CLEANUP_FREE char *option = NULL;
	pid_t pid;

	(void)state;
	set_up(&f, "nbdkit --foreground memory 1M", "");
	assert_true(asprintf(&option, "--config=%s", f.daemon.config) > 0);
	pid = process_start(
		(const char *[]){ getenv("NBD_CLIENTD"), option, NULL }, -1);
	assert_int_equal(WEXITSTATUS(process_wait(pid)), 1);
	/* The first one is still there. */
	daemon_await_volume(f.client, "disk", volume_is_ready);
	tear_down(&f);
}

/* What is left by a daemon that was killed does not hinder the next. */
static void
a_stale_socket_is_replaced(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "nbdkit --foreground memory 1M", "");
	client_free(f.client);
	process_kill(f.daemon.pid);
	close(f.daemon.notify_fd);
	assert_int_equal(access(f.daemon.address, F_OK), 0);
	daemon_launch(&f.daemon);
	f.client = daemon_connect(&f.daemon);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_reload_applies_the_difference_and_leaves_the_rest_connected),
		cmocka_unit_test(
			a_wrong_configuration_changes_nothing_and_is_explained),
		cmocka_unit_test(sigterm_finishes_what_is_in_flight),
		cmocka_unit_test(what_does_not_finish_in_time_is_cancelled),
		cmocka_unit_test(a_second_sigterm_leaves_at_once),
		cmocka_unit_test(a_lack_of_descriptors_passes),
		cmocka_unit_test(a_socket_of_systemds_is_used_and_left_alone),
		cmocka_unit_test(
			a_second_daemon_at_the_same_socket_does_not_start),
		cmocka_unit_test(a_stale_socket_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
