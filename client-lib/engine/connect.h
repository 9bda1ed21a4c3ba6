/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ways to reach a server. All start in state START, return 0 or -1 with
 * the error recorded, and may do much of the work before they return. None
 * waits for the server.
 */
#pragma once

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/strings.h"

struct nbd_handle;

/* ADDRESS (any family) is copied. */
int engine_connect_sockaddr(struct nbd_handle *h,
			    const struct sockaddr *address, socklen_t length);

/* Resolves HOST (which blocks) and tries its addresses in turn. When all
 * failed the handle is back in START and may be connected again. */
int engine_connect_tcp(struct nbd_handle *h, const char *host,
		       const char *port);

/* Takes FD, a connected stream socket, over; only if it cannot be made
 * non-blocking (-1) it is closed at once. */
int engine_connect_socket(struct nbd_handle *h, int fd);

/* Runs ARGV (copied, NULL-terminated, not empty) with a socket as standard
 * input and output. */
int engine_connect_command(struct nbd_handle *h, char **argv);

/* Runs ARGV as systemd would, with a listening unix socket as descriptor 3,
 * and connects to that. */
int engine_connect_activation(struct nbd_handle *h, char **argv);

/* How the handle connects; part of the handle. */
struct connect {
	int fd;            /* of the attempt in progress, -1 otherwise */
	bool is_disclosed; /* the program knows the descriptor */
	struct sockaddr_storage address;
	socklen_t address_length; /* 0: no address, a socket or a command */

	/* Of engine_connect_tcp(). */
	char *host;
	char *port;
	struct addrinfo *addresses;
	const struct addrinfo *next;
	int first_errno;

	pid_t child;       /* -1: none */
	bool is_activated; /* the child gets SIGTERM at close */
	char *activation_directory;
	char *activation_socket;
};

void connect_init(struct connect *connect);

/* Ends what connecting started: waits for the child, after SIGTERM if it was
 * activated, and removes the activation socket. The caller has closed the
 * connection, which tells a connected command to exit. */
void connect_done(struct connect *connect);

/* For the engine's own files. */

/* Closes the socket of an attempt in progress. */
void connect_forget_socket(struct connect *connect);

/* The handshake begins on FD, a connected and non-blocking socket, which is
 * taken over in any case. IS_PRIVATE if nobody else knows it. 0 or -1 (dead). */
int connect_established(struct nbd_handle *h, int fd, bool is_private);

/* The environment for a child, NULL-terminated. Not the caller's. */
char *const *command_environment(const struct nbd_handle *h);

/* The files where ARGV[0] may be, in the order to try, NULL-terminated, with
 * the rules of execvp(3). 0, or -1 with the error recorded. */
int command_candidates(struct string_list *candidates, const char *file);

/* Between fork and exec: becomes ARGV or exits, 127 if there is no such file,
 * else 126. Does only what a signal handler may. */
_Noreturn void command_exec(const struct string_list *candidates,
			    char *const *argv, char *const *environment);
