/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Driving a connection and looking at it. The state questions take no lock:
 * they read the word the guard published.
 */
#include <errno.h>
#include <libnbd.h>

#include "client-lib/api/guard.h"
#include "client-lib/api/wait.h"
#include "client-lib/engine/command.h"
#include "common/hints.h"

HOT int
nbd_poll(struct nbd_handle *h, int timeout)
{
	API_CALL(call, h, "timeout=%d", timeout);

	h->wished_to_write = false;
	return api_return(&call, wait_once(h, -1, timeout));
}

int
nbd_poll2(struct nbd_handle *h, int fd, int timeout)
{
	API_CALL(call, h, "fd=%d timeout=%d", fd, timeout);

	h->wished_to_write = false;
	return api_return(&call, wait_once(h, fd, timeout));
}

int
nbd_aio_get_fd(struct nbd_handle *h)
{
	API_CALL(call, h);
	int fd = engine_disclose_fd(h);

	if (fd < 0)
		return fail(EINVAL, "connection is not in a connected state");
	return api_return(&call, fd);
}

unsigned
nbd_aio_get_direction(struct nbd_handle *h)
{
	API_CALL_UNLOCKED(h);

	return api_published_direction(h);
}

HOT int
nbd_aio_notify_read(struct nbd_handle *h)
{
	API_CALL(call, h);

	/* Many programs' loops report a hang-up as readable. */
	if (!(engine_direction(h) & LIBNBD_AIO_DIRECTION_READ) &&
	    !wait_has_hung_up(h))
		return engine_refuse_event(h, EVENT_READ);
	return api_return(&call, engine_notify_read(h));
}

int
nbd_aio_notify_write(struct nbd_handle *h)
{
	API_CALL(call, h);
	bool is_expected = h->wished_to_write ||
			   engine_direction(h) & LIBNBD_AIO_DIRECTION_WRITE;

	/* Between poll(2) and here another thread, or a callback, may have
	 * sent what there was: that is no mistake of the caller. */
	h->wished_to_write = false;
	if (!is_expected)
		return engine_refuse_event(h, EVENT_WRITE);
	return api_return(&call, engine_notify_write(h));
}

int
nbd_aio_command_completed(struct nbd_handle *h, uint64_t cookie)
{
	API_CALL(call, h, "cookie=%llu", (unsigned long long)cookie);

	if (cookie < 1)
		return fail(EINVAL, "invalid aio cookie %llu",
			    (unsigned long long)cookie);
	return api_return(&call, command_completed(h, cookie));
}

int64_t
nbd_aio_peek_command_completed(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, command_peek_completed(h));
}

int
nbd_aio_in_flight(struct nbd_handle *h)
{
	API_CALL(call, h);

	if (!api_permit(&call, CONNECTED | CLOSED | DEAD))
		return -1;
	return api_return(&call, command_in_flight_count(h));
}

static bool
is_in_state(struct nbd_handle *h, enum public_state state)
{
	API_CALL_UNLOCKED(h);

	return api_published_state(h) == state;
}

int
nbd_aio_is_created(struct nbd_handle *h)
{
	return is_in_state(h, PUBLIC_CREATED);
}

int
nbd_aio_is_connecting(struct nbd_handle *h)
{
	return is_in_state(h, PUBLIC_CONNECTING);
}

int
nbd_aio_is_negotiating(struct nbd_handle *h)
{
	return is_in_state(h, PUBLIC_NEGOTIATING);
}

int
nbd_aio_is_ready(struct nbd_handle *h)
{
	return is_in_state(h, PUBLIC_READY);
}

int
nbd_aio_is_processing(struct nbd_handle *h)
{
	return is_in_state(h, PUBLIC_PROCESSING);
}

int
nbd_aio_is_closed(struct nbd_handle *h)
{
	return is_in_state(h, PUBLIC_CLOSED);
}

int
nbd_aio_is_dead(struct nbd_handle *h)
{
	return is_in_state(h, PUBLIC_DEAD);
}

/* Static texts, so that what a caller holds on to stays true to its word. */
static const char *
state_text(const struct nbd_handle *h)
{
#define STATE_TEXT(state, public, wants, run, description) \
	[STATE_##state] = #state ": " description,
	static const char *const texts[] = { STATES(STATE_TEXT) };
#undef STATE_TEXT

	switch (engine_public_state(h)) {
	case PUBLIC_READY:
		return "READY: connection is ready for commands";
	case PUBLIC_PROCESSING:
		return "PROCESSING: connection is sending commands";
	case PUBLIC_CREATED:
	case PUBLIC_CONNECTING:
	case PUBLIC_NEGOTIATING:
	case PUBLIC_CLOSED:
	case PUBLIC_DEAD:
		break;
	}
	return texts[h->state];
}

const char *
nbd_connection_state(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return_text(&call, state_text(h));
}
