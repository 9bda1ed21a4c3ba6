/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Admin.Events: the core's ring of events, told from a place on. Events that
 * come while a message is being sent wait in the ring; a client that reads so
 * slowly that the ring overtakes it is told of a gap.
 */
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "daemon/core/daemon.h"
#include "daemon/core/events.h"
#include "daemon/rpc/admin.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handlers.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "proto/codec.h"

#define KIND(name) NBDCLIENTD__V1__EVENT_KIND__EVENT_KIND_##name

struct event_stream {
	struct rpc_call call;
	struct events *events;
	struct events_watcher watcher;

	/* Taken before the call's own lock, and the ring's. */
	pthread_mutex_t lock;
	/* The latest that was told. */
	uint64_t told;
	bool is_sending;
	/* What is missing is not known. */
	bool is_other_life;
	/* Ends when all is told. */
	bool ends;
	/* The caller may listen, and has said from where. */
	bool is_open;
};

static struct event_stream *
stream_of(struct rpc_call *call)
{
	return container_of(call, struct event_stream, call);
}

/* The contract's kinds have the log's names; the compiler finds one that is
 * missing. */
static Nbdclientd__V1__EventKind
kind_message(enum log_event kind)
{
	switch (kind) {
#define X(symbol, name, id)      \
	case LOG_EVENT_##symbol: \
		return KIND(symbol);
		LOG_EVENTS(X)
#undef X
	case LOG_EVENT_NONE:
	case LOG_N_EVENTS:
		break;
	}
	return KIND(UNSPECIFIED);
}

static void
send(struct event_stream *stream, Nbdclientd__V1__Event *message)
{
	char token[EVENT_TOKEN_SIZE];

	events_token(stream->events, message->sequence, token);
	message->token = token;
	stream->told = message->sequence;
	stream->is_sending = rpc_call_send(&stream->call,
					   codec_encode(message));
}

static void
send_event(struct event_stream *stream, const struct event *event)
{
	Nbdclientd__V1__Event message = NBDCLIENTD__V1__EVENT__INIT;

	message.kind = kind_message(event->kind);
	message.name = borrow_text(event_name(event->kind));
	message.sequence = event->sequence;
	message.time_us = event->at_us;
	message.volume = borrow_text(event->volume);
	message.endpoint = borrow_text(event->endpoint);
	message.connection = event->connection;
	message.text = borrow_text(event->text);
	send(stream, &message);
}

/* The event numbered NEXT comes after it. */
static void
send_gap(struct event_stream *stream, uint64_t next, uint64_t missed,
	 const char *why)
{
	Nbdclientd__V1__Event message = NBDCLIENTD__V1__EVENT__INIT;

	message.kind = KIND(GAP);
	message.name = borrow_text("gap");
	message.sequence = next - 1;
	message.missed = missed;
	message.text = borrow_text(why);
	send(stream, &message);
}

/* Tells the next event, if one is there. With the lock held. */
static void
tell(struct event_stream *stream)
{
	CLEANUP(event_done) struct event event = { 0 };
	uint64_t missed;
	int r;

	if (stream->is_sending || !stream->is_open)
		return;
	if (stream->is_other_life) {
		stream->is_other_life = false;
		send_gap(stream, stream->told + 1, 0,
			 "the token is of another run of the daemon; what "
			 "happened until its end is not known");
		return;
	}
	r = events_next(stream->events, stream->told, &event, &missed);
	if (r < 0)
		admin_fail_without_memory(&stream->call);
	else if (r > 0 && missed > 0)
		send_gap(stream, event.sequence, missed,
			 "so many events came that these are not kept");
	else if (r > 0)
		send_event(stream, &event);
	else if (stream->ends)
		rpc_call_finish_ok(&stream->call);
}

/* On whichever thread logs. */
static void
on_event(struct events_watcher *watcher)
{
	struct event_stream *stream = container_of(watcher, struct event_stream,
						   watcher);

	SCOPED_LOCK(&stream->lock);
	tell(stream);
}

static uint64_t
before_oldest(struct events *events)
{
	uint64_t latest = events_latest(events);

	return latest > EVENTS_KEPT ? latest - EVENTS_KEPT : 0;
}

/* Where the stream begins. False: SINCE is wrong. */
static bool
find_place(struct event_stream *stream, const char *since)
{
	int r;

	if (!*since) {
		stream->told = events_latest(stream->events);
		return true;
	}
	if (strcmp(since, "oldest") == 0) {
		stream->told = before_oldest(stream->events);
		return true;
	}
	r = events_read_token(stream->events, since, &stream->told);
	if (r == -ESTALE) {
		stream->told = before_oldest(stream->events);
		stream->is_other_life = true;
	}
	return r != -EINVAL;
}

static bool
open_stream(struct event_stream *stream,
	    const Nbdclientd__V1__EventsRequest *message)
{
	SCOPED_LOCK(&stream->lock);

	stream->is_open = find_place(stream, message->since);
	stream->ends |= message->once;
	return stream->is_open;
}

static void
on_start(struct rpc_call *call)
{
	struct event_stream *stream = stream_of(call);

	stream->events = daemon_events(rpc_call_daemon(call));
	pthread_mutex_init(&stream->lock, NULL);
	list_init(&stream->watcher.link);
	stream->watcher.on_event = on_event;
}

static void
on_message(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__EventsRequest *message = NULL;
	struct event_stream *stream = stream_of(call);

	if (!rpc_call_decode(call, bytes, &message) ||
	    !admin_is_allowed(call, "follow the events"))
		return;
	if (!open_stream(stream, message)) {
		rpc_call_fail_with_code(call, GRPC_STATUS_INVALID_ARGUMENT,
					"'%s' is no place in the stream: an "
					"event's token or \"oldest\"",
					message->since);
		return;
	}
	/* Whatever comes from here on is told; what came before is in the
	 * ring, and told at once. */
	events_watch(stream->events, &stream->watcher);
}

static void
on_sent(struct rpc_call *call)
{
	struct event_stream *stream = stream_of(call);

	SCOPED_LOCK(&stream->lock);
	stream->is_sending = false;
	tell(stream);
}

static void
on_drain(struct rpc_call *call)
{
	struct event_stream *stream = stream_of(call);

	SCOPED_LOCK(&stream->lock);
	stream->ends = true;
	if (stream->is_open)
		tell(stream);
	else
		rpc_call_finish_ok(call);
}

/* Nobody is told after this, so the call may go. */
static void
on_end(struct rpc_call *call)
{
	struct event_stream *stream = stream_of(call);

	events_unwatch(stream->events, &stream->watcher);
}

static void
on_free(struct rpc_call *call)
{
	pthread_mutex_destroy(&stream_of(call)->lock);
}

const struct rpc_handler rpc_handler_ADMIN_EVENTS = {
	.size = sizeof(struct event_stream),
	.on_start = on_start,
	.on_message = on_message,
	.on_sent = on_sent,
	.on_end = on_end,
	.on_drain = on_drain,
	.on_free = on_free,
};
