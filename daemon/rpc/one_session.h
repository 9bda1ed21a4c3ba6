/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call that has a negotiation session. The session keeps the call alive until
 * it is closed, which may be asked for by an event on the I/O thread and by a
 * cancelled call on the RPC thread at the same time.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "daemon/core/session.h"

struct one_session {
	struct rpc_call *call;
	void (*on_event)(struct one_session *one,
			 const struct session_event *event);

	pthread_mutex_t lock;
	struct session *session;
	/* How many threads are taking a step now; the last of them closes the
	 * session if that was asked for meanwhile. */
	unsigned int n_inside;
	bool is_closed;
};

void one_session_init(struct one_session *one, struct rpc_call *call,
		      void (*on_event)(struct one_session *one,
				       const struct session_event *event));
void one_session_free(struct one_session *one);

/* False: the call has been failed, no event comes. RPC thread. */
bool one_session_open(struct one_session *one, const char *target);

/* The session, for one step, which one_session_leave() must follow; NULL: there
 * is none or it is closed, and the step shall not be taken. */
struct session *one_session_enter(struct one_session *one);
void one_session_leave(struct one_session *one);

/* Any thread, again does nothing. */
void one_session_close(struct one_session *one);

/* Ends the call with FAILURE, and the session. */
void one_session_fail(struct one_session *one, const struct failure *failure);
void one_session_fail_without_memory(struct one_session *one);
