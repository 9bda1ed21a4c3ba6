/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a session: called on any thread, carried to the session's loop
 * as messages, and carried out there one at a time.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/session_private.h"

/* One call of session_list() and so on, on its way to the loop. */
struct session_step {
	struct message message;
	struct session *session;
	enum step_kind kind;
	/* NULL: the one that the target names. */
	char *export;
	struct string_list contexts;
	uint64_t deadline;
};

void
session_on_start(struct message *message)
{
	struct session *session = container_of(message, struct session, start);

	session->step = STEP_CONNECT;
	session->connection = connection_new(session->loop, session->endpoint,
					     &session_connection_owner,
					     session);
	if (!session->connection) {
		struct failure failure = { 0 };

		failure_set(&failure, ENOMEM, FAILURE_LIMIT, "out of memory");
		target_close(&session->target, &failure);
		session_emit_failure(session, SESSION_LOST, &failure);
		failure_done(&failure);
		return;
	}
	connection_start(session->connection, session->connect_deadline);
}

static void
abort_session(struct session *session)
{
	struct failure why = { 0 };

	failure_set(&why, ESHUTDOWN, FAILURE_BUSY, "the session is ending");
	target_close(&session->target, &why);
	failure_done(&why);
	session->is_aborting = true;
	if (target_is_idle(&session->target))
		session_disconnect(session);
}

static void
set_contexts(struct session *session, struct string_list *contexts)
{
	string_list_done(&session->contexts);
	session->contexts = *contexts;
	*contexts = (struct string_list){ 0 };
	session_emit(session, &(struct session_event){
				      .kind = SESSION_CONTEXTS,
				      .contexts = &session->contexts,
			      });
}

static int
begin_option(struct session *session, struct session_step *step)
{
	struct connection *connection = session->connection;

	switch (step->kind) {
	case STEP_LIST:
		return connection_option_list(connection);
	case STEP_INFO:
		return connection_option_info(connection, step->export);
	case STEP_LIST_CONTEXTS:
		return connection_option_contexts(connection, step->export,
						  &step->contexts);
	case STEP_GO:
		return connection_option_go(connection, step->export,
					    &session->contexts);
	case STEP_NONE:
	case STEP_CONNECT:
	case STEP_SET_CONTEXTS:
	case STEP_ABORT:
		break;
	}
	return -1;
}

static void
negotiate(struct session *session, struct session_step *step)
{
	uint64_t deadline = step->deadline ? step->deadline
					   : loop_now(session->loop) +
						     session->default_timeout;

	session->step = step->kind;
	if (begin_option(session, step) < 0)
		session_refuse_by_library(session, step->kind);
	else
		connection_set_deadline(session->connection, deadline,
					session_step_name(step->kind));
}

/* Without negotiation a server has one export, which is known already. */
static bool
is_known(const struct session *session, const struct session_step *step)
{
	return step->kind == STEP_INFO && !step->export &&
	       !session->target.has_export;
}

static void
run_step(struct session *session, struct session_step *step)
{
	struct connection *connection = session->connection;

	/* The end was told already. */
	if (!connection || session->is_closed || session->is_aborting)
		return;
	if (step->kind == STEP_ABORT) {
		abort_session(session);
		return;
	}
	if (session->step != STEP_NONE) {
		enum step_kind running = session->step;

		session_refuse(session, step->kind, EBUSY,
			       "the previous step is not answered yet");
		session->step = running;
		return;
	}
	if (connection->phase == PHASE_NEGOTIATING &&
	    step->kind == STEP_SET_CONTEXTS)
		set_contexts(session, &step->contexts);
	else if (connection->phase == PHASE_NEGOTIATING)
		negotiate(session, step);
	else if (step->kind == STEP_GO && !session->target.has_export)
		session_serve(session);
	else if (is_known(session, step))
		session_tell_export(session);
	else if (session->target.has_export)
		session_refuse(session, step->kind, EINVAL,
			       "negotiation is over; data phase");
	else
		session_refuse(session, step->kind, ENOTSUP,
			       "the server has no option negotiation");
}

static void
step_free(struct session_step *step)
{
	free(step->export);
	string_list_done(&step->contexts);
	free(step);
}

static void
on_step(struct message *message)
{
	struct session_step *step = container_of(message, struct session_step,
						 message);

	run_step(step->session, step);
	step_free(step);
}

void
session_on_no_memory(struct message *message)
{
	struct session *session = container_of(message, struct session,
					       no_memory);

	if (session->connection)
		connection_lose(session->connection,
				&(struct failure){
					.errnum = ENOMEM,
					.reason = FAILURE_LIMIT,
				});
}

void
session_on_close(struct message *message)
{
	struct session *session = container_of(message, struct session, close);
	struct failure why = { 0 };

	session->may_be_freed = true;
	failure_set(&why, ECANCELED, FAILURE_BUSY, "the session was closed");
	session_fail_requests(session, &why);
	failure_done(&why);
	session_disconnect(session);
	session_consider_release(session);
}

static void
send_step(struct session *session, enum step_kind kind, const char *export,
	  const struct string_list *contexts, uint64_t deadline)
{
	struct session_step *step = calloc(1, sizeof(*step));
	bool is_complete = step;

	if (step && string_replace(&step->export, export) < 0)
		is_complete = false;
	for (size_t i = 0; step && contexts && i < contexts->n_items; i++)
		if (string_list_append(&step->contexts, contexts->items[i]) < 0)
			is_complete = false;
	if (!is_complete) {
		if (step)
			step_free(step);
		if (!atomic_exchange(&session->has_no_memory, true))
			loop_send(session->loop, &session->no_memory);
		return;
	}
	step->message.run = on_step;
	step->session = session;
	step->kind = kind;
	step->deadline = deadline;
	loop_send(session->loop, &step->message);
}

void
session_list(struct session *session, uint64_t deadline)
{
	send_step(session, STEP_LIST, NULL, NULL, deadline);
}

void
session_info(struct session *session, const char *export, uint64_t deadline)
{
	send_step(session, STEP_INFO, export, NULL, deadline);
}

void
session_list_contexts(struct session *session, const char *export,
		      const struct string_list *queries, uint64_t deadline)
{
	send_step(session, STEP_LIST_CONTEXTS, export, queries, deadline);
}

void
session_set_contexts(struct session *session,
		     const struct string_list *contexts)
{
	send_step(session, STEP_SET_CONTEXTS, NULL, contexts, 0);
}

void
session_go(struct session *session, const char *export, uint64_t deadline)
{
	send_step(session, STEP_GO, export, NULL, deadline);
}

void
session_abort(struct session *session)
{
	send_step(session, STEP_ABORT, NULL, NULL, 0);
}
