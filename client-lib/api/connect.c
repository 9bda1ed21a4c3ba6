/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connect calls: each checks its arguments in a begin_* function, which the
 * aio form calls alone and the synchronous form before it waits.
 */
#include <errno.h>
#include <libnbd.h>
#include <linux/vm_sockets.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client-lib/api/begin_connect.h"
#include "client-lib/api/guard.h"
#include "client-lib/api/wait.h"

int
begin_connect_unix(struct nbd_handle *h, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);

	/* A path that fills the field needs no terminator. */
	if (length > sizeof(address.sun_path))
		return fail(ENAMETOOLONG,
			    "socket path: %zu bytes, the limit is %zu: %s",
			    length, sizeof(address.sun_path), path);
	memcpy(address.sun_path, path, length);
	return engine_connect_sockaddr(h, (const struct sockaddr *)&address,
				       sizeof(address));
}

int
begin_connect_vsock(struct nbd_handle *h, uint32_t cid, uint32_t port)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = cid,
		.svm_port = port,
	};

	return engine_connect_sockaddr(h, (const struct sockaddr *)&address,
				       sizeof(address));
}

/* Is ARGV a command that could be run? If not, the error is recorded. */
static bool
argv_is_valid(char **argv)
{
	if (!API_GIVEN(argv))
		return false;
	if (argv[0])
		return true;
	fail(EINVAL, "missing command name in argv list");
	return false;
}

int
nbd_aio_connect(struct nbd_handle *h, const struct sockaddr *addr,
		socklen_t addrlen)
{
	API_CALL(call, h, "addr=<sockaddr> addrlen=%u", addrlen);

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(addr))
		return -1;
	return api_return(&call, engine_connect_sockaddr(h, addr, addrlen));
}

int
nbd_aio_connect_unix(struct nbd_handle *h, const char *unixsocket)
{
	API_CALL(call, h, "unixsocket=%s",
		 trace_string(&call.trace, unixsocket));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(unixsocket))
		return -1;
	return api_return(&call, begin_connect_unix(h, unixsocket));
}

int
nbd_connect_unix(struct nbd_handle *h, const char *unixsocket)
{
	API_CALL(call, h, "unixsocket=%s",
		 trace_string(&call.trace, unixsocket));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(unixsocket))
		return -1;
	if (begin_connect_unix(h, unixsocket) < 0)
		return -1;
	return api_return(&call, wait_until_connected(h));
}

int
nbd_aio_connect_vsock(struct nbd_handle *h, uint32_t cid, uint32_t port)
{
	API_CALL(call, h, "cid=%u port=%u", cid, port);

	if (!api_permit(&call, CREATED))
		return -1;
	return api_return(&call, begin_connect_vsock(h, cid, port));
}

int
nbd_connect_vsock(struct nbd_handle *h, uint32_t cid, uint32_t port)
{
	API_CALL(call, h, "cid=%u port=%u", cid, port);

	if (!api_permit(&call, CREATED))
		return -1;
	if (begin_connect_vsock(h, cid, port) < 0)
		return -1;
	return api_return(&call, wait_until_connected(h));
}

int
nbd_aio_connect_tcp(struct nbd_handle *h, const char *hostname,
		    const char *port)
{
	API_CALL(call, h, "hostname=%s port=%s",
		 trace_string(&call.trace, hostname),
		 trace_string(&call.trace, port));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(hostname) || !API_GIVEN(port))
		return -1;
	return api_return(&call, engine_connect_tcp(h, hostname, port));
}

int
nbd_connect_tcp(struct nbd_handle *h, const char *hostname, const char *port)
{
	API_CALL(call, h, "hostname=%s port=%s",
		 trace_string(&call.trace, hostname),
		 trace_string(&call.trace, port));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(hostname) || !API_GIVEN(port))
		return -1;
	if (engine_connect_tcp(h, hostname, port) < 0)
		return -1;
	return api_return(&call, wait_until_connected(h));
}

int
nbd_aio_connect_socket(struct nbd_handle *h, int sock)
{
	API_CALL(call, h, "sock=%d", sock);

	if (!api_permit(&call, CREATED))
		return -1;
	return api_return(&call, engine_connect_socket(h, sock));
}

int
nbd_connect_socket(struct nbd_handle *h, int sock)
{
	API_CALL(call, h, "sock=%d", sock);

	if (!api_permit(&call, CREATED))
		return -1;
	if (engine_connect_socket(h, sock) < 0)
		return -1;
	return api_return(&call, wait_until_connected(h));
}

int
nbd_aio_connect_command(struct nbd_handle *h, char **argv)
{
	API_CALL(call, h, "argv=%s", trace_strings(&call.trace, argv));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!argv_is_valid(argv))
		return -1;
	return api_return(&call, engine_connect_command(h, argv));
}

int
nbd_connect_command(struct nbd_handle *h, char **argv)
{
	API_CALL(call, h, "argv=%s", trace_strings(&call.trace, argv));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!argv_is_valid(argv))
		return -1;
	if (engine_connect_command(h, argv) < 0)
		return -1;
	return api_return(&call, wait_until_connected(h));
}

int
nbd_aio_connect_systemd_socket_activation(struct nbd_handle *h, char **argv)
{
	API_CALL(call, h, "argv=%s", trace_strings(&call.trace, argv));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!argv_is_valid(argv))
		return -1;
	return api_return(&call, engine_connect_activation(h, argv));
}

int
nbd_connect_systemd_socket_activation(struct nbd_handle *h, char **argv)
{
	API_CALL(call, h, "argv=%s", trace_strings(&call.trace, argv));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!argv_is_valid(argv))
		return -1;
	if (engine_connect_activation(h, argv) < 0)
		return -1;
	return api_return(&call, wait_until_connected(h));
}
