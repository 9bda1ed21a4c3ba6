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
	/* ListExports: what was listed, and which is being described. */
	bool is_describing;
	bool is_truncated;
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

static void
describe_next(struct negotiation *negotiation)
{
	struct exports *exports = &negotiation->exports;
	struct session *session;

	if (!negotiation->is_describing || negotiation->next == exports->n) {
		reply_with_list(negotiation);
		return;
	}
	session = one_session_enter(&negotiation->one);
	if (!session)
		return;
	session_info(session, exports->exports[negotiation->next].info.name,
		     negotiation->call.deadline);
	one_session_leave(&negotiation->one);
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
	} else if (event->kind == SESSION_INFO) {
		error = exports_describe(exports, negotiation->next++,
					 &event->exports[0]);
	} else if (negotiation->next < exports->n) {
		exports_leave(exports, negotiation->next++,
			      failure_text(event->failure));
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
on_info_answer(struct negotiation *negotiation,
	       const struct session_event *event)
{
	Nbdclientd__V1__ExportInfoResponse response =
		NBDCLIENTD__V1__EXPORT_INFO_RESPONSE__INIT;
	Nbdclientd__V1__ProtocolInfo protocol;
	struct export_message export;

	if (event->kind != SESSION_INFO) {
		one_session_fail(&negotiation->one, event->failure);
		return;
	}
	protocol_message_init(&protocol, &negotiation->protocol);
	export_message_init(&export, &event->exports[0]);
	response.protocol = &protocol;
	response.export = &export.export;
	reply(negotiation, &response);
}

static void
ask_for_info(struct negotiation *negotiation)
{
	struct session *session = one_session_enter(&negotiation->one);

	if (!session)
		return;
	session_info(session, negotiation->export_name,
		     negotiation->call.deadline);
	one_session_leave(&negotiation->one);
}

static void
on_export_info(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ExportInfoRequest *message = NULL;
	struct negotiation *negotiation = negotiation_of(call);

	if (!rpc_call_decode(call, bytes, &message) ||
	    !set_question(negotiation, message->export, NULL, 0))
		return;
	negotiation->ask = ask_for_info;
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
ask_for_contexts(struct negotiation *negotiation)
{
	struct session *session = one_session_enter(&negotiation->one);

	if (!session)
		return;
	session_list_contexts(session, negotiation->export_name,
			      &negotiation->queries,
			      negotiation->call.deadline);
	one_session_leave(&negotiation->one);
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
	negotiation->ask = ask_for_contexts;
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
