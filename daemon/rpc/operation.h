/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting operations on gRPC's calls. What gRPC sends it mostly has sent when
 * the call that starts it returns; then its completion is taken here and now,
 * and the RPC thread, which would be woken for it, sleeps on.
 */
#pragma once

#include <grpc/grpc.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/rpc/event.h"

/* EVENT tells on the RPC thread that the operations are done. */
void operation_start(grpc_call *call, const grpc_op *ops, size_t n,
		     struct rpc_event *event);

/*
 * The same, but if they are done at once the result is true, EVENT is not run
 * and *OK is what gRPC says of them. QUEUE is the call's.
 */
bool operation_start_now(grpc_completion_queue *queue, grpc_call *call,
			 const grpc_op *ops, size_t n, struct rpc_event *event,
			 bool *ok);

/* What the RPC thread does with an event that the queue gave it, and OK. */
void rpc_event_run(struct rpc_event *event, bool ok);
