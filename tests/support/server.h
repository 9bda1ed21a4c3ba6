/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real NBD servers for a test. Each has a directory and a listening socket of
 * its own; the socket exists and listens before the server is started, so a
 * client can connect at once and nobody waits or guesses a port.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

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

/*
 * Starts nbd-server on a unix socket, with one export "disk" that is the file
 * IMAGE; OPTIONS are further lines of the export's section, or "".
 */
void server_start_nbd_server(struct server *server, const char *image,
			     const char *options);

/*
 * A configuration file for nbd-server in DIR with the export described above,
 * for a server that is started by somebody else. The caller frees the path.
 */
char *server_nbd_server_config(const char *dir, const char *socket,
			       const char *image, const char *options);

/* Kills the server, but keeps its directory and socket path. */
void server_kill(struct server *server);

/* Kills the server if it lives and removes its directory. Zeroes allowed. */
void server_stop(struct server *server);

#define CLEANUP_SERVER __attribute__((cleanup(server_stop)))
