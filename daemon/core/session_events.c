/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens on a session's connection, as events for its client. */
#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/session_private.h"

void
session_emit(struct session *session, struct session_event *event)
{
	session->step = STEP_NONE;
	if (session->is_closed)
		return;
	if (session->connection)
		event->protocol = session->connection->protocol;
	session->on_event(session, event, session->user);
}

void
session_emit_failure(struct session *session, enum session_event_kind kind,
		     const struct failure *failure)
{
	session_emit(session, &(struct session_event){ .kind = kind,
						       .failure = failure });
}

const char *
session_step_name(enum step_kind kind)
{
	switch (kind) {
	case STEP_NONE:
		break;
	case STEP_CONNECT:
		return "connecting";
	case STEP_LIST:
		return "listing exports";
	case STEP_INFO:
		return "asking for an export";
	case STEP_LIST_CONTEXTS:
		return "listing metadata contexts";
	case STEP_SET_CONTEXTS:
		return "setting metadata contexts";
	case STEP_GO:
		return "opening the export";
	case STEP_ABORT:
		return "aborting";
	}
	return "negotiating";
}

static enum failure_reason
reason_of(int errnum)
{
	if (errnum == ENOENT)
		return FAILURE_UNKNOWN_EXPORT;
	if (errnum == ENOTSUP)
		return FAILURE_NOT_SUPPORTED;
	return errnum == EINVAL ? FAILURE_INVALID : FAILURE_NBD;
}

/* The step is refused; negotiation goes on. */
void
session_refuse(struct session *session, enum step_kind kind, int errnum,
	       const char *text)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum, reason_of(errnum), "%s at %s: %s",
		    session_step_name(kind), session->endpoint->uri, text);
	failure_set_place(&failure, NULL, session->endpoint->uri);
	session_emit_failure(session, SESSION_REFUSED, &failure);
	failure_done(&failure);
}

void
session_refuse_by_library(struct session *session, enum step_kind kind)
{
	const char *text = nbd_get_error();

	session_refuse(session, kind,
		       nbd_get_errno() ? nbd_get_errno() : EINVAL,
		       text ? text : "refused");
}

void
session_fail_requests(struct session *session, const struct failure *why)
{
	target_close(&session->target, why);
	target_fail_all(&session->target, why);
}

static void
leave_connection(struct session *session)
{
	struct connection *connection = session->connection;

	if (!list_is_empty(&connection->link))
		target_remove_connection(&session->target, connection);
	session->connection = NULL;
	connection_free(connection);
}

static void
on_lost(struct connection *connection, const struct failure *failure)
{
	struct session *session = connection->user;

	leave_connection(session);
	session_fail_requests(session, failure);
	session_emit_failure(session, SESSION_LOST, failure);
	session_consider_release(session);
}

static void
on_closed(struct connection *connection)
{
	struct session *session = connection->user;

	leave_connection(session);
	if (session->is_aborting)
		session_emit(session, &(struct session_event){
					      .kind = SESSION_ABORTED });
	session_consider_release(session);
}

static void
on_negotiating(struct connection *connection)
{
	struct session *session = connection->user;

	connection_clear_deadline(connection);
	session_emit(session,
		     &(struct session_event){ .kind = SESSION_CONNECTED });
}

static void
emit_info(struct session *session, enum session_event_kind kind)
{
	CLEANUP(export_info_done) struct export_info info = { 0 };

	if (connection_describe_export(session->connection, &info) < 0) {
		session_refuse(session, session->step, ENOMEM, "out of memory");
		return;
	}
	session_emit(session, &(struct session_event){
				      .kind = kind,
				      .exports = &info,
				      .n_exports = 1,
			      });
}

void
session_tell_export(struct session *session)
{
	session->step = STEP_INFO;
	emit_info(session, SESSION_INFO);
}

static void
emit_results(struct session *session)
{
	struct connection *connection = session->connection;
	struct listing *listing = &connection->listing;

	if (session->step == STEP_INFO) {
		emit_info(session, SESSION_INFO);
		return;
	}
	session_emit(session, &(struct session_event){
				      .kind = session->step == STEP_LIST
						      ? SESSION_LISTED
						      : SESSION_CONTEXTS,
				      .exports = listing->exports,
				      .n_exports = listing->n_exports,
				      .is_truncated = listing->is_truncated,
				      .contexts = &listing->contexts,
			      });
}

static void
on_option(struct connection *connection, int errnum)
{
	struct session *session = connection->user;

	connection_clear_deadline(connection);
	if (errnum)
		session_refuse(session, session->step, errnum,
			       strerror(errnum));
	else
		emit_results(session);
}

/* The export is open: requests may come. */
void
session_serve(struct session *session)
{
	CLEANUP(export_info_done) struct export_info info = { 0 };

	if (connection_describe_export(session->connection, &info) < 0 ||
	    target_set_export(&session->target, &info) < 0) {
		connection_lose(session->connection,
				&(struct failure){ .errnum = ENOMEM });
		return;
	}
	session->connection->patience = session->default_timeout;
	target_add_connection(&session->target, session->connection);
	emit_info(session, SESSION_GONE);
}

static void
on_ready(struct connection *connection)
{
	struct session *session = connection->user;

	/* A server without option negotiation is ready when we connect; the
	 * caller says go nevertheless. */
	if (session->step == STEP_GO)
		session_serve(session);
	else
		session_emit(session, &(struct session_event){
					      .kind = SESSION_CONNECTED });
}

static void
on_part(struct connection *connection, struct part *part,
	enum part_outcome outcome, const char *text)
{
	struct session *session = connection->user;

	target_on_part(&session->target, part, outcome, text);
}

void
session_disconnect(struct session *session)
{
	struct connection *connection = session->connection;

	if (!connection)
		return;
	if (connection->phase == PHASE_CLOSING)
		return;
	if (!list_is_empty(&connection->link))
		target_remove_connection(&session->target, connection);
	connection_close(connection);
}

const struct connection_owner session_connection_owner = {
	.on_negotiating = on_negotiating,
	.on_option = on_option,
	.on_ready = on_ready,
	.on_part = on_part,
	.on_lost = on_lost,
	.on_closed = on_closed,
};
