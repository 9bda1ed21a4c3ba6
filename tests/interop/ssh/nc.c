/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for nc, as far as nbd+ssh needs it: "nc HOST PORT" and "nc -U
 * PATH" connect standard input and output to a server.
 */
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/outcome.h"
#include "tests/support/server.h"

static int
connect_unix(const char *path)
{
	struct sockaddr_un address = server_unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		test_broken("nc: cannot connect to %s", path);
	return fd;
}

static int
connect_tcp(const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo(host, port, &hints, &found) != 0)
		test_broken("nc: cannot find %s:%s", host, port);
	for (const struct addrinfo *info = found; info; info = info->ai_next) {
		int fd = socket(info->ai_family, SOCK_STREAM, 0);

		if (fd >= 0 &&
		    connect(fd, info->ai_addr, info->ai_addrlen) == 0)
			return fd;
		close(fd);
	}
	test_broken("nc: cannot connect to %s:%s", host, port);
}

/* Moves what there is from one to the other. False at the end. */
static bool
move(int from, int to)
{
	char bytes[65536];
	ssize_t n = read(from, bytes, sizeof(bytes));

	for (ssize_t done = 0; done < n;) {
		ssize_t written = write(to, bytes + done, (size_t)(n - done));

		if (written < 0)
			return false;
		done += written;
	}
	return n > 0;
}

int
main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN } };
	int fd;

	if (argc != 3)
		test_broken("usage: nc HOST PORT | nc -U PATH");
	fd = strcmp(argv[1], "-U") == 0 ? connect_unix(argv[2])
					: connect_tcp(argv[1], argv[2]);
	fds[1] = (struct pollfd){ .fd = fd, .events = POLLIN };
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && !move(STDIN_FILENO, fd)) {
			shutdown(fd, SHUT_WR);
			fds[0].fd = -1;
		}
		if (fds[1].revents && !move(fd, STDOUT_FILENO))
			break;
	}
	return EXIT_SUCCESS;
}
