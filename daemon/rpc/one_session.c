/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One session of a call, and its end. */
#include "daemon/rpc/one_session.h"

#include <errno.h>

#include "common/cleanup.h"
#include "daemon/core/failure.h"
#include "daemon/rpc/call.h"

void
one_session_init(struct one_session *one, struct rpc_call *call,
		 void (*on_event)(struct one_session *one,
				  const struct session_event *event))
{
	one->call = call;
	one->on_event = on_event;
	pthread_mutex_init(&one->lock, NULL);
}

void
one_session_free(struct one_session *one)
{
	pthread_mutex_destroy(&one->lock);
}

static void
on_closed(void *user)
{
	struct one_session *one = user;

	rpc_call_unref(one->call);
}

struct session *
one_session_enter(struct one_session *one)
{
	SCOPED_LOCK(&one->lock);

	if (!one->session || one->is_closed)
		return NULL;
	one->n_inside++;
	return one->session;
}

void
one_session_leave(struct one_session *one)
{
	struct session *to_close = NULL;

	pthread_mutex_lock(&one->lock);
	one->n_inside--;
	if (one->is_closed && one->n_inside == 0)
		to_close = one->session;
	pthread_mutex_unlock(&one->lock);
	if (to_close)
		session_close(to_close, on_closed);
}

void
one_session_close(struct one_session *one)
{
	if (!one_session_enter(one))
		return;
	pthread_mutex_lock(&one->lock);
	one->is_closed = true;
	pthread_mutex_unlock(&one->lock);
	one_session_leave(one);
}

/* The first event may come before session_open() has returned. */
static void
on_event(struct session *session, const struct session_event *event, void *user)
{
	struct one_session *one = user;

	pthread_mutex_lock(&one->lock);
	one->session = session;
	pthread_mutex_unlock(&one->lock);
	if (!one_session_enter(one))
		return;
	one->on_event(one, event);
	one_session_leave(one);
}

bool
one_session_open(struct one_session *one, const char *target)
{
	struct failure failure = { 0 };
	struct session *session;

	/* the session's, until it is closed */
	rpc_call_ref(one->call);
	pthread_mutex_lock(&one->lock);
	one->n_inside++;
	pthread_mutex_unlock(&one->lock);
	session = session_open(rpc_call_daemon(one->call),
			       rpc_call_client(one->call), target,
			       one->call->deadline, on_event, one, &failure);
	if (session) {
		pthread_mutex_lock(&one->lock);
		one->session = session;
		pthread_mutex_unlock(&one->lock);
		one_session_leave(one);
		return true;
	}
	one->n_inside--;
	rpc_call_fail(one->call, &failure);
	failure_done(&failure);
	rpc_call_unref(one->call);
	return false;
}

void
one_session_fail(struct one_session *one, const struct failure *failure)
{
	rpc_call_fail(one->call, failure);
	one_session_close(one);
}

void
one_session_fail_without_memory(struct one_session *one)
{
	struct failure failure = { 0 };

	failure_set(&failure, ENOMEM, FAILURE_NONE,
		    "the daemon has no memory for what the server told");
	one_session_fail(one, &failure);
	failure_done(&failure);
}
