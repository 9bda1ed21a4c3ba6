/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real NBD servers, started with a socket that already listens. */
#include "tests/support/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/nbd_server.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"
#include "tests/support/workdir.h"

enum {
	BACKLOG = 128,
	MAX_WORDS = 64
};

struct sockaddr_un
server_unix_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		test_broken("%s is too long for a unix socket", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	return address;
}

static int
new_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		test_broken("cannot make a socket: %s", strerror(errno));
	return fd;
}

static int
listen_unix(struct server *server)
{
	struct sockaddr_un address;
	int fd = new_socket(AF_UNIX);

	server->socket = workdir_path(server->dir, "socket");
	address = server_unix_address(server->socket);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		test_broken("cannot listen on %s: %s", server->socket,
			    strerror(errno));
	return fd;
}

static int
listen_tcp(struct server *server)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t length = sizeof(address);
	int fd = new_socket(AF_INET);

	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		test_broken("cannot listen on 127.0.0.1: %s", strerror(errno));
	snprintf(server->port, sizeof(server->port), "%u",
		 ntohs(address.sin_port));
	return fd;
}

void
server_name_uri(struct server *server)
{
	int length;

	if (server->socket)
		length = asprintf(&server->uri, "nbd+unix:///?socket=%s",
				  server->socket);
	else
		length = asprintf(&server->uri, "nbd://127.0.0.1:%s",
				  server->port);
	if (length < 0)
		test_broken("out of memory");
}

void
server_start(struct server *server, enum server_transport transport,
	     const char *const argv[])
{
	int listener;

	test_require_program(argv[0]);
	*server = (struct server){ .alive = -1, .dir = workdir_make() };
	listener = transport == SERVER_UNIX ? listen_unix(server)
					    : listen_tcp(server);
	server_name_uri(server);
	server->pid = process_start(argv, listener);
	/* Ours must go: a dead server is to refuse connections. */
	close(listener);
}

void
server_start_line(struct server *server, enum server_transport transport,
		  const char *line)
{
	CLEANUP_FREE char *words = strdup(line);
	const char *argv[MAX_WORDS + 1] = { NULL };
	char *rest = words;
	size_t n = 0;

	while (rest && n < MAX_WORDS)
		argv[n++] = strsep(&rest, " ");
	if (rest)
		test_broken("too many words: %s", line);
	server_start(server, transport, argv);
}

void
server_kill(struct server *server)
{
	if (server->keeper > 0)
		nbd_server_kill(server);
	else
		process_kill(server->pid);
	server->pid = 0;
}

void
server_stop(struct server *server)
{
	server_kill(server);
	workdir_remove(server->dir);
	free(server->socket);
	free(server->uri);
	*server = (struct server){ 0 };
}
