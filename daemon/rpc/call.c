/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of one call. Each operation that gRPC has under way holds a
 * reference, as does each request of the call's handler in the core, and one
 * more stands for the call itself until gRPC reports its end. So nothing here
 * is freed under anybody's feet, in whichever order those ends come.
 */
#include "daemon/rpc/call.h"

#include <assert.h>
#include <grpc/support/time.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon.h"
#include "daemon/core/loop.h"
#include "daemon/rpc/operation.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/server_private.h"
#include "daemon/rpc/status.h"

/* How long before the client's deadline the daemon gives up: a tenth of the
 * time, at most this. Later, the client would not hear what happened. */
#define DEADLINE_MARGIN_MAX (500ul * 1000 * 1000)

static void
free_call(struct rpc_call *call)
{
	struct rpc_peer *peer = call->peer;

	if (call->handler->on_free)
		call->handler->on_free(call);
	grpc_call_unref(call->call);
	rpc_status_done(&call->status);
	pthread_mutex_destroy(&call->lock);
	if (call->is_admitted)
		rpc_peer_end_call(peer);
	free(call);
	if (peer->client)
		atomic_fetch_sub(&peer->client->calls, 1);
	rpc_peer_unref(peer);
}

void
rpc_call_ref(struct rpc_call *call)
{
	atomic_fetch_add(&call->refs, 1);
}

void
rpc_call_unref(struct rpc_call *call)
{
	if (atomic_fetch_sub(&call->refs, 1) == 1)
		free_call(call);
}

struct client *
rpc_call_client(const struct rpc_call *call)
{
	return call->peer->client;
}

struct daemon *
rpc_call_daemon(const struct rpc_call *call)
{
	return call->peer->rpc->daemon;
}

/* EVENT has the reference that it takes. */
static void
start_operations(struct rpc_call *call, const grpc_op *ops, size_t n,
		 struct rpc_event *event)
{
	rpc_call_ref(call);
	operation_start(call->call, ops, n, event);
}

/* The same for what is sent: true if it has left, and the reference with it;
 * the caller has one of its own. Without the call's lock: gRPC sends from here,
 * and the RPC thread, if the completion wakes it, would only run into it. */
static bool
send_operations(struct rpc_call *call, const grpc_op *ops, size_t n,
		struct rpc_event *event, bool *ok)
{
	bool has_left;

	rpc_call_ref(call);
	has_left = operation_start_now(call->peer->rpc->queue, call->call, ops,
				       n, event, ok);
	if (has_left)
		rpc_call_unref(call);
	return has_left;
}

void
rpc_call_receive(struct rpc_call *call)
{
	grpc_op op = { .op = GRPC_OP_RECV_MESSAGE };

	op.data.recv_message.recv_message = &call->message;
	start_operations(call, &op, 1, &call->received);
}

static void
on_end_of_messages(struct rpc_call *call)
{
	if (call->method->kind == RPC_BIDI)
		call->handler->on_half_close(call);
	else
		rpc_call_fail_with_code(call, GRPC_STATUS_INVALID_ARGUMENT,
					"%s takes one request message and got "
					"none",
					call->method->path);
}

/* gRPC shall be asked to tell of the call's end: true for the first one who
 * wants that, who does it. */
static bool
claim_watch(struct rpc_call *call)
{
	SCOPED_LOCK(&call->lock);

	if (call->is_watched)
		return false;
	call->is_watched = true;
	atomic_fetch_sub(&call->peer->rpc->n_unwatched, 1);
	return true;
}

static size_t
add_watch(struct rpc_call *call, grpc_op *ops, size_t n)
{
	ops[n] = (grpc_op){ .op = GRPC_OP_RECV_CLOSE_ON_SERVER };
	ops[n].data.recv_close_on_server.cancelled = &call->was_cancelled;
	return n + 1;
}

static void
watch_for_end(struct rpc_call *call)
{
	grpc_op op;

	start_operations(call, &op, add_watch(call, &op, 0), &call->closed);
}

void
rpc_call_watch(struct rpc_call *call)
{
	if (claim_watch(call))
		watch_for_end(call);
}

static void
on_received(struct rpc_event *event, bool ok)
{
	struct rpc_call *call = container_of(event, struct rpc_call, received);
	grpc_byte_buffer *message = TAKE_PTR(call->message);

	if (message) {
		if (ok && !rpc_call_is_over(call))
			call->handler->on_message(call, message);
		grpc_byte_buffer_destroy(message);
	} else if (!rpc_call_is_over(call) &&
		   !grpc_call_failed_before_recv_message(call->call)) {
		on_end_of_messages(call);
	} else {
		rpc_call_watch(call);
	}
	rpc_call_unref(call);
}

/* Headers go with whatever is sent first. */
static size_t
add_initial_metadata(struct rpc_call *call, grpc_op *ops, size_t n)
{
	if (!call->is_metadata_sent)
		ops[n++] = (grpc_op){ .op = GRPC_OP_SEND_INITIAL_METADATA };
	call->is_metadata_sent = true;
	return n;
}

static size_t
add_message(grpc_op *ops, size_t n, grpc_byte_buffer *message)
{
	ops[n] = (grpc_op){ .op = GRPC_OP_SEND_MESSAGE };
	ops[n].data.send_message.send_message = message;
	return n + 1;
}

/* The client has the status, or will never get one. */
static void
settle_closed(struct rpc_call *call)
{
	pthread_mutex_lock(&call->lock);
	call->is_ended = true;
	pthread_mutex_unlock(&call->lock);
	rpc_peer_remove_call(call->peer, &call->link);
}

/* The status has left and the call has ended, of which gRPC has told nobody
 * else. */
static void
on_finished_and_closed(struct rpc_event *event, bool ok)
{
	struct rpc_call *call = container_of(event, struct rpc_call, finished);

	(void)ok;
	settle_closed(call);
	/* the operation's, and the call's own */
	rpc_call_unref(call);
	rpc_call_unref(call);
}

/* By the one that finds the call finished and nothing being sent; from then on
 * nobody else sends. MESSAGE may be NULL. */
static void
send_status(struct rpc_call *call, grpc_byte_buffer *message)
{
	struct rpc_status *status = &call->status;
	grpc_op ops[4] = { 0 };
	size_t n = add_initial_metadata(call, ops, 0);
	struct grpc_op_send_status_from_server *data;
	bool is_unwatched = claim_watch(call);
	bool ok;

	if (message)
		n = add_message(ops, n, message);
	ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	data = &ops[n++].data.send_status_from_server;
	data->status = status->code;
	data->status_details = status->code == GRPC_STATUS_OK
				       ? NULL
				       : &status->message;
	data->trailing_metadata = &status->details;
	data->trailing_metadata_count = status->n_details;
	if (is_unwatched) {
		n = add_watch(call, ops, n);
		call->finished.run = on_finished_and_closed;
	}
	if (send_operations(call, ops, n, &call->finished, &ok) &&
	    is_unwatched) {
		settle_closed(call);
		/* the call's own */
		rpc_call_unref(call);
	}
}

static void
on_finished(struct rpc_event *event, bool ok)
{
	(void)ok;
	rpc_call_unref(container_of(event, struct rpc_call, finished));
}

/* A message has left, OK or not: may the next one follow? */
static bool
settle_sent(struct rpc_call *call, bool ok)
{
	bool is_finished, goes_on;

	pthread_mutex_lock(&call->lock);
	call->is_sending = false;
	is_finished = call->is_finished;
	goes_on = ok && !call->is_finished && !call->is_ended;
	pthread_mutex_unlock(&call->lock);
	if (is_finished)
		send_status(call, NULL);
	return goes_on;
}

static void
on_sent(struct rpc_event *event, bool ok)
{
	struct rpc_call *call = container_of(event, struct rpc_call, sent);

	if (settle_sent(call, ok))
		call->handler->on_sent(call);
	rpc_call_unref(call);
}

/* What is to be sent with MESSAGE: how many OPS, none if the call is over. */
static size_t
begin_sending(struct rpc_call *call, grpc_byte_buffer *message, grpc_op *ops)
{
	SCOPED_LOCK(&call->lock);

	if (call->is_finished || call->is_ended)
		return 0;
	assert(!call->is_sending);
	call->is_sending = true;
	return add_message(ops, add_initial_metadata(call, ops, 0), message);
}

bool
rpc_call_send(struct rpc_call *call, grpc_byte_buffer *message)
{
	grpc_op ops[2] = { 0 };
	size_t n = begin_sending(call, message, ops);

	if (n > 0)
		start_operations(call, ops, n, &call->sent);
	grpc_byte_buffer_destroy(message);
	return n > 0;
}

enum rpc_sending
rpc_call_send_now(struct rpc_call *call, grpc_byte_buffer *message)
{
	grpc_op ops[2] = { 0 };
	size_t n = begin_sending(call, message, ops);
	enum rpc_sending sending = n > 0 ? RPC_SENDING : RPC_NOT_SENT;
	bool ok;

	if (n > 0 && send_operations(call, ops, n, &call->sent, &ok))
		sending = settle_sent(call, ok) ? RPC_SENT : RPC_SENDING;
	grpc_byte_buffer_destroy(message);
	return sending;
}

bool
rpc_call_is_over(struct rpc_call *call)
{
	SCOPED_LOCK(&call->lock);

	return call->is_finished || call->is_ended;
}

void
rpc_call_finish(struct rpc_call *call, struct rpc_status *status,
		grpc_byte_buffer *message)
{
	bool is_first, is_sending;

	pthread_mutex_lock(&call->lock);
	is_first = !call->is_finished && !call->is_ended;
	is_sending = call->is_sending;
	if (is_first) {
		call->is_finished = true;
		call->status = *status;
		assert(!message || !is_sending);
	}
	pthread_mutex_unlock(&call->lock);
	/* Else it follows what is being sent. */
	if (is_first && !is_sending)
		send_status(call, message);
	if (!is_first)
		rpc_status_done(status);
	if (message)
		grpc_byte_buffer_destroy(message);
}

static void
on_closed(struct rpc_event *event, bool ok)
{
	struct rpc_call *call = container_of(event, struct rpc_call, closed);

	(void)ok;
	settle_closed(call);
	if (call->handler->on_end)
		call->handler->on_end(call);
	/* the operation's, and the call's own */
	rpc_call_unref(call);
	rpc_call_unref(call);
}

static uint64_t
deadline_of(gpr_timespec client)
{
	gpr_timespec time = gpr_convert_clock_type(client, GPR_CLOCK_MONOTONIC);
	uint64_t now = clock_now();
	uint64_t deadline, margin;

	if (gpr_time_cmp(time, gpr_inf_future(GPR_CLOCK_MONOTONIC)) == 0)
		return 0;
	if (time.tv_sec < 0)
		return 1;
	deadline = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
	if (deadline <= now)
		return deadline;
	margin = (deadline - now) / 10;
	return deadline -
	       (margin < DEADLINE_MARGIN_MAX ? margin : DEADLINE_MARGIN_MAX);
}

static struct rpc_call *
new_call(struct rpc_peer *peer, struct rpc_accept *accept,
	 const struct rpc_method *method, const struct rpc_handler *handler)
{
	struct rpc_call *call = calloc(1, handler->size);

	if (!call)
		return NULL;
	atomic_init(&call->refs, 1);
	list_init(&call->link);
	pthread_mutex_init(&call->lock, NULL);
	rpc_peer_ref(peer);
	call->peer = peer;
	call->method = method;
	call->handler = handler;
	call->deadline = deadline_of(accept->details.deadline);
	call->call = accept->call;
	call->is_admitted = accept->is_admitted;
	call->closed.run = on_closed;
	call->received.run = on_received;
	call->sent.run = on_sent;
	call->finished.run = on_finished;
	if (peer->client)
		atomic_fetch_add(&peer->client->calls, 1);
	return call;
}

void
rpc_call_start(struct rpc_peer *peer, struct rpc_accept *accept,
	       const struct rpc_method *method,
	       const struct rpc_handler *handler)
{
	struct rpc_call *call = new_call(peer, accept, method, handler);

	grpc_call_details_destroy(&accept->details);
	grpc_metadata_array_destroy(&accept->metadata);
	if (!call) {
		grpc_call_cancel(accept->call, NULL);
		grpc_call_unref(accept->call);
		if (accept->is_admitted)
			rpc_peer_end_call(peer);
		return;
	}
	/* Ours, for as long as this function runs. */
	rpc_call_ref(call);
	atomic_fetch_add(&peer->rpc->n_unwatched, 1);
	if (!handler->is_brief)
		rpc_call_watch(call);
	if (handler->on_start)
		handler->on_start(call);
	if (rpc_peer_add_call(peer, &call->link) && handler->on_drain)
		handler->on_drain(call);
	if (!rpc_call_is_over(call))
		rpc_call_receive(call);
	rpc_call_unref(call);
}
