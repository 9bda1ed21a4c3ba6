/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way back of a negotiation: responses queue, one is sent at a time, and
 * the call ends when the last one has left. */
#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/failure.h"
#include "daemon/rpc/negotiate.h"
#include "daemon/rpc/status.h"
#include "proto/codec.h"

/* Requests and responses that may be unanswered before the client's next
 * message has to wait. */
#define MAX_UNANSWERED 64

struct outgoing {
	struct list link;
	grpc_byte_buffer *bytes;
};

static bool
is_crowded(const struct negotiate *negotiate)
{
	return negotiate->n_in_flight + negotiate->n_outgoing >= MAX_UNANSWERED;
}

/* Sends the next response, if none is being sent. With the lock held. */
static void
pump(struct negotiate *negotiate)
{
	struct outgoing *next;
	struct list *link;

	if (negotiate->is_sending)
		return;
	link = list_take_first(&negotiate->outgoing);
	if (!link)
		return;
	next = container_of(link, struct outgoing, link);
	negotiate->n_outgoing--;
	negotiate->is_sending = rpc_call_send(&negotiate->call, next->bytes);
	free(next);
}

/* With the lock held. */
static void
resume(struct negotiate *negotiate)
{
	if (!negotiate->is_paused || negotiate->is_half_closed ||
	    is_crowded(negotiate) || rpc_call_is_over(&negotiate->call))
		return;
	negotiate->is_paused = false;
	rpc_call_receive(&negotiate->call);
}

void
negotiate_receive(struct negotiate *negotiate)
{
	SCOPED_LOCK(&negotiate->lock);

	negotiate->is_paused = true;
	resume(negotiate);
}

static void
fail_as_draining(struct negotiate *negotiate)
{
	struct failure failure = { 0 };

	failure_set(&failure, ESHUTDOWN, FAILURE_BUSY,
		    "the daemon is draining and closes the connection");
	failure_set_hint(&failure, "Connect again when it has restarted.");
	rpc_call_fail(&negotiate->call, &failure);
	failure_done(&failure);
}

void
negotiate_end_if_idle(struct negotiate *negotiate)
{
	if (negotiate->is_step_pending || negotiate->n_in_flight > 0 ||
	    negotiate->n_outgoing > 0 || negotiate->is_sending)
		return;
	if (negotiate->is_half_closed)
		rpc_call_finish_ok(&negotiate->call);
	else if (negotiate->is_draining)
		fail_as_draining(negotiate);
	else
		return;
	one_session_close(&negotiate->one);
}

void
negotiate_respond(struct negotiate *negotiate,
		  const Nbdclientd__V1__NegotiateResponse *response)
{
	struct outgoing *outgoing = malloc(sizeof(*outgoing));

	/* A response cannot be left out, and gRPC itself ends without
	 * memory. */
	if (!outgoing)
		abort();
	outgoing->bytes = codec_encode(response);
	SCOPED_LOCK(&negotiate->lock);
	list_append(&negotiate->outgoing, &outgoing->link);
	negotiate->n_outgoing++;
	pump(negotiate);
}

void
negotiate_respond_with_error(struct negotiate *negotiate, uint64_t id,
			     const struct failure *failure)
{
	Nbdclientd__V1__NegotiateResponse response =
		NBDCLIENTD__V1__NEGOTIATE_RESPONSE__INIT;

	response.id = id;
	response.result_case = NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_ERROR;
	response.error = rpc_error_from_failure(failure);
	negotiate_respond(negotiate, &response);
	codec_message_free(response.error);
}

void
negotiate_count_down(struct negotiate *negotiate)
{
	SCOPED_LOCK(&negotiate->lock);

	negotiate->n_in_flight--;
	resume(negotiate);
	negotiate_end_if_idle(negotiate);
}

void
negotiate_continue(struct negotiate *negotiate)
{
	SCOPED_LOCK(&negotiate->lock);

	negotiate->is_sending = false;
	pump(negotiate);
	resume(negotiate);
	negotiate_end_if_idle(negotiate);
}

void
negotiate_free_outgoing(struct negotiate *negotiate)
{
	struct list *link;

	while ((link = list_take_first(&negotiate->outgoing))) {
		struct outgoing *outgoing = container_of(link, struct outgoing,
							 link);

		grpc_byte_buffer_destroy(outgoing->bytes);
		free(outgoing);
	}
}
