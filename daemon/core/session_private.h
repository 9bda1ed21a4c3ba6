/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files session*.c share; on the session's loop. */
#pragma once

#include <stdatomic.h>

#include "daemon/core/connection.h"
#include "daemon/core/session.h"
#include "daemon/core/target.h"

enum step_kind {
	STEP_NONE,
	STEP_CONNECT,
	STEP_LIST,
	STEP_INFO,
	STEP_LIST_CONTEXTS,
	STEP_SET_CONTEXTS,
	STEP_GO,
	STEP_ABORT,
};

struct session {
	struct daemon *daemon;
	struct loop *loop;
	struct client *client;
	struct endpoint *endpoint;
	session_callback *on_event;
	void *user;
	uint64_t connect_deadline;
	uint64_t default_timeout;
	bool may_write;
	/* The caller wants no more events. */
	atomic_bool is_closed;

	/* On the loop's thread. */
	struct connection *connection;
	struct request_target target;
	struct string_list contexts;
	enum step_kind step;
	bool is_aborting;
	bool may_be_freed;
	bool is_released;
	void (*on_closed)(void *user);
	struct message start;
	struct message close;
	struct message release;
	/* A step could not be carried here. */
	struct message no_memory;
	atomic_bool has_no_memory;
};

/* In session_events.c. */
extern const struct connection_owner session_connection_owner;

/* The answer to the step that is under way. */
void session_emit(struct session *session, struct session_event *event);
void session_emit_failure(struct session *session, enum session_event_kind kind,
			  const struct failure *failure);
/* The step is refused; negotiation goes on. */
void session_refuse(struct session *session, enum step_kind kind, int errnum,
		    const char *text);
void session_refuse_by_library(struct session *session, enum step_kind kind);
const char *session_step_name(enum step_kind kind);

/* The export is open: requests may come. */
void session_serve(struct session *session);
/* Answers STEP_INFO with what was told when the connection was made. */
void session_tell_export(struct session *session);
/* Ends all requests, and those to come. */
void session_fail_requests(struct session *session, const struct failure *why);
/* Says goodbye to the server, if there is one. */
void session_disconnect(struct session *session);
/* Frees the session if nothing holds it any more. */
void session_consider_release(struct session *session);

/* In session_steps.c: session->start, close and no_memory. */
void session_on_start(struct message *message);
void session_on_close(struct message *message);
void session_on_no_memory(struct message *message);
