/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connecting and unary calls, against a server in this process. */
#include "proto/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nbdclientd/v1/io.pb-c.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"
#include "tests/unit/proto/server.h"

/* Nothing that is waited for takes so long. */
#define LONG_MS 60000

#define REASON(name) NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_##name

struct fixture {
	struct server *server;
	struct client *client;
};

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct client_error error;

	assert_non_null(fixture);
	fixture->server = server_start();
	fixture->client = client_connect(server_address(fixture->server),
					 &error);
	assert_non_null(fixture->client);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	client_free(fixture->client);
	server_stop(fixture->server);
	free(fixture);
	return 0;
}

static void *
get_volume(struct client *client, const char *name, int timeout_ms,
	   struct client_error *error)
{
	Nbdclientd__V1__GetVolumeRequest request =
		NBDCLIENTD__V1__GET_VOLUME_REQUEST__INIT;
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", name);
	request.name = copy;
	return client_call(client, RPC_VOLUMES_GET_VOLUME, &request, timeout_ms,
			   error);
}

static void
no_socket_is_said_so(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	char *path = workdir_path(dir, "none");
	struct client_error error;

	(void)state;
	assert_null(client_connect(path, &error));
	assert_int_equal(error.failure, CLIENT_NOT_REACHABLE);
	assert_string_equal(error.errno_name, "ENOENT");
	assert_non_null(strstr(error.message, path));
	assert_string_not_equal(error.hint, "");
	assert_int_equal(error.applied, NBDCLIENTD__V1__APPLIED__APPLIED_NO);
	free(path);
}

static void
a_socket_without_a_daemon_is_said_so(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	char *path = workdir_path(dir, "dead");
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct client_error error;

	(void)state;
	snprintf(where.sun_path, sizeof(where.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof(where)), 0);
	assert_null(client_connect(path, &error));
	assert_int_equal(error.failure, CLIENT_NOT_REACHABLE);
	assert_string_equal(error.errno_name, "ECONNREFUSED");
	close(fd);
	free(path);
}

static void
a_forbidden_socket_is_said_so(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_WORKDIR char *dir = workdir_make();
	char *path = workdir_path(dir, "link");
	struct client_error error;
	struct client *client;
	uid_t user = geteuid();

	assert_int_equal(symlink(server_address(fixture->server), path), 0);
	assert_int_equal(chmod(dir, 0), 0);
	/* Nothing is forbidden to root. */
	if (user == 0)
		assert_int_equal(seteuid(65534), 0);
	client = client_connect(path, &error);
	if (user == 0)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_null(client);
	assert_int_equal(error.failure, CLIENT_NOT_PERMITTED);
	assert_string_equal(error.errno_name, "EACCES");
	assert_non_null(strstr(error.hint, "group"));
	free(path);
}

static void
a_path_that_is_no_socket_address_is_said_so(void **state)
{
	char path[200];
	struct client_error error;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_null(client_connect(path, &error));
	assert_int_equal(error.failure, CLIENT_BROKEN);
	assert_string_equal(error.errno_name, "ENAMETOOLONG");
}

static void
the_address_comes_from_the_environment(void **state)
{
	(void)state;
	unsetenv("NBDCTL_ADDRESS");
	assert_string_equal(client_default_address(),
			    "/run/nbd-clientd/nbd-clientd.sock");
	setenv("NBDCTL_ADDRESS", "/somewhere", 1);
	assert_string_equal(client_default_address(), "/somewhere");
	unsetenv("NBDCTL_ADDRESS");
}

static void
a_call_is_answered(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;
	CLEANUP_MESSAGE Nbdclientd__V1__Volume *volume = get_volume(
		fixture->client, "disk", LONG_MS, &error);

	assert_non_null(volume);
	assert_string_equal(volume->name, "disk");
	assert_int_equal(volume->connections_ready, 3);
	assert_int_equal(error.failure, CLIENT_OK);
}

static void
what_the_daemon_says_of_a_failure_arrives(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;

	assert_null(get_volume(fixture->client, "missing", LONG_MS, &error));
	assert_int_equal(error.failure, CLIENT_REFUSED);
	assert_int_equal(error.status, 5);
	assert_string_equal(error.message, "no volume is called missing");
	assert_string_equal(error.errno_name, "ENOENT");
	assert_int_equal(error.errno_value, ENOENT);
	assert_int_equal(error.reason, REASON(UNKNOWN_VOLUME));
	assert_int_equal(error.applied, NBDCLIENTD__V1__APPLIED__APPLIED_NO);
	assert_string_equal(error.volume, "missing");
	assert_string_equal(error.endpoint, "nbd://server/");
	assert_string_equal(error.hint, "nbdctl volume ls lists them");
}

static void
a_failure_without_details_is_passed_on(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;

	assert_null(get_volume(fixture->client, "plain", LONG_MS, &error));
	assert_int_equal(error.failure, CLIENT_REFUSED);
	assert_string_equal(error.message, "it broke");
	assert_string_equal(error.errno_name, "EIO");
	assert_string_equal(error.volume, "plain");
}

static void
a_method_that_is_not_served_is_said_so(void **state)
{
	struct fixture *fixture = *state;
	Nbdclientd__V1__FlushRequest request =
		NBDCLIENTD__V1__FLUSH_REQUEST__INIT;
	struct client_error error;

	assert_null(client_call(fixture->client, RPC_IO_FLUSH, &request,
				LONG_MS, &error));
	assert_int_equal(error.failure, CLIENT_REFUSED);
	assert_int_equal(error.reason, REASON(NOT_SUPPORTED));
}

static void
nonsense_is_not_taken_for_an_answer(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;

	assert_null(get_volume(fixture->client, "nonsense", LONG_MS, &error));
	assert_int_equal(error.failure, CLIENT_BROKEN);
	assert_string_equal(error.errno_name, "EBADMSG");
}

static void
a_call_ends_with_its_time(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;

	assert_null(get_volume(fixture->client, "slow", 30, &error));
	assert_int_equal(error.failure, CLIENT_TIMED_OUT);
	assert_int_equal(error.reason, REASON(TIMEOUT));
	assert_int_equal(error.applied, NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE);
	assert_string_equal(error.volume, "slow");
}

static void *
interrupt_later(void *argument)
{
	struct fixture *fixture = argument;

	server_wait_until_slow(fixture->server);
	client_interrupt(fixture->client);
	return NULL;
}

static void
an_interrupted_client_gives_up_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;
	pthread_t thread;

	pthread_create(&thread, NULL, interrupt_later, fixture);
	assert_null(
		get_volume(fixture->client, "slow", CLIENT_FOREVER, &error));
	pthread_join(thread, NULL);
	assert_int_equal(error.failure, CLIENT_INTERRUPTED);
	/* And does not begin again. */
	assert_null(get_volume(fixture->client, "disk", LONG_MS, &error));
	assert_int_equal(error.failure, CLIENT_INTERRUPTED);
}

static void *
kill_later(void *argument)
{
	struct fixture *fixture = argument;

	server_wait_until_slow(fixture->server);
	server_kill(fixture->server);
	return NULL;
}

static void
a_daemon_that_dies_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;
	pthread_t thread;

	pthread_create(&thread, NULL, kill_later, fixture);
	assert_null(
		get_volume(fixture->client, "slow", CLIENT_FOREVER, &error));
	pthread_join(thread, NULL);
	assert_int_equal(error.failure, CLIENT_NOT_REACHABLE);
	assert_int_equal(error.applied, NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE);
	assert_non_null(strstr(error.message, server_address(fixture->server)));
	assert_null(get_volume(fixture->client, "disk", LONG_MS, &error));
	assert_int_equal(error.failure, CLIENT_NOT_REACHABLE);
}

static void
count_release(void *user)
{
	++*(unsigned *)user;
}

static void
what_was_written_is_read(void **state)
{
	struct fixture *fixture = *state;
	const size_t length = 300000;
	uint8_t *pattern = malloc(length);
	unsigned n_released = 0;
	struct payload data;
	struct client_error error;

	assert_non_null(pattern);
	for (size_t i = 0; i < length; i++)
		pattern[i] = (uint8_t)(i * 31 >> 3);
	data = payload_wrap(pattern, length, count_release, &n_released);
	assert_int_equal(client_write(fixture->client, "disk", 4096, 0, &data,
				      LONG_MS, &error),
			 0);
	assert_null(data.owner);
	assert_int_equal(n_released, 1);
	assert_int_equal(client_read(fixture->client, "disk", 4096,
				     (uint32_t)length, LONG_MS, &data, &error),
			 0);
	assert_int_equal(data.length, length);
	assert_memory_equal(data.bytes, pattern, length);
	payload_release(&data);
	free(pattern);
}

static void
a_short_read_is_no_read(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;
	struct payload data;

	assert_int_equal(client_read(fixture->client, "short", 0, 100, LONG_MS,
				     &data, &error),
			 -EBADMSG);
	assert_int_equal(error.failure, CLIENT_BROKEN);
	assert_null(data.owner);
}

static void
more_than_the_daemon_takes_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;
	struct payload data;
	void *room;

	data = payload_allocate(5 * MIB, &room);
	memset(room, 0, 5 * MIB);
	assert_true(client_write(fixture->client, "disk", 0, 0, &data, LONG_MS,
				 &error) < 0);
	assert_int_equal(error.failure, CLIENT_REFUSED);
	assert_int_equal(error.reason, REASON(LIMIT));
	/* The connection is as good as before. */
	assert_int_equal(client_read(fixture->client, "disk", 0, 1, LONG_MS,
				     &data, &error),
			 0);
	payload_release(&data);
}

static void
a_child_does_not_touch_its_parents_client(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;
	void *volume = get_volume(fixture->client, "disk", LONG_MS, &error);
	int status;
	pid_t child;

	assert_non_null(volume);
	codec_message_free(volume);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		bool refused = !get_volume(fixture->client, "disk", 100,
					   &error) &&
			       error.failure == CLIENT_BROKEN &&
			       strstr(error.message, "fork");

		client_free(fixture->client);
		_exit(refused ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	volume = get_volume(fixture->client, "disk", LONG_MS, &error);
	assert_non_null(volume);
	codec_message_free(volume);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_socket_is_said_so),
		cmocka_unit_test(a_socket_without_a_daemon_is_said_so),
		TEST(a_forbidden_socket_is_said_so),
		cmocka_unit_test(a_path_that_is_no_socket_address_is_said_so),
		cmocka_unit_test(the_address_comes_from_the_environment),
		TEST(a_call_is_answered),
		TEST(what_the_daemon_says_of_a_failure_arrives),
		TEST(a_failure_without_details_is_passed_on),
		TEST(a_method_that_is_not_served_is_said_so),
		TEST(nonsense_is_not_taken_for_an_answer),
		TEST(a_call_ends_with_its_time),
		TEST(an_interrupted_client_gives_up_at_once),
		TEST(a_daemon_that_dies_is_noticed),
		TEST(what_was_written_is_read),
		TEST(a_short_read_is_no_read),
		TEST(more_than_the_daemon_takes_is_refused),
		TEST(a_child_does_not_touch_its_parents_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
