/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request of a call, and its cancellation: request_cancel() must only be
 * called between submission and on_done, which run on different threads. */
#include "daemon/rpc/one_request.h"

#include "common/cleanup.h"
#include "common/list.h"
#include "daemon/core/loop.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/call.h"

static void
on_request_done(struct request *request)
{
	struct one_request *one = request->user;
	struct rpc_call *call = one->call;
	struct request done;

	/* From here on it is not cancelled any more. */
	pthread_mutex_lock(&one->lock);
	one->is_done = true;
	done = *request;
	pthread_mutex_unlock(&one->lock);
	one->on_done(one, &done);
	request_done(&done);
	rpc_call_unref(call);
}

void
one_request_init(struct one_request *one, struct rpc_call *call,
		 void (*on_done)(struct one_request *one, struct request *done))
{
	one->call = call;
	one->on_done = on_done;
	pthread_mutex_init(&one->lock, NULL);
}

void
one_request_free(struct one_request *one)
{
	volume_unref(one->volume);
	pthread_mutex_destroy(&one->lock);
}

bool
one_request_find_volume(struct one_request *one, const char *name)
{
	one->volume = rpc_call_find_volume(one->call, name);
	return one->volume;
}

void
one_request_submit(struct one_request *one)
{
	struct rpc_call *call = one->call;

	one->request.deadline = call->deadline;
	one->request.client = rpc_call_client(call);
	one->request.on_done = on_request_done;
	one->request.user = one;
	/* the request's, and one for the lines after its submission */
	rpc_call_ref(call);
	rpc_call_ref(call);
	one->is_submitted = one->is_done = false;
	loop_put_off_waking();
	volume_submit(one->volume, &one->request);
	pthread_mutex_lock(&one->lock);
	one->is_submitted = true;
	if (one->is_cancelled && !one->is_done)
		request_cancel(&one->request);
	pthread_mutex_unlock(&one->lock);
	loop_wake_now();
	rpc_call_unref(call);
}

void
one_request_cancel(struct one_request *one)
{
	SCOPED_LOCK(&one->lock);

	one->is_cancelled = true;
	if (one->is_submitted && !one->is_done)
		request_cancel(&one->request);
}
