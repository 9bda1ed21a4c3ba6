/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways to a server, up to the first byte. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "tests/support/unit.h"

static int
make_handle(void **state)
{
	*state = handle_new();
	return *state ? 0 : -1;
}

static int
free_handle(void **state)
{
	handle_free(*state);
	return 0;
}

/* A TCP socket on a port the kernel chose; its address in *ADDRESS. */
static int
bind_tcp(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(*address);

	*address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	assert_int_equal(bind(fd, (struct sockaddr *)address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &length),
			 0);
	return fd;
}

/* What a poll loop does, until the connection is no longer in STATE. */
static int
run_while(struct nbd_handle *h, enum state state)
{
	while (h->state == state) {
		struct pollfd pollfd = { .fd = engine_fd(h) };
		unsigned direction = engine_direction(h);

		if (direction & LIBNBD_AIO_DIRECTION_READ)
			pollfd.events |= POLLIN;
		if (direction & LIBNBD_AIO_DIRECTION_WRITE)
			pollfd.events |= POLLOUT;
		assert_int_equal(poll(&pollfd, 1, 20000), 1);
		if ((pollfd.revents & (POLLIN | POLLHUP)
			     ? engine_notify_read(h)
			     : engine_notify_write(h)) == -1)
			return -1;
	}
	return 0;
}

static void
a_listening_address_is_connected(void **state)
{
	struct nbd_handle *h = *state;
	struct sockaddr_in address;
	int listener = bind_tcp(&address);

	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(engine_connect_sockaddr(h, (struct sockaddr *)&address,
						 sizeof(address)),
			 0);
	assert_int_equal(run_while(h, STATE_CONNECT), 0);
	assert_int_equal(h->state, STATE_MAGIC);
	assert_int_equal(engine_direction(h), LIBNBD_AIO_DIRECTION_READ);
	close(listener);
}

/* hostile.md 2 */
static void
a_refused_address_is_dead_with_its_errno(void **state)
{
	struct nbd_handle *h = *state;
	struct sockaddr_in address;
	int bound = bind_tcp(&address);

	if (engine_connect_sockaddr(h, (struct sockaddr *)&address,
				    sizeof(address)) == 0)
		assert_int_equal(run_while(h, STATE_CONNECT), -1);
	assert_int_equal(error_last_errno(), ECONNREFUSED);
	assert_int_equal(h->state, STATE_DEAD);
	assert_int_equal(engine_fd(h), -1);
	close(bound);
}

static void
a_name_that_refuses_leaves_the_handle_to_be_used_again(void **state)
{
	struct nbd_handle *h = *state;
	struct sockaddr_in address;
	int bound = bind_tcp(&address);
	char port[8];

	snprintf(port, sizeof(port), "%d", ntohs(address.sin_port));
	if (engine_connect_tcp(h, "127.0.0.1", port) == 0)
		assert_int_equal(run_while(h, STATE_CONNECT), -1);
	assert_int_equal(error_last_errno(), ECONNREFUSED);
	assert_int_equal(h->state, STATE_START);
	assert_non_null(strstr(error_last_text(), port));

	assert_int_equal(listen(bound, 1), 0);
	assert_int_equal(engine_connect_tcp(h, "127.0.0.1", port), 0);
	assert_int_equal(run_while(h, STATE_CONNECT), 0);
	assert_int_equal(h->state, STATE_MAGIC);
	close(bound);
}

/* The resolver orders the addresses; those that refuse are passed over. */
static void
every_address_of_a_name_is_tried(void **state)
{
	struct nbd_handle *h = *state;
	struct sockaddr_in address;
	int listener = bind_tcp(&address);
	char port[8];

	assert_int_equal(listen(listener, 1), 0);
	snprintf(port, sizeof(port), "%d", ntohs(address.sin_port));
	assert_int_equal(engine_connect_tcp(h, "localhost", port), 0);
	assert_int_equal(run_while(h, STATE_CONNECT), 0);
	assert_int_equal(h->state, STATE_MAGIC);
	close(listener);
}

static void
an_unknown_name_is_not_fatal(void **state)
{
	struct nbd_handle *h = *state;

	assert_int_equal(engine_connect_tcp(h, "127.0.0.1", "no-such-service"),
			 -1);
	assert_non_null(strstr(error_last_text(), "getaddrinfo"));
	assert_int_equal(h->state, STATE_START);
}

static void
an_impossible_address_is_refused(void **state)
{
	struct nbd_handle *h = *state;
	struct sockaddr_storage address = { .ss_family = AF_UNIX };

	assert_int_equal(engine_connect_sockaddr(h, (struct sockaddr *)&address,
						 sizeof(address) + 1),
			 -1);
	assert_int_equal(error_last_errno(), EINVAL);
	assert_int_equal(h->state, STATE_START);
}

static void
a_given_socket_is_made_ours(void **state)
{
	struct nbd_handle *h = *state;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(engine_connect_socket(h, pair[0]), 0);
	assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(pair[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(engine_fd(h), pair[0]);
	close(pair[1]);
}

static void
a_command_talks_on_its_standard_input_and_output(void **state)
{
	struct nbd_handle *h = *state;
	char sh[] = "sh";
	char c[] = "-c";
	char script[] = "printf NBDMAGICIHAVEOPT; exec cat >/dev/null";
	char *argv[] = { sh, c, script, NULL };

	assert_int_equal(engine_connect_command(h, argv), 0);
	assert_true(h->connect.child > 0);
	assert_int_equal(run_while(h, STATE_MAGIC), 0);
	assert_int_equal(h->state, STATE_NEWSTYLE_FLAGS);
}

static void
a_command_that_ends_kills_the_connection(void **state)
{
	struct nbd_handle *h = *state;
	char name[] = "true";
	char *argv[] = { name, NULL };

	assert_int_equal(engine_connect_command(h, argv), 0);
	assert_int_equal(run_while(h, STATE_MAGIC), -1);
	assert_int_equal(h->state, STATE_DEAD);
}

static void
a_command_without_a_name_is_dead(void **state)
{
	struct nbd_handle *h = *state;
	char name[] = "";
	char *argv[] = { name, NULL };

	assert_int_equal(engine_connect_command(h, argv), -1);
	assert_int_equal(error_last_errno(), ENOENT);
	assert_int_equal(h->state, STATE_DEAD);
}

static void
candidates_follow_the_path(void **state)
{
	struct string_list candidates = { 0 };
	char *saved = strdup(getenv("PATH"));

	(void)state;
	assert_non_null(saved);
	setenv("PATH", "/a::/b", 1);
	assert_int_equal(command_candidates(&candidates, "x"), 0);
	setenv("PATH", saved, 1);
	free(saved);
	assert_int_equal(candidates.n_items, 3);
	assert_string_equal(candidates.items[0], "/a/x");
	assert_string_equal(candidates.items[1], "./x");
	assert_string_equal(candidates.items[2], "/b/x");
	string_list_done(&candidates);
	candidates = (struct string_list){ 0 };
	assert_int_equal(command_candidates(&candidates, "./y/x"), 0);
	assert_int_equal(candidates.n_items, 1);
	assert_string_equal(candidates.items[0], "./y/x");
	string_list_done(&candidates);
}

/* The script sees what systemd would give it and tells us on a pipe. */
static void
an_activated_server_finds_the_listener_and_its_variables(void **state)
{
	struct nbd_handle *h = *state;
	char sh[] = "sh";
	char c[] = "-c";
	char script[160];
	char *argv[] = { sh, c, script, NULL };
	char told[64] = { 0 };
	char socket_path[128];
	int pipe_fds[2];
	ssize_t n;

	assert_int_equal(pipe(pipe_fds), 0);
	setenv("LISTEN_FDS", "99", 1);
	snprintf(script, sizeof(script),
		 "test $LISTEN_PID = $$ && test -S /proc/self/fd/3 && "
		 "echo $LISTEN_FDS $LISTEN_FDNAMES >&%d; exec sleep 60",
		 pipe_fds[1]);
	assert_int_equal(engine_connect_activation(h, argv), 0);
	unsetenv("LISTEN_FDS");
	close(pipe_fds[1]);
	n = read(pipe_fds[0], told, sizeof(told) - 1);
	assert_string_equal(n > 0 ? told : "", "1 unknown\n");
	close(pipe_fds[0]);

	snprintf(socket_path, sizeof(socket_path), "%s",
		 h->connect.activation_socket);
	assert_int_equal(access(socket_path, F_OK), 0);
	handle_free(h);
	*state = NULL;
	assert_int_equal(access(socket_path, F_OK), -1);
}

#define HANDLE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, make_handle, free_handle)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		HANDLE_TEST(a_listening_address_is_connected),
		HANDLE_TEST(a_refused_address_is_dead_with_its_errno),
		HANDLE_TEST(
			a_name_that_refuses_leaves_the_handle_to_be_used_again),
		HANDLE_TEST(every_address_of_a_name_is_tried),
		HANDLE_TEST(an_unknown_name_is_not_fatal),
		HANDLE_TEST(an_impossible_address_is_refused),
		HANDLE_TEST(a_given_socket_is_made_ours),
		HANDLE_TEST(a_command_talks_on_its_standard_input_and_output),
		HANDLE_TEST(a_command_that_ends_kills_the_connection),
		HANDLE_TEST(a_command_without_a_name_is_dead),
		HANDLE_TEST(candidates_follow_the_path),
		HANDLE_TEST(
			an_activated_server_finds_the_listener_and_its_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
