/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The unary calls of service Negotiation: each is a short script on a session
 * of its own: connect, ask, close. The session's events drive it; they come on
 * an I/O thread, one at a time.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/strings.h"
#include "daemon/core/failure.h"
#include "daemon/core/session.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/exports.h"
#include "daemon/rpc/handlers.h"
#include "daemon/rpc/one_session.h"
#include "nbdclientd/v1/negotiation.pb-c.h"
#include "proto/codec.h"

struct negotiation {
	struct rpc_call call;
	struct one_session one;
	/* What is asked when the session is connected, and what follows. */
	void (*ask)(struct negotiation *negotiation);
	void (*on_answer)(struct negotiation *negotiation,
			  const struct session_event *event);

	struct protocol_info protocol;
	/* NULL: what the target names. */
	char *export_name;
	struct string_list queries;
	/* ListExports: what was listed, and which is being described. Of
	 * ExportInfo it is the only one. */
	bool is_describing;
	bool is_truncated;
	/* INFO is there; the contexts are asked for. */
	bool is_at_contexts;
	/* The server knows no INFO: it is asked by GO. */
	bool is_going;
	struct exports exports;
	size_t next;
};

static struct negotiation *
negotiation_of(struct rpc_call *call)
{
	return container_of(call, struct negotiation, call);
}

static void
on_event(struct one_session *one, const struct session_event *event)
{
	struct negotiation *negotiation = container_of(one, struct negotiation,
						       one);

	switch (event->kind) {
	case SESSION_CONNECTED:
		negotiation->protocol = event->protocol;
		negotiation->ask(negotiation);
		break;
	case SESSION_LOST:
		one_session_fail(one, event->failure);
		break;
	case SESSION_LISTED:
	case SESSION_INFO:
	case SESSION_CONTEXTS:
	case SESSION_GONE:
	case SESSION_ABORTED:
	case SESSION_REFUSED:
		negotiation->on_answer(negotiation, event);
		break;
	}
}

static void
on_start(struct rpc_call *call)
{
	one_session_init(&negotiation_of(call)->one, call, on_event);
}

static void
on_end(struct rpc_call *call)
{
	one_session_close(&negotiation_of(call)->one);
}

static void
on_free(struct rpc_call *call)
{
	struct negotiation *negotiation = negotiation_of(call);

	free(negotiation->export_name);
	string_list_done(&negotiation->queries);
	exports_done(&negotiation->exports);
	one_session_free(&negotiation->one);
}

/* Replies, and ends the session. */
static void
reply(struct negotiation *negotiation, const void *response)
{
	rpc_call_reply(&negotiation->call, response);
	one_session_close(&negotiation->one);
}

/* Copies what the request asks about. */
static bool
set_question(struct negotiation *negotiation,
	     const Nbdclientd__V1__OptionalName *export_name, char **queries,
	     size_t n_queries)
{
	int error = 0;

	if (export_name)
		error = string_replace(&negotiation->export_name,
				       export_name->name);
	for (size_t i = 0; error == 0 && i < n_queries; i++)
		error = string_list_append(&negotiation->queries, queries[i]);
	if (error < 0)
		one_session_fail_without_memory(&negotiation->one);
	return error == 0;
}

/* What a server says of an export has nothing about contexts that nobody has
 * selected: they are asked for behind it. */
static void
ask_for_contexts(struct negotiation *negotiation, const char *export)
{
	struct session *session = one_session_enter(&negotiation->one);

	if (!session)
		return;
	session_list_contexts(session, export, &negotiation->queries,
			      negotiation->call.deadline);
	one_session_leave(&negotiation->one);
}

static void
ask_for_info(struct negotiation *negotiation, const char *export)
{
	struct session *session = one_session_enter(&negotiation->one);

	if (!session)
		return;
	session_info(session, export, negotiation->call.deadline);
	one_session_leave(&negotiation->one);
}

/* ListExports */

static void
reply_with_list(struct negotiation *negotiation)
{
	Nbdclientd__V1__ListExportsResponse response =
		NBDCLIENTD__V1__LIST_EXPORTS_RESPONSE__INIT;
	Nbdclientd__V1__ProtocolInfo protocol;

	if (exports_to_messages(&negotiation->exports) < 0) {
		one_session_fail_without_memory(&negotiation->one);
		return;
	}
	protocol_message_init(&protocol, &negotiation->protocol);
	response.protocol = &protocol;
	response.exports = negotiation->exports.pointers;
	response.n_exports = negotiation->exports.n;
	response.truncated = negotiation->is_truncated;
	reply(negotiation, &response);
}

/* The next question about the next export, or the reply. */
static void
describe_next(struct negotiation *negotiation)
{
	struct exports *exports = &negotiation->exports;
	const char *name;

	if (!negotiation->is_describing || negotiation->next == exports->n) {
		reply_with_list(negotiation);
		return;
	}
	name = exports->exports[negotiation->next].info.name;
	if (negotiation->is_at_contexts)
		ask_for_contexts(negotiation, name);
	else
		ask_for_info(negotiation, name);
}

/* A refusal of one export's details leaves the others. 0 or -ENOMEM. */
static int
take_details(struct negotiation *negotiation, const struct session_event *event)
{
	struct exports *exports = &negotiation->exports;
	size_t i = negotiation->next;

	if (event->kind == SESSION_INFO) {
		negotiation->is_at_contexts = true;
		return exports_describe(exports, i, &event->exports[0]);
	}
	negotiation->is_at_contexts = false;
	negotiation->next++;
	if (event->kind == SESSION_CONTEXTS)
		return exports_set_contexts(exports, i, event->contexts);
	/* A server without contexts may not know the question. */
	if (!exports->exports[i].is_described)
		exports_leave(exports, i, failure_text(event->failure));
	return 0;
}

static void
on_list_answer(struct negotiation *negotiation,
	       const struct session_event *event)
{
	struct exports *exports = &negotiation->exports;
	int error = 0;

	if (event->kind == SESSION_LISTED) {
		error = exports_copy(exports, event->exports, event->n_exports);
		negotiation->is_truncated = event->is_truncated;
	} else if (negotiation->next < exports->n) {
		error = take_details(negotiation, event);
	} else {
		one_session_fail(&negotiation->one, event->failure);
		return;
	}
	if (error < 0)
		one_session_fail_without_memory(&negotiation->one);
	else
		describe_next(negotiation);
}

static void
ask_for_list(struct negotiation *negotiation)
{
	struct session *session = one_session_enter(&negotiation->one);

	if (!session)
		return;
	session_list(session, negotiation->call.deadline);
	one_session_leave(&negotiation->one);
}

static void
on_list_exports(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListExportsRequest *message = NULL;
	struct negotiation *negotiation = negotiation_of(call);

	if (!rpc_call_decode(call, bytes, &message))
		return;
	negotiation->is_describing = message->describe;
	negotiation->ask = ask_for_list;
	negotiation->on_answer = on_list_answer;
	one_session_open(&negotiation->one, message->target);
}

/* ExportInfo */

static void
reply_with_info(struct negotiation *negotiation)
{
	Nbdclientd__V1__ExportInfoResponse response =
		NBDCLIENTD__V1__EXPORT_INFO_RESPONSE__INIT;
	Nbdclientd__V1__ProtocolInfo protocol;

	if (exports_to_messages(&negotiation->exports) < 0) {
		one_session_fail_without_memory(&negotiation->one);
		return;
	}
	protocol_message_init(&protocol, &negotiation->protocol);
	response.protocol = &protocol;
	response.export = negotiation->exports.pointers[0];
	reply(negotiation, &response);
}

/* A server that knows no INFO says what it serves when we go. */
static void
go_instead(struct negotiation *negotiation)
{
	struct session *session = one_session_enter(&negotiation->one);

	if (!session)
		return;
	negotiation->is_going = true;
	session_go(session, negotiation->export_name,
		   negotiation->call.deadline);
	one_session_leave(&negotiation->one);
}

/* What the server told of the one export. 0 or -ENOMEM. */
static int
take_export(struct negotiation *negotiation, const struct session_event *event)
{
	struct exports *exports = &negotiation->exports;

	if (event->kind != SESSION_INFO && event->kind != SESSION_GONE)
		return take_details(negotiation, event);
	if (exports_copy(exports, event->exports, 1) < 0)
		return -ENOMEM;
	negotiation->is_at_contexts = event->kind == SESSION_INFO;
	return exports_describe(exports, 0, &event->exports[0]);
}

static void
on_info_answer(struct negotiation *negotiation,
	       const struct session_event *event)
{
	bool is_refused = event->kind == SESSION_REFUSED &&
			  negotiation->exports.n == 0;

	if (is_refused && event->failure->errnum == ENOTSUP &&
	    !negotiation->is_going)
		go_instead(negotiation);
	else if (is_refused)
		one_session_fail(&negotiation->one, event->failure);
	else if (take_export(negotiation, event) < 0)
		one_session_fail_without_memory(&negotiation->one);
	else if (negotiation->is_at_contexts)
		ask_for_contexts(negotiation, negotiation->export_name);
	else
		reply_with_info(negotiation);
}

static void
ask_about_export(struct negotiation *negotiation)
{
	ask_for_info(negotiation, negotiation->export_name);
}

static void
on_export_info(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ExportInfoRequest *message = NULL;
	struct negotiation *negotiation = negotiation_of(call);

	if (!rpc_call_decode(call, bytes, &message) ||
	    !set_question(negotiation, message->export, NULL, 0))
		return;
	negotiation->ask = ask_about_export;
	negotiation->on_answer = on_info_answer;
	one_session_open(&negotiation->one, message->target);
}

/* ListMetaContexts */

static void
on_contexts_answer(struct negotiation *negotiation,
		   const struct session_event *event)
{
	Nbdclientd__V1__ListMetaContextsResponse response =
		NBDCLIENTD__V1__LIST_META_CONTEXTS_RESPONSE__INIT;

	if (event->kind != SESSION_CONTEXTS) {
		one_session_fail(&negotiation->one, event->failure);
		return;
	}
	response.contexts = event->contexts->items;
	response.n_contexts = event->contexts->n_items;
	reply(negotiation, &response);
}

static void
ask_about_contexts(struct negotiation *negotiation)
{
	ask_for_contexts(negotiation, negotiation->export_name);
}

static void
on_list_meta_contexts(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListMetaContextsRequest *message = NULL;
	struct negotiation *negotiation = negotiation_of(call);

	if (!rpc_call_decode(call, bytes, &message) ||
	    !set_question(negotiation, message->export, message->queries,
			  message->n_queries))
		return;
	negotiation->ask = ask_about_contexts;
	negotiation->on_answer = on_contexts_answer;
	one_session_open(&negotiation->one, message->target);
}

#define NEGOTIATION_HANDLER(id, function)                         \
	const struct rpc_handler rpc_handler_NEGOTIATION_##id = { \
		.size = sizeof(struct negotiation),               \
		.on_start = on_start,                             \
		.on_message = function,                           \
		.on_end = on_end,                                 \
		.on_free = on_free,                               \
	}

NEGOTIATION_HANDLER(LIST_EXPORTS, on_list_exports);
NEGOTIATION_HANDLER(EXPORT_INFO, on_export_info);
NEGOTIATION_HANDLER(LIST_META_CONTEXTS, on_list_meta_contexts);
