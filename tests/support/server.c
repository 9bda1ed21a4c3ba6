/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Real NBD servers, started with a socket that already listens. */
#include "tests/support/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"
#include "tests/support/workdir.h"

enum {
	BACKLOG = 128,
	MAX_WORDS = 64
};

static struct sockaddr_un
unix_address(const char *path)
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
	address = unix_address(server->socket);
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

static void
name_uri(struct server *server)
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
	*server = (struct server){ .dir = workdir_make() };
	listener = transport == SERVER_UNIX ? listen_unix(server)
					    : listen_tcp(server);
	name_uri(server);
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

char *
server_nbd_server_config(const char *dir, const char *socket, const char *image,
			 const char *options)
{
	CLEANUP_FREE char *text = NULL;

	if (asprintf(&text,
		     "[generic]\n%s%s\nallowlist = true\n"
		     "[disk]\nexportname = %s\n%s\n",
		     socket ? "unixsock = " : "", socket ? socket : "", image,
		     options) < 0)
		test_broken("out of memory");
	return workdir_text_file(dir, "nbd-server.conf", text);
}

static bool
accepts_connections(const char *path)
{
	struct sockaddr_un address = unix_address(path);
	CLEANUP_CLOSE int fd = new_socket(AF_UNIX);

	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

/* Returns when something listens at the server's socket path. */
static void
await_listener(const struct server *server, int watch)
{
	char events[4096];

	while (access(server->socket, F_OK) < 0) {
		if (process_has_ended(server->pid))
			test_broken("the server ended before it listened");
		if (read(watch, events, sizeof(events)) < 0)
			test_broken("inotify: %s", strerror(errno));
	}
	/* Between bind and listen there are only a few instructions. */
	while (!accepts_connections(server->socket)) {
		if (process_has_ended(server->pid))
			test_broken("the server ended before it listened");
		usleep(1000);
	}
}

void
server_start_nbd_server(struct server *server, const char *image,
			const char *options)
{
	CLEANUP_CLOSE int watch = inotify_init1(IN_CLOEXEC);
	CLEANUP_FREE char *config = NULL;

	test_require_program("nbd-server");
	*server = (struct server){ .dir = workdir_make() };
	server->socket = workdir_path(server->dir, "socket");
	name_uri(server);
	config = server_nbd_server_config(server->dir, server->socket, image,
					  options);
	if (inotify_add_watch(watch, server->dir, IN_CREATE) < 0)
		test_broken("inotify: %s", strerror(errno));
	server->pid = process_start(
		(const char *const[]){ "nbd-server", "-d", "-C", config, NULL },
		-1);
	await_listener(server, watch);
}

void
server_kill(struct server *server)
{
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
