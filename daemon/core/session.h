/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client's own connection to a server, first in option negotiation, after
 * `go` for data. One step at a time; every step answers with exactly one
 * event. Any thread may call; events come on the session's I/O thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strings.h"
#include "daemon/core/export.h"
#include "daemon/core/failure.h"
#include "daemon/core/request.h"

struct client;
struct daemon;
struct session;

/* The most exports that one listing keeps. */
#define SESSION_MAX_EXPORTS 10000

enum session_event_kind {
	/* protocol: negotiation is possible now. */
	SESSION_CONNECTED,
	/* exports (name and description), truncated. */
	SESSION_LISTED,
	/* exports[0]. */
	SESSION_INFO,
	/* contexts: what the server lists, or what is set now. */
	SESSION_CONTEXTS,
	/* exports[0] as chosen: session_submit() works from here on. */
	SESSION_GONE,
	/* The connection ended as asked; nothing follows. */
	SESSION_ABORTED,
	/* The step was refused, see failure; negotiation goes on. */
	SESSION_REFUSED,
	/* The connection could not be made, or is lost, see failure; answers
	 * the step that was under way, if any; nothing follows. */
	SESSION_LOST,
};

/* Valid during the callback only. */
struct session_event {
	enum session_event_kind kind;
	struct protocol_info protocol;
	const struct export_info *exports;
	size_t n_exports;
	bool is_truncated;
	const struct string_list *contexts;
	const struct failure *failure;
};

typedef void session_callback(struct session *session,
			      const struct session_event *event, void *user);

/* Starts connecting to TARGET, a volume's name (its first endpoint, with its
 * credentials) or an NBD URI where policy lets CLIENT use one. The first event
 * is SESSION_CONNECTED or SESSION_LOST. NULL with FAILURE filled: the target is
 * refused or memory is short; no event comes. DEADLINE (CLOCK_MONOTONIC ns, 0:
 * RequestTimeout) is for connecting. */
struct session *session_open(struct daemon *daemon, struct client *client,
			     const char *target, uint64_t deadline,
			     session_callback *on_event, void *user,
			     struct failure *failure);

/* The steps. DEADLINE as above; when it passes the connection is given up with
 * SESSION_LOST. A step while another is under way is answered by
 * SESSION_REFUSED with EBUSY. Arguments are copied. */
void session_list(struct session *session, uint64_t deadline);
/* EXPORT NULL: the one that the target names. */
void session_info(struct session *session, const char *export,
		  uint64_t deadline);
/* QUERIES may be NULL or empty: all. Answer: SESSION_CONTEXTS. */
void session_list_contexts(struct session *session, const char *export,
			   const struct string_list *queries,
			   uint64_t deadline);
/* What `go` is to select, instead of what was set before. Answer:
 * SESSION_CONTEXTS. */
void session_set_contexts(struct session *session,
			  const struct string_list *contexts);
void session_go(struct session *session, const char *export, uint64_t deadline);
/* Ends negotiation with NBD_OPT_ABORT, or the data phase with NBD_CMD_DISC
 * when requests in flight are answered. */
void session_abort(struct session *session);

/* As volume_submit(), on the session's own connection. When it is lost
 * requests fail; they are not retried. */
void session_submit(struct session *session, struct request *request);

/* The caller has no use for the session any more. Callable once, at any time,
 * also from within an event. No event is delivered after it returns, unless it
 * is called while one is being delivered on the I/O thread; requests still end
 * with on_done. USER must stay valid until ON_CLOSED(USER) is called, once, on
 * the I/O thread. */
void session_close(struct session *session, void (*on_closed)(void *user));
