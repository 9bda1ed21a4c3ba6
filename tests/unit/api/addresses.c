/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names with several addresses, and how a connection tells where it leads.
 * The resolver is played here, so that what a name means does not depend on
 * the machine: it stands for a list of loopback addresses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/server.h"
#include "tests/support/workdir.h"
#include "tests/unit/api/support.h"

/* What the resolver answers: addresses until one is NULL. "-" stands for an
 * address that fails at once. */
static const char *answers[8];
static in_port_t answered_port; /* whatever port was asked for */
static struct server server;    /* listens on 127.0.0.1 only */

static struct addrinfo *
make_answer(const char *address, const struct addrinfo *hints)
{
	struct sockaddr_in *in = calloc(1, sizeof(*in));
	struct addrinfo *info = calloc(1, sizeof(*info));

	assert_true(in && info);
	*in = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_port = answered_port };
	info->ai_family = AF_INET;
	info->ai_socktype = hints->ai_socktype;
	info->ai_addr = (struct sockaddr *)in;
	info->ai_addrlen = sizeof(*in);
	if (strcmp(address, "-") == 0)
		info->ai_addrlen = 4; /* connect(): EINVAL */
	else
		assert_int_equal(inet_pton(AF_INET, address, &in->sin_addr), 1);
	return info;
}

/* Instead of libc's. */
int
getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
	    struct addrinfo **result)
{
	struct addrinfo **last = result;

	assert_non_null(host);
	assert_non_null(port);
	*result = NULL;
	for (size_t i = 0; answers[i]; i++) {
		*last = make_answer(answers[i], hints);
		last = &(*last)->ai_next;
	}
	return *result ? 0 : EAI_NONAME;
}

void
freeaddrinfo(struct addrinfo *info)
{
	while (info) {
		struct addrinfo *next = info->ai_next;

		free(info->ai_addr);
		free(info);
		info = next;
	}
}

#define ANSWER(...)                                               \
	memcpy(answers, ((const char *[8]){ __VA_ARGS__, NULL }), \
	       sizeof(answers))

static int
start_server(void **state)
{
	(void)state;
	server_start_line(&server, SERVER_TCP, "nbdkit memory 1M");
	answered_port = htons((in_port_t)atoi(server.port));
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

/* What a program with a loop of its own does. */
static void
run_loop(struct nbd_handle *h)
{
	while (nbd_aio_is_connecting(h)) {
		const unsigned direction = nbd_aio_get_direction(h);
		struct pollfd pollfd = { .fd = nbd_aio_get_fd(h) };

		if (direction & LIBNBD_AIO_DIRECTION_READ)
			pollfd.events |= POLLIN;
		if (direction & LIBNBD_AIO_DIRECTION_WRITE)
			pollfd.events |= POLLOUT;
		assert_int_equal(poll(&pollfd, 1, -1), 1);
		if (pollfd.revents & (POLLIN | POLLHUP))
			(void)nbd_aio_notify_read(h);
		else
			(void)nbd_aio_notify_write(h);
	}
}

static void
an_address_that_refuses_moves_on_to_the_next(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *in_loop = nbd_create();

	(void)state;
	ANSWER("127.0.0.2", "-", "127.0.0.3", "127.0.0.1");
	if (nbd_connect_tcp(h, "disk.test", server.port) != 0)
		fail_msg("%s", nbd_get_error());
	assert_int_equal(nbd_get_size(h), 1 << 20);

	/* The refusal comes later than the call. */
	assert_int_equal(nbd_aio_connect_tcp(in_loop, "disk.test", server.port),
			 0);
	run_loop(in_loop);
	assert_int_equal(nbd_aio_is_ready(in_loop), 1);
	assert_int_equal(nbd_get_size(in_loop), 1 << 20);
}

static void
the_first_failure_is_told_and_nothing_is_lost(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	ANSWER("-", "127.0.0.2");
	assert_fails_with(nbd_connect_tcp(h, "disk.test", server.port), EINVAL,
			  "could not connect to remote host: Invalid argument");
	assert_int_equal(nbd_aio_is_created(h), 1);
	ANSWER("127.0.0.2", "-");
	assert_fails_with(nbd_connect_tcp(h, "disk.test", server.port),
			  ECONNREFUSED, "disk.test");
	assert_int_equal(nbd_aio_is_created(h), 1);
	/* Settings can still be made. */
	assert_int_equal(nbd_set_full_info(h, true), 0);
	ANSWER("127.0.0.1");
	assert_int_equal(nbd_connect_tcp(h, "disk.test", server.port), 0);
}

/* Who accepts and then is no NBD server is not passed over. */
static void
what_goes_wrong_later_is_final(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	const struct sockaddr_in any = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x7f000004), /* 127.0.0.4 */
		.sin_port = answered_port,
	};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int other;

	(void)state;
	assert_int_equal(
		bind(listener, (const struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(listener, 1), 0);
	ANSWER("127.0.0.4", "127.0.0.1");
	assert_int_equal(nbd_aio_connect_tcp(h, "disk.test", server.port), 0);
	other = accept(listener, NULL, NULL);
	assert_true(other >= 0);
	close(other);
	run_loop(h);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	close(listener);
}

static void
sockets_are_as_they_should_be(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	int one = 0;
	socklen_t size = sizeof(one);
	int fd;

	(void)state;
	ANSWER("127.0.0.1");
	assert_int_equal(nbd_connect_tcp(h, "disk.test", server.port), 0);
	fd = nbd_aio_get_fd(h);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, &size),
			 0);
	assert_int_equal(one, 1);
}

/* The text that nbd_get_uri() gives after an attempt to reach this port. */
static void
assert_uri_of_port(const char *host, const char *port, const char *expected)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *again = nbd_create();

	if (nbd_connect_tcp(h, host, port) != 0)
		fail_msg("%s", nbd_get_error());
	assert_text_is(nbd_get_uri(h), expected);
	/* It leads there, and is as it should be. */
	if (nbd_connect_uri(again, expected) != 0)
		fail_msg("%s", nbd_get_error());
	assert_text_is(nbd_get_uri(again), expected);
}

static void
a_uri_can_say_every_host_and_port(void **state)
{
	(void)state;
	ANSWER("127.0.0.1");
	assert_uri_of_port("disk.test", "10810", "nbd://disk.test:10810/");
	assert_uri_of_port("disk.test", "nbd-service",
			   "nbd://disk.test/?nbd-port=nbd-service");
	assert_uri_of_port("disk.test", "a b&c",
			   "nbd://disk.test/?nbd-port=a%20b%26c");
	assert_uri_of_port("::1", "10809", "nbd://[::1]:10809/");
	assert_uri_of_port("fe80::1%eth0", "10809",
			   "nbd://[fe80::1%25eth0]:10809/");
}

static void
a_uri_can_say_every_vsock(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *small = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *large = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *again = nbd_create();

	(void)state;
	/* Nobody is there, which does not matter. */
	(void)nbd_aio_connect_vsock(small, 3, 10809);
	assert_text_is(nbd_get_uri(small), "nbd+vsock://3:10809/");
	(void)nbd_aio_connect_vsock(large, 3, UINT32_MAX);
	assert_text_is(nbd_get_uri(large),
		       "nbd+vsock://3/?nbd-port=4294967295");
	(void)nbd_aio_connect_uri(again, "nbd+vsock://3?nbd-port=4294967295");
	assert_text_is(nbd_get_uri(again),
		       "nbd+vsock://3/?nbd-port=4294967295");
}

/* Values that would be others if they were not escaped. */
static void
the_values_of_a_query_are_escaped(void **state)
{
	static const char nasty[] = "/a b&tls-verify-peer=false#%41;?\xc3\xbc+";
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *again = nbd_create();
	CLEANUP_FREE char *uri = NULL;

	(void)state;
	ANSWER("127.0.0.1");
	assert_int_equal(nbd_set_tls_hostname(h, nasty), 0);
	assert_int_equal(nbd_set_tls_certificates(h, nasty), 0);
	assert_int_equal(nbd_set_tls_psk_file(h, nasty), 0);
	assert_int_equal(nbd_set_tls_priority(h, nasty), 0);
	assert_int_equal(nbd_set_tls_username(h, "me@home/?#"), 0);
	assert_int_equal(nbd_connect_tcp(h, "disk.test", server.port), 0);
	uri = nbd_get_uri(h);
	assert_non_null(uri);

	assert_int_equal(nbd_set_uri_allow_local_file(again, true), 0);
	assert_int_equal(nbd_set_uri_allow_tls_priority(again, true), 0);
	if (nbd_connect_uri(again, uri) != 0)
		fail_msg("%s: %s", uri, nbd_get_error());
	assert_text_is(nbd_get_tls_hostname(again), nasty);
	assert_text_is(nbd_get_tls_priority(again), nasty);
	assert_text_is(nbd_get_tls_username(again), "me@home/?#");
	assert_int_equal(nbd_get_tls_verify_peer(again), 1);
	assert_text_is(nbd_get_uri(again), uri);
}

static void
listen_at(int fd, const struct sockaddr_un *address)
{
	assert_int_equal(
		bind(fd, (const struct sockaddr *)address, sizeof(*address)),
		0);
	assert_int_equal(listen(fd, 8), 0);
}

/* The longest path has no terminator in its field. */
static void
the_longest_path_is_a_path(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *too_far = nbd_create();
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[sizeof(address.sun_path) + 2];
	char expected[256];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	memset(path, 'x', sizeof(path));
	path[sizeof(address.sun_path)] = '\0';
	memcpy(path, dir, strlen(dir));
	path[strlen(dir)] = '/';
	memcpy(address.sun_path, path, sizeof(address.sun_path));
	listen_at(listener, &address);
	assert_int_equal(nbd_aio_connect_unix(h, path), 0);
	assert_int_equal(nbd_aio_is_connecting(h), 1);
	snprintf(expected, sizeof(expected), "nbd+unix:///?socket=%s", path);
	assert_text_is(nbd_get_uri(h), expected);

	path[sizeof(address.sun_path)] = 'x';
	path[sizeof(address.sun_path) + 1] = '\0';
	assert_fails_with(nbd_aio_connect_unix(too_far, path), ENAMETOOLONG,
			  "");
	close(listener);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_that_refuses_moves_on_to_the_next),
		cmocka_unit_test(the_first_failure_is_told_and_nothing_is_lost),
		cmocka_unit_test(what_goes_wrong_later_is_final),
		cmocka_unit_test(sockets_are_as_they_should_be),
		cmocka_unit_test(a_uri_can_say_every_host_and_port),
		cmocka_unit_test(a_uri_can_say_every_vsock),
		cmocka_unit_test(the_values_of_a_query_are_escaped),
		cmocka_unit_test(the_longest_path_is_a_path),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
