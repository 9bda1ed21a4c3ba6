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

#include "client-lib/api/patience.h"
#include "client-lib/base/error.h"
#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/states.h"
#include "common/cleanup.h"
#include "common/hints.h"

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

/* What to poll for: the connection, the caller's own descriptor, and who may
 * cancel the wait. */
enum {
	POLL_CONNECTION,
	POLL_OTHER,
	POLL_CANCEL,
	N_POLL,
};

/* An interrupted wait starts again: with the whole TIMEOUT, as it has always
 * done, or with what is left of the LIMIT. */
static int
poll_all(const struct nbd_handle *h, struct pollfd fds[N_POLL], int timeout,
	 enum limit limit)
{
	int n;

	do {
		if (limit != LIMIT_NONE)
			timeout = patience_left(h, limit);
		n = poll(fds, N_POLL, timeout);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* wait_for_event() when nothing is at hand. */
APART static int
wait_for_server(struct nbd_handle *h, int fd, int timeout, enum limit limit)
{
	struct pollfd fds[N_POLL] = {
		[POLL_CONNECTION] = { .fd = -1 },
		[POLL_OTHER] = { .fd = fd, .events = POLLIN },
		[POLL_CANCEL] = { .fd = patience_fd(h), .events = POLLIN },
	};
	struct pollfd *connection = &fds[POLL_CONNECTION];
	bool had_direction = engine_direction(h) != 0;
	unsigned direction;
	int n;

	if (engine_flush(h) < 0)
		return -1;
	direction = engine_direction(h);
	/* Sending found out that the server is gone: that is an event. */
	if (!direction && had_direction)
		return 1;
	if (!direction)
		return fail(EINVAL, "nothing to poll for in state %s",
			    engine_state_name(h));

	/* Nothing else may end the wait. The log shows each poll. */
	if (fd < 0 && timeout < 0 && fds[POLL_CANCEL].fd < 0 &&
	    patience_left(h, limit) < 0 && !h->debug.is_enabled &&
	    engine_can_sleep(h))
		return engine_sleep(h) < 0 ? -1 : 1;

	connection->fd = engine_fd(h);
	connection->events = poll_events(direction);
	debug_log(&h->debug, "poll start: events=%x", connection->events);
	n = poll_all(h, fds, timeout, limit);
	debug_log(&h->debug, "poll end: r=%d revents=%x", n,
		  connection->revents);
	if (n < 0)
		return fail(errno, "poll");
	if (n == 0)
		return 0;
	if (fds[POLL_CANCEL].revents)
		return patience_cancelled(h);
	if (connection->revents &&
	    notify(h, direction, connection->revents) < 0)
		return -1;
	return 1;
}

/* wait_once() with a LIMIT instead of TIMEOUT, or none. */
static int
wait_for_event(struct nbd_handle *h, int fd, int timeout, enum limit limit)
{
	if (engine_has_more(h))
		return engine_notify_read_one(h) < 0 ? -1 : 1;
	return wait_for_server(h, fd, timeout, limit);
}

int
wait_once(struct nbd_handle *h, int fd, int timeout)
{
	return wait_for_event(h, fd, timeout, LIMIT_NONE);
}

/* One event on the way of a call that is bound by LIMIT. A server that sends
 * a little now and then is not given more time. 0, or -1 recorded. */
static int
wait_within(struct nbd_handle *h, enum limit limit)
{
	int n = 0;

	if (patience_left(h, limit) != 0)
		n = wait_for_event(h, -1, -1, limit);
	if (n < 0)
		return -1;
	return n == 0 ? patience_over(h, limit) : 0;
}

bool
wait_has_hung_up(const struct nbd_handle *h)
{
	struct pollfd look = { .fd = engine_fd(h) };

	return look.fd >= 0 && poll(&look, 1, 0) == 1 &&
	       (look.revents & (POLLHUP | POLLERR));
}

static int
wait_while_connecting(struct nbd_handle *h, enum limit limit)
{
	while (engine_public_state(h) == PUBLIC_CONNECTING)
		if (wait_within(h, limit) < 0)
			return -1;
	return 0;
}

int
wait_for_option(struct nbd_handle *h)
{
	return wait_while_connecting(h, LIMIT_CALL);
}

int
wait_until_connected(struct nbd_handle *h)
{
	if (wait_while_connecting(h, LIMIT_CONNECT) < 0)
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
		if (wait_within(h, LIMIT_CALL) < 0) {
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
		if (state == PUBLIC_DEAD || wait_within(h, LIMIT_CALL) < 0)
			return -1;
	return 0;
}
