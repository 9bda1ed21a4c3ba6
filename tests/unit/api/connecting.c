/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ways to a server through the public functions: each in its synchronous
 * and its asynchronous form, and how each of them fails.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libnbd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/server.h"
#include "tests/support/workdir.h"
#include "tests/unit/api/support.h"

static struct server on_unix;
static struct server on_tcp;

static int
start(void **state)
{
	(void)state;
	server_start_line(&on_unix, SERVER_UNIX, "nbdkit memory 1M");
	server_start_line(&on_tcp, SERVER_TCP, "nbdkit memory 1M");
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	server_stop(&on_unix);
	server_stop(&on_tcp);
	return 0;
}

/* RESULT is that of an asynchronous call; it leads to a usable connection. */
static void
finish(struct nbd_handle *h, int result)
{
	if (result != 0)
		fail_msg("%s", nbd_get_error());
	while (nbd_aio_is_connecting(h))
		if (nbd_poll(h, -1) == -1)
			fail_msg("%s", nbd_get_error());
	assert_int_equal(nbd_aio_is_ready(h), 1);
	assert_int_equal(nbd_get_size(h), 1 << 20);
	assert_int_equal(nbd_shutdown(h, 0), 0);
}

#define FINISH(call)                                                \
	do {                                                        \
		CLEANUP_HANDLE struct nbd_handle *h = nbd_create(); \
		finish(h, call);                                    \
	} while (0)

/* A socket that is connected to the server. */
static int
connected_socket(void)
{
	struct sockaddr_un address = server_unix_address(on_unix.socket);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(
		connect(fd, (const struct sockaddr *)&address, sizeof(address)),
		0);
	return fd;
}

static void
every_way_leads_to_a_server(void **state)
{
	struct sockaddr_un address = server_unix_address(on_unix.socket);
	struct sockaddr_in inet = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)atoi(on_tcp.port)),
	};
	char **command = WORDS("nbdkit", "-s", "--exit-with-parent", "memory",
			       "1M");
	char **activated = WORDS("nbdkit", "--exit-with-parent", "memory",
				 "1M");

	(void)state;
	FINISH(nbd_connect_unix(h, on_unix.socket));
	FINISH(nbd_aio_connect_unix(h, on_unix.socket));
	FINISH(nbd_connect_tcp(h, "localhost", on_tcp.port));
	FINISH(nbd_aio_connect_tcp(h, "127.0.0.1", on_tcp.port));
	FINISH(nbd_connect_uri(h, on_tcp.uri));
	FINISH(nbd_aio_connect_uri(h, on_unix.uri));
	FINISH(nbd_aio_connect(h, (const struct sockaddr *)&address,
			       sizeof(address)));
	FINISH(nbd_aio_connect(h, (const struct sockaddr *)&inet,
			       sizeof(inet)));
	FINISH(nbd_connect_socket(h, connected_socket()));
	FINISH(nbd_aio_connect_socket(h, connected_socket()));
	FINISH(nbd_connect_command(h, command));
	FINISH(nbd_aio_connect_command(h, command));
	FINISH(nbd_connect_systemd_socket_activation(h, activated));
	FINISH(nbd_aio_connect_systemd_socket_activation(h, activated));
}

static void
a_socket_is_taken_over_once_it_is_accepted(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	int fd = connected_socket();
	int other = connected_socket();

	(void)state;
	assert_int_equal(nbd_aio_connect_socket(h, fd), 0);
	/* In the wrong state the descriptor stays the caller's. */
	assert_fails_with(nbd_connect_socket(h, other), EINVAL, "state");
	assert_int_equal(close(other), 0);
	nbd_close(h);
	h = nbd_create();
	assert_true(close(fd) == -1 && errno == EBADF);
	assert_fails_with(nbd_connect_socket(h, -1), EBADF, "socket -1");
}

static void
what_has_no_address_has_no_uri(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_connect_socket(h, connected_socket()), 0);
	assert_null(nbd_get_uri(h));
	assert_int_equal(nbd_get_errno(), EINVAL);
	assert_non_null(strstr(nbd_get_error(),
			       "cannot construct a URI for this connection "
			       "type"));
}

/* What failed before has no part in the connection that was made. */
static void
an_earlier_attempt_by_name_is_forgotten(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *by_socket = nbd_create();
	char expected[256];

	(void)state;
	snprintf(expected, sizeof(expected), "nbd+unix:///?socket=%s",
		 on_unix.socket);
	assert_int_equal(nbd_connect_tcp(h, "127.0.0.1", "1"), -1);
	assert_int_equal(nbd_connect_unix(h, on_unix.socket), 0);
	assert_text_is(nbd_get_uri(h), expected);
	assert_text_is(nbd_get_tls_hostname(h), "");

	assert_int_equal(nbd_connect_tcp(by_socket, "127.0.0.1", "1"), -1);
	assert_int_equal(nbd_connect_socket(by_socket, connected_socket()), 0);
	assert_null(nbd_get_uri(by_socket));
}

static void
an_address_without_a_uri_says_so(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *abstract = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *odd = nbd_create();
	struct sockaddr_un nobody = { .sun_family = AF_UNIX,
				      .sun_path = "\0nobody-here" };
	struct sockaddr unknown = { .sa_family = AF_MAX - 1 };

	(void)state;
	assert_fails_with(nbd_aio_connect(abstract,
					  (const struct sockaddr *)&nobody,
					  sizeof(nobody)),
			  ECONNREFUSED, "connect: ");
	assert_null(nbd_get_uri(abstract));
	assert_int_equal(nbd_get_errno(), EPROTONOSUPPORT);
	assert_fails_with(nbd_aio_connect(odd, &unknown, sizeof(unknown)),
			  EAFNOSUPPORT, "connect: ");
	assert_int_equal(nbd_aio_is_dead(odd), 1);
	assert_null(nbd_get_uri(odd));
	assert_int_equal(nbd_get_errno(), EAFNOSUPPORT);
}

/* There may be a host that answers, none, or no vsock at all: in any case the
 * answer comes, and tells which. */
static void
vsock_fails_cleanly_where_there_is_none(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *later = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *by_uri = nbd_create();

	(void)state;
	assert_int_equal(nbd_supports_vsock(h), 1);
	/* A port that nobody has. */
	assert_int_equal(nbd_connect_vsock(h, 2, 0xfffffff0), -1);
	assert_true(nbd_get_errno() != 0);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	if (nbd_get_errno() == EAFNOSUPPORT)
		return;
	assert_text_is(nbd_get_uri(h), "nbd+vsock://2/?nbd-port=4294967280");

	if (nbd_aio_connect_vsock(later, 2, 0xfffffff0) == 0)
		while (nbd_aio_is_connecting(later))
			(void)nbd_poll(later, -1);
	assert_int_equal(nbd_aio_is_dead(later), 1);
	assert_int_equal(
		nbd_connect_uri(by_uri, "nbd+vsock://2?nbd-port=4294967280"),
		-1);
	assert_int_equal(nbd_aio_is_dead(by_uri), 1);
	assert_text_is(nbd_get_uri(by_uri),
		       "nbd+vsock://2/?nbd-port=4294967280");
}

static void
a_subprocess_can_be_named_and_killed(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char **argv = WORDS("nbdkit", "-s", "memory", "1M");
	pid_t pid;

	(void)state;
	assert_fails_with(nbd_get_subprocess_pid(h), ESRCH,
			  "no subprocess exists");
	assert_fails_with(nbd_kill_subprocess(h, SIGTERM), ESRCH,
			  "no subprocess exists");
	assert_int_equal(nbd_connect_command(h, argv), 0);
	pid = (pid_t)nbd_get_subprocess_pid(h);
	assert_true(pid > 0);
	assert_int_equal(kill(pid, 0), 0);
	assert_fails_with(nbd_kill_subprocess(h, -1), EINVAL, "signum");
	assert_int_equal(nbd_kill_subprocess(h, SIGKILL), 0);
	while (!nbd_aio_is_closed(h) && !nbd_aio_is_dead(h))
		(void)nbd_poll(h, -1);
	nbd_close(h);
	h = nbd_create();
	/* It has been waited for. */
	assert_true(kill(pid, 0) == -1 && errno == ESRCH);
	assert_true(waitpid(pid, NULL, WNOHANG) == -1 && errno == ECHILD);
}

static void
a_command_that_cannot_be_run_is_dead(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *nameless = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *missing = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *activated = nbd_create();
	char **none = WORDS("");
	char **unknown = WORDS("/no/such/program");
	char *empty[] = { NULL };

	(void)state;
	assert_fails_with(nbd_connect_command(nameless, empty), EINVAL,
			  "missing command name in argv list");
	assert_int_equal(nbd_aio_is_created(nameless), 1);
	assert_fails_with(nbd_connect_command(nameless, none), ENOENT, "name");
	assert_int_equal(nbd_aio_is_dead(nameless), 1);
	/* The child cannot say more than that it has gone. */
	assert_fails_with(nbd_connect_command(missing, unknown), ENOTCONN,
			  "recv: server disconnected unexpectedly");
	assert_int_equal(
		nbd_connect_systemd_socket_activation(activated, unknown), -1);
	assert_int_equal(nbd_aio_is_dead(activated), 1);
}

/* A server that writes down its environment before it is one. */
static char *
environment_of_activated(const char *name)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *path = workdir_path(dir, "environment");
	CLEANUP_FREE char *script = NULL;
	struct nbd_handle *h = nbd_create();
	char text[8192] = "";
	CLEANUP_FREE char *uri = NULL;
	FILE *file;
	struct stat status;

	assert_true(asprintf(&script,
			     "env >%s; exec nbdkit --exit-with-parent "
			     "memory 1M",
			     path) > 0);
	if (name)
		assert_int_equal(nbd_set_socket_activation_name(h, name), 0);
	if (nbd_connect_systemd_socket_activation(
		    h, WORDS("sh", "-c", script)) != 0)
		fail_msg("%s", nbd_get_error());
	file = fopen(path, "re");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);

	/* The socket and its directory go with the handle. */
	uri = nbd_get_uri(h);
	assert_memory_equal(uri, "nbd+unix:///?socket=/tmp/libnbd", 31);
	assert_int_equal(stat(uri + 20, &status), 0);
	assert_true(S_ISSOCK(status.st_mode));
	nbd_close(h);
	assert_int_equal(stat(uri + 20, &status), -1);
	*strrchr(uri, '/') = '\0';
	assert_int_equal(stat(uri + 20, &status), -1);
	return strdup(text);
}

static void
an_activated_server_is_told_the_name_of_its_socket(void **state)
{
	CLEANUP_FREE char *named = NULL;
	CLEANUP_FREE char *nameless = NULL;

	(void)state;
	/* Copies of another activation are not passed on. */
	setenv("LISTEN_FDNAMES", "other", 1);
	setenv("LISTEN_FDS", "7", 1);
	named = environment_of_activated("disk1");
	assert_non_null(strstr(named, "LISTEN_FDNAMES=disk1\n"));
	assert_non_null(strstr(named, "LISTEN_FDS=1\n"));
	assert_non_null(strstr(named, "LISTEN_PID="));
	assert_null(strstr(named, "other"));
	nameless = environment_of_activated(NULL);
	assert_non_null(strstr(nameless, "LISTEN_FDNAMES=unknown\n"));
	unsetenv("LISTEN_FDNAMES");
	unsetenv("LISTEN_FDS");
}

/* Fills the queue of the listener at ADDRESS; the number of sockets in FDS. */
static int
fill_queue(const struct sockaddr_un *address, int *fds, int max)
{
	for (int n = 0; n < max; n++) {
		fds[n] = socket(AF_UNIX,
				SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_true(fds[n] >= 0);
		if (connect(fds[n], (const struct sockaddr *)address,
			    sizeof(*address)) < 0) {
			assert_int_equal(errno, EAGAIN);
			close(fds[n]);
			return n;
		}
	}
	fail_msg("%d connections do not fill a queue", max);
	return 0;
}

/* Old servers listen with room for one. */
static void
a_server_whose_queue_is_full_says_so(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *path = workdir_path(dir, "socket");
	struct sockaddr_un address = server_unix_address(path);
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fds[16];
	int n;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 0), 0);
	n = fill_queue(&address, fds, 16);
	assert_int_equal(nbd_connect_unix(h, path), -1);
	assert_int_equal(nbd_get_errno(), EAGAIN);
	assert_non_null(strstr(nbd_get_error(), "try again later"));
	while (n > 0)
		close(fds[--n]);
}

static void
a_name_that_is_not_found_can_be_corrected(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_fails_with(nbd_connect_tcp(h, "no.such.host.invalid", "10809"),
			  0,
			  "getaddrinfo: hostname \"no.such.host.invalid\" "
			  "port \"10809\": ");
	assert_int_equal(nbd_aio_is_created(h), 1);
	assert_fails_with(nbd_connect_tcp(h, "127.0.0.1", "1"), ECONNREFUSED,
			  "connect: 127.0.0.1:1: could not connect to remote "
			  "host");
	assert_int_equal(nbd_aio_is_created(h), 1);
	assert_int_equal(nbd_set_export_name(h, ""), 0);
	finish(h, nbd_connect_tcp(h, "127.0.0.1", on_tcp.port));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_leads_to_a_server),
		cmocka_unit_test(a_socket_is_taken_over_once_it_is_accepted),
		cmocka_unit_test(what_has_no_address_has_no_uri),
		cmocka_unit_test(an_earlier_attempt_by_name_is_forgotten),
		cmocka_unit_test(an_address_without_a_uri_says_so),
		cmocka_unit_test(vsock_fails_cleanly_where_there_is_none),
		cmocka_unit_test(a_subprocess_can_be_named_and_killed),
		cmocka_unit_test(a_command_that_cannot_be_run_is_dead),
		cmocka_unit_test(
			an_activated_server_is_told_the_name_of_its_socket),
		cmocka_unit_test(a_server_whose_queue_is_full_says_so),
		cmocka_unit_test(a_name_that_is_not_found_can_be_corrected),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start, stop);
}
