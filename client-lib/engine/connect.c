/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting by address. One attempt is a non-blocking connect, whose outcome
 * is known when the socket becomes writable. An attempt by name has further
 * addresses to try until one of them accepts the connection; whatever goes
 * wrong after that is final.
 */
#include "client-lib/engine/connect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "common/cleanup.h"

enum {
	/* Room for whole megabytes on their way to a local server. */
	UNIX_SEND_BUFFER = 1 << 20,
};

void
connect_init(struct connect *connect)
{
	*connect = (struct connect){ .fd = -1, .child = -1 };
}

void
connect_forget_socket(struct connect *connect)
{
	if (connect->fd >= 0)
		close(TAKE_FD(connect->fd));
}

/* An address in words, for error texts. */
static void
describe_address(const struct connect *connect, char *text, size_t size)
{
	const struct sockaddr_storage *address = &connect->address;
	char host[64];
	char port[16];
	struct sockaddr_un local;
	struct sockaddr_vm machine;

	switch (address->ss_family) {
	case AF_UNIX:
		memcpy(&local, address, sizeof(local));
		if (local.sun_path[0] == '\0')
			snprintf(text, size, "an abstract unix socket");
		else
			snprintf(text, size, "%.*s",
				 (int)sizeof(local.sun_path), local.sun_path);
		return;
	case AF_VSOCK:
		memcpy(&machine, address, sizeof(machine));
		snprintf(text, size, "vsock %u:%u", machine.svm_cid,
			 machine.svm_port);
		return;
	default:
		if (getnameinfo((const struct sockaddr *)address,
				connect->address_length, host, sizeof(host),
				port, sizeof(port),
				NI_NUMERICHOST | NI_NUMERICSERV) == 0)
			snprintf(text, size, "%s port %s", host, port);
		else
			snprintf(text, size, "address family %d",
				 address->ss_family);
		return;
	}
}

/* Small requests shall not wait for company; ignored where meaningless. */
static void
set_socket_options(int fd, int family)
{
	int one = 1;
	int size = UNIX_SEND_BUFFER;

	if (family == AF_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size,
				 sizeof(size));
	else
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
				 sizeof(one));
}

int
connect_established(struct nbd_handle *h, int fd, bool is_private)
{
	h->stream = is_private ? socket_stream_new_private(fd)
			       : socket_stream_new(fd);
	if (!h->stream) {
		close(fd);
		return (dead(h, ENOMEM, "connect: making a stream"), -1);
	}
	if (receive_start(&h->receive) == -1)
		return (dead_as_recorded(h), -1);
	engine_set_state(h, STATE_MAGIC);
	return 0;
}

/* One attempt at connect.address: 0 connected or in progress, else errno. */
static int
attempt(struct nbd_handle *h)
{
	struct connect *connect_ = &h->connect;
	int family = connect_->address.ss_family;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return errno;
	connect_->fd = fd;
	connect_->is_disclosed = false;
	set_socket_options(fd, family);
	if (connect(fd, (const struct sockaddr *)&connect_->address,
		    connect_->address_length) == 0 ||
	    errno == EINPROGRESS || errno == EINTR) {
		engine_set_state(h, STATE_CONNECT);
		return 0;
	}
	return errno;
}

/* Every address of the name failed: the handle may be connected again. */
static enum step
no_address_left(struct nbd_handle *h)
{
	struct connect *connect_ = &h->connect;

	engine_set_state(h, STATE_START);
	fail(connect_->first_errno,
	     "connect: %s:%s: could not connect to remote host", connect_->host,
	     connect_->port);
	return STEP_FAILED;
}

/* Tries the next address of the name until one connects, perhaps later. */
static enum step
try_addresses(struct nbd_handle *h)
{
	struct connect *connect_ = &h->connect;

	while (connect_->next) {
		const struct addrinfo *info = connect_->next;
		int error;

		connect_->next = info->ai_next;
		memcpy(&connect_->address, info->ai_addr, info->ai_addrlen);
		connect_->address_length = info->ai_addrlen;
		error = attempt(h);
		if (error == 0)
			return STEP_AGAIN;
		connect_forget_socket(connect_);
		if (connect_->first_errno == 0)
			connect_->first_errno = error;
	}
	return no_address_left(h);
}

static enum step
attempt_failed(struct nbd_handle *h, int error)
{
	struct connect *connect_ = &h->connect;
	char address[160];

	connect_forget_socket(connect_);
	if (connect_->addresses) {
		if (connect_->first_errno == 0)
			connect_->first_errno = error;
		return try_addresses(h);
	}
	describe_address(connect_, address, sizeof(address));
	if (error == EAGAIN)
		return dead(h, error,
			    "connect: %s: the server's queue of connections "
			    "is full, try again later",
			    address);
	return dead(h, error, "connect: %s", address);
}

/* The socket's own error tells a failure; a peer tells success. Neither means
 * that the attempt is still going on. */
enum step
run_connect_wait(struct nbd_handle *h)
{
	struct connect *connect_ = &h->connect;
	struct sockaddr_storage peer;
	socklen_t peer_length = sizeof(peer);
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(connect_->fd, SOL_SOCKET, SO_ERROR, &error, &length) ==
	    -1)
		error = errno;
	if (error != 0)
		return attempt_failed(h, error);
	if (getpeername(connect_->fd, (struct sockaddr *)&peer, &peer_length) ==
	    -1) {
		if (errno == ENOTCONN)
			return STEP_BLOCKED;
		return attempt_failed(h, errno);
	}
	if (connect_established(h, TAKE_FD(connect_->fd),
				!connect_->is_disclosed) == -1)
		return STEP_FAILED;
	return STEP_AGAIN;
}

/* Forgets an earlier, failed attempt by name. */
static void
forget_name(struct connect *connect)
{
	if (connect->addresses)
		freeaddrinfo(connect->addresses);
	connect->addresses = NULL;
	connect->next = NULL;
	connect->first_errno = 0;
	free(TAKE_PTR(connect->host));
	free(TAKE_PTR(connect->port));
}

int
engine_connect_sockaddr(struct nbd_handle *h, const struct sockaddr *address,
			socklen_t length)
{
	int error;

	if (length > sizeof(h->connect.address) ||
	    length < sizeof(address->sa_family))
		return fail(EINVAL,
			    "connect: an address of %u bytes is not possible",
			    (unsigned)length);
	/* An earlier attempt by name says nothing about this one. */
	forget_name(&h->connect);
	memcpy(&h->connect.address, address, length);
	h->connect.address_length = length;
	error = attempt(h);
	if (error != 0) {
		attempt_failed(h, error);
		return -1;
	}
	return engine_run(h);
}

int
engine_connect_tcp(struct nbd_handle *h, const char *host, const char *port)
{
	const struct addrinfo hints = {
		.ai_family = h->config.address_family,
		.ai_socktype = SOCK_STREAM,
	};
	struct connect *connect_ = &h->connect;
	int error;

	forget_name(connect_);
	if (string_replace(&connect_->host, host) == -1 ||
	    string_replace(&connect_->port, port) == -1)
		return fail(ENOMEM, "connect: copying the host name");
	error = getaddrinfo(host, port, &hints, &connect_->addresses);
	if (error != 0) {
		connect_->addresses = NULL;
		return fail(error == EAI_SYSTEM ? errno : 0,
			    "getaddrinfo: hostname \"%s\" port \"%s\": %s",
			    host, port, gai_strerror(error));
	}
	connect_->next = connect_->addresses;
	if (try_addresses(h) == STEP_FAILED)
		return -1;
	return engine_run(h);
}

int
engine_connect_socket(struct nbd_handle *h, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	int descriptor_flags = fcntl(fd, F_GETFD);

	if (flags == -1 || descriptor_flags == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    fcntl(fd, F_SETFD, descriptor_flags | FD_CLOEXEC) == -1) {
		fail(errno, "connect: preparing socket %d", fd);
		close(fd);
		return -1;
	}
	forget_name(&h->connect);
	h->connect.address_length = 0;
	set_socket_options(fd, AF_INET);
	if (connect_established(h, fd, false) == -1)
		return -1;
	return engine_run(h);
}

static void
forget_activation(struct connect *connect)
{
	if (connect->activation_socket)
		unlink(connect->activation_socket);
	if (connect->activation_directory)
		rmdir(connect->activation_directory);
	free(TAKE_PTR(connect->activation_socket));
	free(TAKE_PTR(connect->activation_directory));
}

void
connect_done(struct connect *connect)
{
	connect_forget_socket(connect);
	forget_name(connect);
	if (connect->child > 0 && connect->is_activated)
		kill(connect->child, SIGTERM);
	forget_activation(connect);
	if (connect->child > 0)
		while (waitpid(connect->child, NULL, 0) == -1 && errno == EINTR)
			;
	connect->child = -1;
}
