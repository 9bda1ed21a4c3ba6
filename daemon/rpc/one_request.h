/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call that has at most one request in the core at a time: the request keeps
 * the call alive, and may be cancelled from any thread at any moment.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "daemon/core/request.h"

struct rpc_call;
struct volume;

struct one_request {
	struct rpc_call *call;
	/* A reference, once it has been looked up. */
	struct volume *volume;
	struct request request;
	/* Once per submission, where the core calls it. DONE is what the
	 * request was; it is released afterwards, and a new one may be
	 * submitted meanwhile. */
	void (*on_done)(struct one_request *one, struct request *done);

	pthread_mutex_t lock;
	bool is_submitted;
	bool is_done;
	bool is_cancelled;
};

/* Zero bytes are allowed for what is not set here. */
void one_request_init(struct one_request *one, struct rpc_call *call,
		      void (*on_done)(struct one_request *one,
				      struct request *done));
void one_request_free(struct one_request *one);

/* Finds the volume NAME. False: the call has been failed. */
bool one_request_find_volume(struct one_request *one, const char *name);

/* Submits the request for the call's client, with the call's deadline. Again
 * only after on_done, and always on the RPC thread. */
void one_request_submit(struct one_request *one);

/* Nobody waits for it any more. Any thread, at any time. */
void one_request_cancel(struct one_request *one);
