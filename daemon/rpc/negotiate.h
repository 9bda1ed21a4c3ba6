/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Negotiation.Negotiate: a session driven step by step, and after `go` its data
 * phase. negotiate.c takes the client's messages and the session's events;
 * negotiate_io.c has the requests; negotiate_replies.c the way back.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/one_session.h"
#include "nbdclientd/v1/negotiation.pb-c.h"

struct failure;

struct negotiate {
	struct rpc_call call;
	struct one_session one;

	/* Guards what follows. Taken before the call's own lock. */
	pthread_mutex_t lock;
	/* The step that the session is about to answer; `id` of its request. */
	uint64_t step_id;
	bool is_step_pending;
	/* `go` has succeeded. */
	bool is_gone;
	unsigned int n_in_flight;
	/* struct outgoing: encoded responses that wait. */
	struct list outgoing;
	unsigned int n_outgoing;
	bool is_sending;
	bool is_paused;
	/* End when all is answered: the client will ask no more, or the daemon
	 * is draining. */
	bool is_half_closed;
	bool is_draining;
};

/* Queues RESPONSE and sends it when its turn comes. Any thread. */
void negotiate_respond(struct negotiate *negotiate,
		       const Nbdclientd__V1__NegotiateResponse *response);
/* The response to request ID is an error. */
void negotiate_respond_with_error(struct negotiate *negotiate, uint64_t id,
				  const struct failure *failure);

/* The last message has left. */
void negotiate_continue(struct negotiate *negotiate);

/* Ends the call if nothing is left to answer and no more will come. With the
 * lock held. */
void negotiate_end_if_idle(struct negotiate *negotiate);

void negotiate_free_outgoing(struct negotiate *negotiate);

/* Submits MESSAGE, the step of request ID. RPC thread. */
void negotiate_submit(struct negotiate *negotiate, uint64_t id,
		      const Nbdclientd__V1__IoRequest *message);

/* A request has been answered: its response is queued. */
void negotiate_count_down(struct negotiate *negotiate);

/* Asks for the next message, or puts that off until less is unanswered. RPC
 * thread, or where a step has been answered. */
void negotiate_receive(struct negotiate *negotiate);
