/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way in of a negotiation. A step is handed to the session, and the
 * client's next message is not asked for before the session has answered, so
 * steps need no queue. Requests of the data phase overlap.
 */
#include "daemon/rpc/negotiate.h"

#include <errno.h>

#include "common/cleanup.h"
#include "daemon/core/failure.h"
#include "daemon/rpc/exports.h"
#include "daemon/rpc/handlers.h"
#include "proto/codec_free.h"

static struct negotiate *
negotiate_of(struct rpc_call *call)
{
	return container_of(call, struct negotiate, call);
}

/* The session has answered: the response is queued, the next step may come. */
static void
step_done(struct negotiate *negotiate)
{
	pthread_mutex_lock(&negotiate->lock);
	negotiate->is_step_pending = false;
	negotiate_end_if_idle(negotiate);
	pthread_mutex_unlock(&negotiate->lock);
	if (!rpc_call_is_over(&negotiate->call))
		negotiate_receive(negotiate);
}

static void
respond_with_list(struct negotiate *negotiate,
		  Nbdclientd__V1__NegotiateResponse *response,
		  const struct session_event *event)
{
	Nbdclientd__V1__NegotiateListed listed =
		NBDCLIENTD__V1__NEGOTIATE_LISTED__INIT;
	struct exports exports = { 0 };

	if (exports_copy(&exports, event->exports, event->n_exports) < 0 ||
	    exports_to_messages(&exports) < 0) {
		one_session_fail_without_memory(&negotiate->one);
	} else {
		listed.exports = exports.pointers;
		listed.n_exports = exports.n;
		listed.truncated = event->is_truncated;
		response->result_case =
			NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_LISTED;
		response->listed = &listed;
		negotiate_respond(negotiate, response);
	}
	exports_done(&exports);
}

static void
respond_with_export(struct negotiate *negotiate,
		    Nbdclientd__V1__NegotiateResponse *response,
		    const struct session_event *event)
{
	struct export_message export;

	export_message_init(&export, &event->exports[0]);
	if (event->kind == SESSION_GONE) {
		pthread_mutex_lock(&negotiate->lock);
		negotiate->is_gone = true;
		pthread_mutex_unlock(&negotiate->lock);
		response->result_case =
			NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_GONE;
		response->gone = &export.export;
	} else {
		response->result_case =
			NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_INFO;
		response->info = &export.export;
	}
	negotiate_respond(negotiate, response);
}

static void
respond_with_contexts(struct negotiate *negotiate,
		      Nbdclientd__V1__NegotiateResponse *response,
		      const struct session_event *event)
{
	Nbdclientd__V1__NegotiateContexts contexts =
		NBDCLIENTD__V1__NEGOTIATE_CONTEXTS__INIT;

	contexts.contexts = event->contexts->items;
	contexts.n_contexts = event->contexts->n_items;
	response->result_case =
		NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_CONTEXTS;
	response->contexts = &contexts;
	negotiate_respond(negotiate, response);
}

static void
respond_as_connected(struct negotiate *negotiate,
		     Nbdclientd__V1__NegotiateResponse *response,
		     const struct session_event *event)
{
	Nbdclientd__V1__ProtocolInfo protocol;

	protocol_message_init(&protocol, &event->protocol);
	response->result_case =
		NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_CONNECTED;
	response->connected = &protocol;
	negotiate_respond(negotiate, response);
}

/* Aborting is the client's last step, so the call ends as after its half
 * close. */
static void
respond_as_aborted(struct negotiate *negotiate,
		   Nbdclientd__V1__NegotiateResponse *response)
{
	Nbdclientd__V1__NegotiateAborted aborted =
		NBDCLIENTD__V1__NEGOTIATE_ABORTED__INIT;

	response->result_case =
		NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_ABORTED;
	response->aborted = &aborted;
	negotiate_respond(negotiate, response);
	pthread_mutex_lock(&negotiate->lock);
	negotiate->is_half_closed = true;
	pthread_mutex_unlock(&negotiate->lock);
}

static void
on_event(struct one_session *one, const struct session_event *event)
{
	struct negotiate *negotiate = container_of(one, struct negotiate, one);
	Nbdclientd__V1__NegotiateResponse response =
		NBDCLIENTD__V1__NEGOTIATE_RESPONSE__INIT;

	pthread_mutex_lock(&negotiate->lock);
	response.id = negotiate->step_id;
	pthread_mutex_unlock(&negotiate->lock);
	switch (event->kind) {
	case SESSION_CONNECTED:
		respond_as_connected(negotiate, &response, event);
		break;
	case SESSION_LISTED:
		respond_with_list(negotiate, &response, event);
		break;
	case SESSION_INFO:
	case SESSION_GONE:
		respond_with_export(negotiate, &response, event);
		break;
	case SESSION_CONTEXTS:
		respond_with_contexts(negotiate, &response, event);
		break;
	case SESSION_ABORTED:
		respond_as_aborted(negotiate, &response);
		break;
	case SESSION_REFUSED:
		negotiate_respond_with_error(negotiate, response.id,
					     event->failure);
		break;
	case SESSION_LOST:
		one_session_fail(one, event->failure);
		return;
	}
	step_done(negotiate);
}

static void
take_step(struct negotiate *negotiate, struct session *session,
	  const Nbdclientd__V1__NegotiateRequest *message)
{
	uint64_t deadline = negotiate->call.deadline;
	struct string_list list = { 0 };

	switch (message->step_case) {
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_LIST:
		session_list(session, deadline);
		break;
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_INFO:
		session_info(session, message->info->export, deadline);
		break;
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_LIST_CONTEXTS:
		list.items = message->list_contexts->queries;
		list.n_items = message->list_contexts->n_queries;
		session_list_contexts(session, message->list_contexts->export,
				      &list, deadline);
		break;
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_SET_CONTEXTS:
		list.items = message->set_contexts->contexts;
		list.n_items = message->set_contexts->n_contexts;
		session_set_contexts(session, &list);
		break;
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_GO:
		session_go(session, message->go->export, deadline);
		break;
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_ABORT:
	default:
		session_abort(session);
		break;
	}
}

static void
fail(struct negotiate *negotiate, const char *text)
{
	struct failure failure = { 0 };

	failure_set(&failure, EINVAL, FAILURE_INVALID, "%s", text);
	one_session_fail(&negotiate->one, &failure);
	failure_done(&failure);
}

static void
begin_step(struct negotiate *negotiate, uint64_t id)
{
	SCOPED_LOCK(&negotiate->lock);

	negotiate->step_id = id;
	negotiate->is_step_pending = true;
}

static void
on_step(struct negotiate *negotiate,
	const Nbdclientd__V1__NegotiateRequest *message)
{
	struct session *session;

	begin_step(negotiate, message->id);
	session = one_session_enter(&negotiate->one);
	if (!session) {
		fail(negotiate, "the first message of a negotiation holds "
				"`connect`");
		return;
	}
	take_step(negotiate, session, message);
	one_session_leave(&negotiate->one);
}

static void
on_connect(struct negotiate *negotiate,
	   const Nbdclientd__V1__NegotiateRequest *message)
{
	if (one_session_enter(&negotiate->one)) {
		one_session_leave(&negotiate->one);
		fail(negotiate, "the negotiation is connected already");
		return;
	}
	begin_step(negotiate, message->id);
	one_session_open(&negotiate->one, message->connect->target);
}

static void
on_message(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__NegotiateRequest *message = NULL;
	struct negotiate *negotiate = negotiate_of(call);

	if (!rpc_call_decode(call, bytes, &message))
		return;
	switch (message->step_case) {
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_CONNECT:
		on_connect(negotiate, message);
		break;
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_IO:
		negotiate_submit(negotiate, message->id, message->io);
		if (!rpc_call_is_over(call))
			negotiate_receive(negotiate);
		break;
	case NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP__NOT_SET:
		fail(negotiate, "a message of a negotiation holds one step, "
				"and this one none");
		break;
	default:
		on_step(negotiate, message);
		break;
	}
}

static void
on_start(struct rpc_call *call)
{
	struct negotiate *negotiate = negotiate_of(call);

	one_session_init(&negotiate->one, call, on_event);
	pthread_mutex_init(&negotiate->lock, NULL);
	list_init(&negotiate->outgoing);
}

static void
on_half_close(struct rpc_call *call)
{
	struct negotiate *negotiate = negotiate_of(call);

	SCOPED_LOCK(&negotiate->lock);
	negotiate->is_half_closed = true;
	negotiate_end_if_idle(negotiate);
}

static void
on_sent(struct rpc_call *call)
{
	negotiate_continue(negotiate_of(call));
}

static void
on_end(struct rpc_call *call)
{
	one_session_close(&negotiate_of(call)->one);
}

static void
on_drain(struct rpc_call *call)
{
	struct negotiate *negotiate = negotiate_of(call);

	SCOPED_LOCK(&negotiate->lock);
	negotiate->is_draining = true;
	negotiate_end_if_idle(negotiate);
}

static void
on_free(struct rpc_call *call)
{
	struct negotiate *negotiate = negotiate_of(call);

	negotiate_free_outgoing(negotiate);
	one_session_free(&negotiate->one);
	pthread_mutex_destroy(&negotiate->lock);
}

const struct rpc_handler rpc_handler_NEGOTIATION_NEGOTIATE = {
	.size = sizeof(struct negotiate),
	.on_start = on_start,
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_sent = on_sent,
	.on_end = on_end,
	.on_drain = on_drain,
	.on_free = on_free,
};
