/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An event loop made of poll(2): with-poll URI FILE. A program that has nothing
 * else to wait for calls nbd_poll() instead.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "client-lib/examples/reader.h"

/* What the handle waits for changes with every call: ask each time. */
static struct pollfd
what_to_wait_for(struct nbd_handle *h)
{
	unsigned direction = nbd_aio_get_direction(h);
	struct pollfd wait = { .fd = nbd_aio_get_fd(h) };

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		wait.events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		wait.events |= POLLOUT;
	return wait;
}

static int
run(struct reader *reader)
{
	int more;

	while ((more = reader_continue(reader)) == 1) {
		struct pollfd wait = what_to_wait_for(reader->h);

		/* Queueing something may have ended the connection. */
		if (wait.events == 0)
			continue;
		if (poll(&wait, 1, -1) < 0) {
			if (errno == EINTR)
				continue;
			perror("poll");
			return -1;
		}
		/* A hang-up is something to read: the end, or why. While a
		 * connection is being made, writing tells. */
		reader_event(reader,
			     wait.revents & (POLLIN | POLLHUP | POLLERR),
			     wait.revents & (POLLOUT | POLLHUP | POLLERR));
	}
	return more;
}

int
main(int argc, char **argv)
{
	return reader_main(argc, argv, run);
}
