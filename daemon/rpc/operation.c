/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A completion queue keeps the first completion that comes about on a thread
 * back for it, if asked to. That may be another one than ours, because a thread
 * inside gRPC also does what others have left to do there: such a one goes on
 * to the RPC thread, as the completion of an operation that does nothing.
 */
#include "daemon/rpc/operation.h"

#include <assert.h>

#include "common/thread_sanitizer.h"

void
operation_start(grpc_call *call, const grpc_op *ops, size_t n,
		struct rpc_event *event)
{
	grpc_call_error error;

	handing_over(event);
	/* A refusal here would be our own mistake: gRPC takes operations also
	 * for calls that have ended, and reports that they failed. */
	error = grpc_call_start_batch(call, ops, n, event, NULL);
	assert(error == GRPC_CALL_OK);
	(void)error;
}

static void
pass_on(grpc_call *call, struct rpc_event *event, bool ok)
{
	event->is_passed_on = true;
	event->has_failed = !ok;
	operation_start(call, NULL, 0, event);
}

void
rpc_event_run(struct rpc_event *event, bool ok)
{
	received(event);
	if (event->is_passed_on)
		ok = !event->has_failed;
	event->is_passed_on = false;
	event->run(event, ok);
}

bool
operation_start_now(grpc_completion_queue *queue, grpc_call *call,
		    const grpc_op *ops, size_t n, struct rpc_event *event,
		    bool *ok)
{
	void *tag = NULL;
	int success = 0;

	grpc_completion_queue_thread_local_cache_init(queue);
	operation_start(call, ops, n, event);
	if (!grpc_completion_queue_thread_local_cache_flush(queue, &tag,
							    &success))
		return false;
	received(tag);
	*ok = success != 0;
	if (tag == event)
		return true;
	pass_on(call, tag, *ok);
	return false;
}
