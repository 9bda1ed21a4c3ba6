/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every way to a server, and what happens when there is none. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/outcome.h"
#include "tests/support/workdir.h"

enum {
	SIZE = 1 << 20
};

/* The connection serves a disk of SIZE bytes; ends and closes it. */
static void
expect_it_works(struct nbd_handle *h)
{
	uint8_t out[512] = { 1, 2, 3 };
	uint8_t in[512];

	assert_int_equal(nbd_aio_is_ready(h), 1);
	assert_int_equal(nbd_get_size(h), SIZE);
	assert_nbd_ok(nbd_pwrite(h, out, sizeof(out), 4096, 0));
	assert_nbd_ok(nbd_pread(h, in, sizeof(in), 4096, 0));
	assert_memory_equal(in, out, sizeof(in));
	assert_nbd_ok(nbd_shutdown(h, 0));
	nbd_close(h);
}

/* libnbd's argument vectors are not const. */
static char **
vector(const char *const *words)
{
	union {
		const char *const *given;
		char **wanted;
	} cast = { .given = words };

	return cast.wanted;
}

#define ARGV(...) vector((const char *const[]){ __VA_ARGS__, NULL })

static void
by_unix_uri(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();
	CLEANUP_FREE char *uri = NULL;

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_true(asprintf(&uri, "nbd+unix:///some/name?socket=%s",
			     server.socket) > 0);
	assert_nbd_ok(nbd_connect_uri(h, uri));
	{
		CLEANUP_FREE char *name = nbd_get_export_name(h);

		assert_string_equal(name, "some/name");
	}
	expect_it_works(h);
}

static void
by_tcp_uri(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();
	CLEANUP_FREE char *uri = NULL;

	(void)state;
	server_start_line(&server, SERVER_TCP, "nbdkit memory 1M");
	assert_true(asprintf(&uri, "nbd://localhost:%s/", server.port) > 0);
	assert_nbd_ok(nbd_connect_uri(h, uri));
	expect_it_works(h);
}

static void
the_uri_can_be_asked_for(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();
	struct nbd_handle *second = nbd_create();
	CLEANUP_FREE char *uri = NULL;

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_nbd_ok(nbd_connect_unix(h, server.socket));
	uri = nbd_get_uri(h);
	assert_non_null(uri);
	assert_nbd_ok(nbd_connect_uri(second, uri));
	expect_it_works(second);
	expect_it_works(h);
}

static void
by_command(void **state)
{
	struct nbd_handle *h = nbd_create();

	(void)state;
	test_require_program("nbdkit");
	assert_nbd_ok(nbd_connect_command(
		h, ARGV("nbdkit", "-s", "--exit-with-parent", "memory", "1M")));
	expect_it_works(h);
}

static void
by_socket_activation_nbdkit(void **state)
{
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_nbd_ok(nbd_connect_systemd_socket_activation(
		h, ARGV("nbdkit", "memory", "1M")));
	expect_it_works(h);
}

static void
by_socket_activation_qemu(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *image = workdir_sparse_file(dir, "disk", SIZE);
	struct nbd_handle *h = nbd_create();

	(void)state;
	test_require_program("qemu-nbd");
	assert_nbd_ok(nbd_connect_systemd_socket_activation(
		h, ARGV("qemu-nbd", "-f", "raw", image)));
	expect_it_works(h);
}

static int
connected_socket(const struct server *server)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = server_unix_address(server->socket);

	assert_int_not_equal(fd, -1);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void
by_a_connected_socket(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_nbd_ok(nbd_connect_socket(h, connected_socket(&server)));
	expect_it_works(h);
}

static void
by_an_address(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();
	struct sockaddr_un address;

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	address = server_unix_address(server.socket);
	assert_nbd_ok(nbd_aio_connect(h, (struct sockaddr *)&address,
				      sizeof(address)));
	while (nbd_aio_is_connecting(h))
		assert_int_equal(nbd_poll(h, 30000), 1);
	expect_it_works(h);
}

static void
asynchronously_by_tcp(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();

	(void)state;
	server_start_line(&server, SERVER_TCP, "nbdkit memory 1M");
	assert_nbd_ok(nbd_aio_connect_tcp(h, "127.0.0.1", server.port));
	while (nbd_aio_is_connecting(h))
		assert_int_equal(nbd_poll(h, 30000), 1);
	expect_it_works(h);
}

static void
to_an_oldstyle_server(void **state)
{
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_nbd_ok(nbd_connect_command(h, ARGV("nbdkit", "-s", "-o",
						  "--exit-with-parent",
						  "memory", "1M")));
	assert_string_equal(nbd_get_protocol(h), "oldstyle");
	expect_it_works(h);
}

static void
to_a_server_without_fixed_newstyle(void **state)
{
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_nbd_ok(nbd_connect_command(
		h, ARGV("nbdkit", "-s", "--mask-handshake=0",
			"--exit-with-parent", "memory", "1M")));
	assert_string_equal(nbd_get_protocol(h), "newstyle");
	expect_it_works(h);
}

static void
nobody_listens_at_the_path(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *path = workdir_path(dir, "nothing");
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_nbd_errno(nbd_connect_unix(h, path), ENOENT);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	nbd_close(h);
}

static void
the_server_behind_the_path_is_dead(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	server_kill(&server);
	assert_nbd_errno(nbd_connect_unix(h, server.socket), ECONNREFUSED);
	nbd_close(h);
}

static void
nobody_listens_at_the_port(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();

	(void)state;
	server_start_line(&server, SERVER_TCP, "nbdkit memory 1M");
	server_kill(&server);
	assert_int_equal(nbd_connect_tcp(h, "127.0.0.1", server.port), -1);
	assert_int_equal(nbd_get_errno(), ECONNREFUSED);
	nbd_close(h);
}

static void
the_path_is_too_long(void **state)
{
	struct nbd_handle *h = nbd_create();
	char path[200];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_nbd_errno(nbd_connect_unix(h, path), ENAMETOOLONG);
	nbd_close(h);
}

static void
the_command_does_not_exist(void **state)
{
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_connect_command(h, ARGV("/no/such/program")), -1);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	nbd_close(h);
}

static void
the_command_ends_at_once(void **state)
{
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_connect_command(h, ARGV("true")), -1);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	nbd_close(h);
}

static void
what_is_not_a_uri(void **state)
{
	static const char *const bad[] = {
		"",
		"localhost",
		"http://localhost/",
		"nbd:localhost",
		"nbd+unix:///",
		"nbd://localhost/?socket=/tmp/x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct nbd_handle *h = nbd_create();

		assert_nbd_errno(nbd_connect_uri(h, bad[i]), EINVAL);
		nbd_close(h);
	}
}

static void
a_handle_connects_only_once(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	struct nbd_handle *h = nbd_create();

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_nbd_ok(nbd_connect_unix(h, server.socket));
	assert_nbd_errno(nbd_connect_unix(h, server.socket), EINVAL);
	expect_it_works(h);
}

static void
nothing_works_before_connecting(void **state)
{
	struct nbd_handle *h = nbd_create();
	uint8_t block[512];

	(void)state;
	assert_int_equal(nbd_aio_is_created(h), 1);
	assert_nbd_errno(nbd_pread(h, block, 512, 0, 0), ENOTCONN);
	assert_nbd_errno(nbd_get_size(h), ENOTCONN);
	assert_nbd_errno(nbd_shutdown(h, 0), ENOTCONN);
	nbd_close(h);
}

static void
the_command_is_gone_when_the_handle_is(void **state)
{
	struct nbd_handle *h = nbd_create();
	uint8_t block[512];

	(void)state;
	assert_nbd_ok(nbd_connect_command(
		h, ARGV("nbdkit", "-s", "--exit-with-parent", "memory", "1M")));
	assert_nbd_ok(nbd_kill_subprocess(h, SIGKILL));
	assert_int_equal(nbd_pread(h, block, 512, 0, 0), -1);
	nbd_close(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_unix_uri),
		cmocka_unit_test(by_tcp_uri),
		cmocka_unit_test(the_uri_can_be_asked_for),
		cmocka_unit_test(by_command),
		cmocka_unit_test(by_socket_activation_nbdkit),
		cmocka_unit_test(by_socket_activation_qemu),
		cmocka_unit_test(by_a_connected_socket),
		cmocka_unit_test(by_an_address),
		cmocka_unit_test(asynchronously_by_tcp),
		cmocka_unit_test(to_an_oldstyle_server),
		cmocka_unit_test(to_a_server_without_fixed_newstyle),
		cmocka_unit_test(nobody_listens_at_the_path),
		cmocka_unit_test(the_server_behind_the_path_is_dead),
		cmocka_unit_test(nobody_listens_at_the_port),
		cmocka_unit_test(the_path_is_too_long),
		cmocka_unit_test(the_command_does_not_exist),
		cmocka_unit_test(the_command_ends_at_once),
		cmocka_unit_test(what_is_not_a_uri),
		cmocka_unit_test(a_handle_connects_only_once),
		cmocka_unit_test(nothing_works_before_connecting),
		cmocka_unit_test(the_command_is_gone_when_the_handle_is),
	};

	fixture_check_library();
	test_require_program("nbdkit");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
