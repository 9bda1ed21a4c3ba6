/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real NBD servers for a test. Each has a directory and a listening socket of
 * its own; the socket exists and listens before the server is started, so a
 * client can connect at once and nobody waits or guesses a port.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

enum server_transport {
	SERVER_UNIX,
	SERVER_TCP, /* 127.0.0.1 and a port chosen by the kernel */
};

struct server {
	pid_t pid;
	char *dir;    /* the server's own; tests may put files there */
	char *socket; /* path, or NULL on TCP */
	char port[8]; /* decimal, or "" on a unix socket */
	char *uri;    /* without an export name */
	pid_t keeper; /* who kills an nbd-server when the test dies, or 0 */
	int alive;    /* the keeper acts when this is closed, or -1 */
};

/*
 * Starts nbdkit or qemu-nbd, whichever ARGV[0] names, listening as asked.
 * Skips the test if it is not installed.
 */
void server_start(struct server *server, enum server_transport transport,
		  const char *const argv[]);

/* The same, with the words of one line separated by single blanks. */
void server_start_line(struct server *server, enum server_transport transport,
		       const char *line);

/* An address for PATH; a path that does not fit breaks the test. */
struct sockaddr_un server_unix_address(const char *path);

/* Fills in the URI from the socket or the port. */
void server_name_uri(struct server *server);

/* Kills the server, but keeps its directory and socket path. */
void server_kill(struct server *server);

/* Kills the server if it lives and removes its directory. Zeroes allowed. */
void server_stop(struct server *server);

#define CLEANUP_SERVER __attribute__((cleanup(server_stop)))
