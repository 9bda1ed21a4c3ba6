/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a connection on its loop. Whatever is done with the handle, be
 * it by epoll or by the owner, ends in settle(), which runs once per turn of
 * the loop: it takes answers to the owner, notices that the state has changed,
 * and tells epoll what the library waits for. So no call of the owner is ever
 * nested in another.
 */
#include "daemon/core/connection.h"

#include <dlfcn.h>
#include <errno.h>
#include <libnbd.h>
#include <string.h>
#include <sys/epoll.h>

#include "daemon/core/connection_private.h"
#include "daemon/core/connector.h"

void
connection_set_phase(struct connection *connection, enum connection_phase phase)
{
	connection->phase = phase;
	connection->public_phase = phase;
}

/* Forgets the handle; its closing completes whatever is in flight. */
void
connection_close_handle(struct connection *connection)
{
	connection_set_phase(connection, PHASE_GONE);
	loop_stop_timer(connection->loop, &connection->timer);
	loop_unwatch(connection->loop, &connection->watch);
	if (connection->job)
		connector_abandon(connection->job);
	connection->job = NULL;
	if (connection->nbd)
		nbd_close(connection->nbd);
	connection->nbd = NULL;
}

void
connection_lose(struct connection *connection, const struct failure *failure)
{
	if (connection->phase == PHASE_GONE)
		return;
	connection_close_handle(connection);
	connection_lose_parts(connection, failure_text(failure));
	connection->owner->on_lost(connection, failure);
}

/* A server that merely died takes TLS along, in which case GnuTLS says that it
 * was not ended properly, or the kernel has a word for it. Once there is data
 * TLS was agreed upon, and whatever happens then is something else. */
static bool
is_refusal_of_tls(const struct connection *connection, const char *text,
		  int errnum)
{
	if (connection->phase == PHASE_DATA ||
	    connection->phase == PHASE_CLOSING || errnum == ECONNRESET ||
	    errnum == EPIPE || strstr(text, "properly terminated"))
		return false;
	return strstr(text, "TLS") || strstr(text, "gnutls");
}

/* Why the library gave up, as far as it tells. */
static enum failure_reason
guess_reason(const struct connection *connection, const char *text, int errnum)
{
	if (is_refusal_of_tls(connection, text, errnum))
		return FAILURE_TLS;
	if (errnum == EPERM)
		return FAILURE_PERMISSION;
	if (errnum == EINVAL && strstr(text, "URI"))
		return FAILURE_INVALID;
	return FAILURE_SERVER_UNREACHABLE;
}

void
connection_lose_with_text(struct connection *connection, const char *attempt,
			  const char *text, int errnum)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum ? errnum : ECONNRESET,
		    guess_reason(connection, text, errnum), "%s %s: %s",
		    attempt, connection->endpoint->uri, text);
	failure_set_place(&failure, NULL, connection->endpoint->uri);
	connection_lose(connection, &failure);
	failure_done(&failure);
}

void
connection_lose_by_library(struct connection *connection, const char *attempt)
{
	const char *text = nbd_get_error();

	connection_lose_with_text(connection, attempt, text ? text : "failed",
				  nbd_get_errno());
}

static void
lose_by_deadline(struct connection *connection)
{
	struct failure failure = { 0 };

	failure_set(&failure, ETIMEDOUT, FAILURE_SERVER_UNREACHABLE,
		    "%s %s: no answer in time", connection->activity,
		    connection->endpoint->uri);
	failure_set_place(&failure, NULL, connection->endpoint->uri);
	connection_lose(connection, &failure);
	failure_done(&failure);
}

static void
finish_closing(struct connection *connection)
{
	connection_close_handle(connection);
	connection_lose_parts(connection, "the connection was closed");
	connection->owner->on_closed(connection);
}

/* In the data phase the timer follows the oldest part in flight. */
static void
check_patience(struct connection *connection)
{
	const struct part *oldest;
	uint64_t due;

	if (list_is_empty(&connection->parts))
		return;
	oldest = container_of(connection->parts.next, struct part, link);
	due = oldest->sent_at + connection->patience;
	if (due <= loop_now(connection->loop))
		lose_by_deadline(connection);
	else
		connection_set_deadline(connection, due, "waiting for");
}

void
connection_on_timer(struct timer *timer)
{
	struct connection *connection = container_of(timer, struct connection,
						     timer);

	if (connection->phase == PHASE_CLOSING)
		finish_closing(connection);
	else if (connection->phase == PHASE_DATA)
		check_patience(connection);
	else
		lose_by_deadline(connection);
}

static void
on_settle_data(struct connection *connection)
{
	connection_retire_parts(connection);
	if (connection->phase == PHASE_DATA && connection->patience &&
	    !connection->timer.place && !list_is_empty(&connection->parts))
		check_patience(connection);
}

static void
become_ready(struct connection *connection)
{
	loop_stop_timer(connection->loop, &connection->timer);
	connection_set_phase(connection, PHASE_DATA);
	connection->idle_since = loop_now(connection->loop);
	connection->owner->on_ready(connection);
}

static void
become_negotiating(struct connection *connection, bool was_option)
{
	connection_set_phase(connection, PHASE_NEGOTIATING);
	if (was_option)
		connection->owner->on_option(connection,
					     connection->option_errnum);
	else
		connection->owner->on_negotiating(connection);
}

/* libnbd learned to tell in 1.18, and the daemon runs on older ones too. */
static bool
has_extended_headers(struct nbd_handle *nbd)
{
	int (*get)(struct nbd_handle * nbd);

	*(void **)&get = dlsym(RTLD_DEFAULT,
			       "nbd_get_extended_headers_negotiated");
	return get && get(nbd) > 0;
}

static void
read_protocol(struct connection *connection)
{
	struct nbd_handle *nbd = connection->nbd;
	struct protocol_info *protocol = &connection->protocol;

	protocol->handshake = nbd_get_protocol(nbd);
	protocol->tls = nbd_get_tls_negotiated(nbd) > 0;
	protocol->structured_replies = nbd_get_structured_replies_negotiated(
					       nbd) > 0;
	protocol->extended_headers = has_extended_headers(nbd);
}

/* Has the handle come out of connecting, or of an option? */
static void
on_settle_negotiation(struct connection *connection)
{
	bool was_option = connection->phase == PHASE_OPTION;

	if (connection->job || connection->phase == PHASE_NEGOTIATING)
		return;
	if (was_option && !connection->option_is_answered)
		return;
	if (nbd_aio_is_ready(connection->nbd)) {
		read_protocol(connection);
		become_ready(connection);
	} else if (nbd_aio_is_negotiating(connection->nbd)) {
		read_protocol(connection);
		become_negotiating(connection, was_option);
	}
}

static uint32_t
wanted_events(struct connection *connection)
{
	unsigned direction = nbd_aio_get_direction(connection->nbd);
	uint32_t events = 0;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		events |= EPOLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		events |= EPOLLOUT;
	/* In option mode the library waits for us; a server that hangs up
	 * meanwhile shall be noticed all the same. */
	return events ? events : EPOLLRDHUP;
}

static void
update_watch(struct connection *connection)
{
	uint32_t events;
	int fd, r;

	if (connection->job || connection->phase == PHASE_GONE)
		return;
	events = wanted_events(connection);
	/* Only while it connects may the library change to another socket. */
	if (connection->phase != PHASE_CONNECTING &&
	    events == connection->watch.events && connection->watch.fd >= 0)
		return;
	fd = nbd_aio_get_fd(connection->nbd);
	if (fd < 0) {
		connection_lose_by_library(connection, "connecting to");
		return;
	}
	r = loop_watch(connection->loop, &connection->watch, fd, events);
	if (r < 0)
		connection_lose_with_text(connection, "watching", strerror(-r),
					  -r);
}

static const char *
activity_of(const struct connection *connection)
{
	return connection->phase == PHASE_DATA ? "talking to"
					       : connection->activity;
}

static bool
has_ended(struct connection *connection)
{
	if (connection->job)
		return false;
	if (nbd_aio_is_dead(connection->nbd) > 0) {
		if (connection->phase == PHASE_CLOSING)
			finish_closing(connection);
		else
			connection_lose_by_library(connection,
						   activity_of(connection));
		return true;
	}
	if (nbd_aio_is_closed(connection->nbd) > 0) {
		if (connection->phase == PHASE_CLOSING)
			finish_closing(connection);
		else
			connection_lose_with_text(
				connection, activity_of(connection),
				"the server closed the connection", ECONNRESET);
		return true;
	}
	return false;
}

/* Requests may wait in the library for company; now there will be no more. That
 * may fail, as everything may. */
static bool
send_waiting(struct connection *connection)
{
	if (nbd_aio_get_direction(connection->nbd) & LIBNBD_AIO_DIRECTION_WRITE)
		nbd_aio_notify_write(connection->nbd);
	return !has_ended(connection);
}

void
connection_settle(struct message *message)
{
	struct connection *connection = container_of(message, struct connection,
						     settle);

	if (connection->phase == PHASE_GONE || has_ended(connection))
		return;
	if (connection->phase == PHASE_DATA)
		on_settle_data(connection);
	else if (connection->phase != PHASE_CLOSING)
		on_settle_negotiation(connection);
	if (connection->phase == PHASE_DATA && !send_waiting(connection))
		return;
	if (connection->phase != PHASE_GONE)
		update_watch(connection);
}

void
connection_touch(struct connection *connection)
{
	loop_run_later(connection->loop, &connection->settle);
}

/* A hang-up counts as readable, so that the library reads what is left and
 * then the end. */
void
connection_on_events(struct watch *watch, uint32_t events)
{
	struct connection *connection = container_of(watch, struct connection,
						     watch);
	unsigned direction = nbd_aio_get_direction(connection->nbd);
	const uint32_t hangup = EPOLLHUP | EPOLLERR | EPOLLRDHUP;

	if (direction == 0 && (events & hangup)) {
		if (connection->phase == PHASE_CLOSING)
			finish_closing(connection);
		else
			connection_lose_with_text(
				connection, connection->activity,
				"the server closed the connection", ECONNRESET);
		return;
	}
	/* Failures show in the handle's state, which connection_settle() looks at. */
	if ((direction & LIBNBD_AIO_DIRECTION_READ) &&
	    (events & (EPOLLIN | hangup)))
		nbd_aio_notify_read(connection->nbd);
	else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) &&
		 (events & (EPOLLOUT | hangup)))
		nbd_aio_notify_write(connection->nbd);
	/* At once: a later call of the library in this thread would replace
	 * the text of its error. */
	connection_settle(&connection->settle);
}
