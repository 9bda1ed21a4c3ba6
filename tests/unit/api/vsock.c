/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections between a host and its virtual machines. Few machines that build
 * have the kernel's loopback for them, so the two system calls that know the
 * address are played here, and lead to a real server on a unix socket.
 */
#include <errno.h>
#include <libnbd.h>
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/server.h"
#include "tests/unit/api/support.h"

static struct server server;
static struct sockaddr_vm asked; /* what was connected to last */
static int failure;              /* the errno of connecting, or 0 */

/* Instead of libc's. */
int
socket(int domain, int type, int protocol)
{
	return (int)syscall(SYS_socket, domain == AF_VSOCK ? AF_UNIX : domain,
			    type, protocol);
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_un real;

	if (address->sa_family != AF_VSOCK)
		return (int)syscall(SYS_connect, fd, address, length);
	assert_int_equal(length, sizeof(asked));
	memcpy(&asked, address, sizeof(asked));
	if (failure) {
		errno = failure;
		return -1;
	}
	real = server_unix_address(server.socket);
	return (int)syscall(SYS_connect, fd, &real, sizeof(real));
}

static int
start_server(void **state)
{
	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

static void
assert_connected(struct nbd_handle *h, unsigned cid, unsigned port,
		 const char *uri)
{
	char written[512] = "through the wall";
	char read_back[512];

	assert_int_equal(asked.svm_cid, cid);
	assert_int_equal(asked.svm_port, port);
	assert_int_equal(nbd_pwrite(h, written, sizeof(written), 0, 0), 0);
	assert_int_equal(nbd_pread(h, read_back, sizeof(read_back), 0, 0), 0);
	assert_memory_equal(written, read_back, sizeof(written));
	assert_text_is(nbd_get_uri(h), uri);
	assert_int_equal(nbd_shutdown(h, 0), 0);
}

static void
numbers_lead_to_a_server(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *in_steps = nbd_create();

	(void)state;
	assert_int_equal(nbd_connect_vsock(h, 7, 10810), 0);
	assert_connected(h, 7, 10810, "nbd+vsock://7:10810/");
	assert_int_equal(nbd_aio_connect_vsock(in_steps, 8, 1), 0);
	while (nbd_aio_is_connecting(in_steps))
		assert_int_equal(nbd_poll(in_steps, -1), 1);
	assert_connected(in_steps, 8, 1, "nbd+vsock://8:1/");
}

static void
assert_uri_leads(const char *uri, unsigned cid, unsigned port,
		 const char *expected)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	if (nbd_connect_uri(h, uri) != 0)
		fail_msg("%s: %s", uri, nbd_get_error());
	assert_connected(h, cid, port, expected);
}

static void
uris_lead_to_a_server(void **state)
{
	(void)state;
	/* The host, and the usual port. */
	assert_uri_leads("nbd+vsock://", 2, 10809, "nbd+vsock://2:10809/");
	assert_uri_leads("nbd+vsock:///disk", 2, 10809,
			 "nbd+vsock://2:10809/disk");
	assert_uri_leads("nbd+vsock://3:4/", 3, 4, "nbd+vsock://3:4/");
	assert_uri_leads("nbd+vsock://3:4/?nbd-port=5", 3, 5,
			 "nbd+vsock://3:5/");
	assert_uri_leads("nbd+vsock://4294967295?nbd-port=4294967295",
			 UINT32_MAX, UINT32_MAX,
			 "nbd+vsock://4294967295/?nbd-port=4294967295");
}

static void
a_failure_is_final_and_named(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	failure = ENODEV;
	assert_fails_with(nbd_connect_vsock(h, 9, 11), ENODEV,
			  "connect: vsock 9:11");
	failure = 0;
	assert_int_equal(nbd_aio_is_dead(h), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_lead_to_a_server),
		cmocka_unit_test(uris_lead_to_a_server),
		cmocka_unit_test(a_failure_is_final_and_named),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
