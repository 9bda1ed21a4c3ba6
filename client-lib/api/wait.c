/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one place where the library sleeps, in poll(2), or, when only the answer
 * of the server is awaited, in the receive that takes it.
 */
#include "client-lib/api/wait.h"

#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/states.h"
#include "common/cleanup.h"

static short
poll_events(unsigned direction)
{
	short events = 0;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		events |= POLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		events |= POLLOUT;
	return events;
}

/* Tells the engine what poll(2) saw: one event, never both. */
static int
notify(struct nbd_handle *h, unsigned direction, short revents)
{
	bool reads = direction & LIBNBD_AIO_DIRECTION_READ;

	/* A hang-up is read as the end of the stream. Who waits for a
	 * connection to be made learns of its failure by writing. */
	if (reads && revents & (POLLIN | POLLHUP))
		return engine_notify_read_one(h);
	if (revents & POLLOUT || (!reads && revents & (POLLHUP | POLLERR)))
		return engine_notify_write(h);
	return fail(ENOTCONN, "server closed socket unexpectedly");
}

static int
poll_both(struct pollfd fds[2], int timeout)
{
	int n;

	/* An interrupted wait starts again with the whole timeout, as it has
	 * always done. */
	do
		n = poll(fds, 2, timeout);
	while (n < 0 && errno == EINTR);
	return n;
}

int
wait_once(struct nbd_handle *h, int fd, int timeout)
{
	struct pollfd fds[2] = { { .fd = -1 }, { .fd = fd, .events = POLLIN } };
	bool had_direction = engine_direction(h) != 0;
	unsigned direction;
	int n;

	if (engine_has_more(h))
		return engine_notify_read_one(h) < 0 ? -1 : 1;
	if (engine_flush(h) < 0)
		return -1;
	direction = engine_direction(h);
	/* Sending found out that the server is gone: that is an event. */
	if (!direction && had_direction)
		return 1;
	if (!direction)
		return fail(EINVAL, "nothing to poll for in state %s",
			    engine_state_name(h));

	/* The log shows each poll. */
	if (fd < 0 && timeout < 0 && !h->debug.is_enabled &&
	    engine_can_sleep(h))
		return engine_sleep(h) < 0 ? -1 : 1;

	fds[0].fd = engine_fd(h);
	fds[0].events = poll_events(direction);
	debug_log(&h->debug, "poll start: events=%x", fds[0].events);
	n = poll_both(fds, timeout);
	debug_log(&h->debug, "poll end: r=%d revents=%x", n, fds[0].revents);
	if (n < 0)
		return fail(errno, "poll");
	if (n == 0)
		return 0;
	if (fds[0].revents && notify(h, direction, fds[0].revents) < 0)
		return -1;
	return 1;
}

bool
wait_has_hung_up(const struct nbd_handle *h)
{
	struct pollfd look = { .fd = engine_fd(h) };

	return look.fd >= 0 && poll(&look, 1, 0) == 1 &&
	       (look.revents & (POLLHUP | POLLERR));
}

int
wait_while_connecting(struct nbd_handle *h)
{
	while (engine_public_state(h) == PUBLIC_CONNECTING)
		if (wait_once(h, -1, -1) < 0)
			return -1;
	return 0;
}

int
wait_until_connected(struct nbd_handle *h)
{
	if (wait_while_connecting(h) < 0)
		return -1;
	switch (engine_public_state(h)) {
	case PUBLIC_NEGOTIATING:
	case PUBLIC_READY:
	case PUBLIC_PROCESSING:
		return 0;
	case PUBLIC_CLOSED:
		return fail(0, "connection is closed");
	case PUBLIC_CREATED:
	case PUBLIC_CONNECTING:
	case PUBLIC_DEAD:
		/* The step that led here recorded why. */
		break;
	}
	return -1;
}

/* The connection cannot be waited on any more: whatever the reason, commands
 * must not go on using the buffers of calls that return. */
static void
give_up(struct nbd_handle *h)
{
	if (engine_public_state(h) != PUBLIC_DEAD)
		(void)dead_as_recorded(h);
}

/* What broke the connection says more than that the command was lost with
 * it: that stays the last error. */
static void
retire_quietly(struct nbd_handle *h, uint64_t cookie)
{
	CLEANUP_FREE char *text = strdup(error_last_text());
	int errnum = error_last_errno();

	(void)command_completed(h, cookie);
	error_restore(errnum, text);
}

int
wait_for_command(struct nbd_handle *h, uint64_t cookie)
{
	int completed;

	while ((completed = command_completed(h, cookie)) == 0) {
		if (wait_once(h, -1, -1) < 0) {
			give_up(h);
			retire_quietly(h, cookie);
			return -1;
		}
	}
	return completed < 0 ? -1 : 0;
}

int
wait_until_closed(struct nbd_handle *h)
{
	enum public_state state;

	while ((state = engine_public_state(h)) != PUBLIC_CLOSED)
		if (state == PUBLIC_DEAD || wait_once(h, -1, -1) < 0)
			return -1;
	return 0;
}
