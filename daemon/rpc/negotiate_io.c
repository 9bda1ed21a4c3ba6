/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data phase of a negotiated connection: requests of the client's own
 * session, answered in the order in which they are done. */
#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/failure.h"
#include "daemon/core/request.h"
#include "daemon/rpc/extents.h"
#include "daemon/rpc/io_command.h"
#include "daemon/rpc/negotiate.h"
#include "daemon/rpc/status.h"
#include "proto/codec_free.h"

struct negotiate_io {
	struct negotiate *negotiate;
	uint64_t id;
	struct request request;
	struct extents extents;
};

static void
on_extents(struct request *request, const char *context, uint64_t offset,
	   const struct request_extent *extents, size_t n)
{
	struct negotiate_io *io = request->user;

	extents_add(&io->extents, context, offset, extents, n);
}

/* Answers and frees the request, which is not in the core. */
static void
answer(struct negotiate_io *io)
{
	struct negotiate *negotiate = io->negotiate;
	Nbdclientd__V1__NegotiateResponse response =
		NBDCLIENTD__V1__NEGOTIATE_RESPONSE__INIT;
	Nbdclientd__V1__IoReply reply = NBDCLIENTD__V1__IO_REPLY__INIT;
	struct request *request = &io->request;

	if (request->failure.errnum == 0 &&
	    extents_to_messages(&io->extents, &reply.extents,
				&reply.n_extents) < 0)
		failure_set(&request->failure, ENOMEM, FAILURE_NONE,
			    "the daemon has no memory for the extents");
	if (request->failure.errnum != 0) {
		reply.error = rpc_error_from_failure(&request->failure);
	} else if (request->command == REQUEST_READ) {
		reply.data.data = request->payload.data;
		reply.data.len = request->payload.size;
	}
	reply.id = response.id = io->id;
	response.result_case = NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_IO;
	response.io = &reply;
	negotiate_respond(negotiate, &response);
	codec_message_free(reply.error);
	extents_messages_free(reply.extents, reply.n_extents);
	extents_done(&io->extents);
	request_done(request);
	free(io);
	negotiate_count_down(negotiate);
}

static void
on_done(struct request *request)
{
	struct negotiate_io *io = request->user;
	struct rpc_call *call = &io->negotiate->call;

	answer(io);
	rpc_call_unref(call);
}

static int
prepare(struct negotiate_io *io, const Nbdclientd__V1__IoRequest *message)
{
	struct request *request = &io->request;
	struct failure *failure = &request->failure;
	struct io_request from;
	int error;

	if (io_request_from_message(&from, message) < 0)
		return failure_set(failure, ENOMEM, FAILURE_NONE,
				   "the daemon has no memory for the request");
	error = io_command_fill(request, &from, failure);
	io_request_done(&from);
	request->on_extents = on_extents;
	request->on_done = on_done;
	request->user = io;
	request->client = rpc_call_client(&io->negotiate->call);
	return error;
}

/* Hands the request to the session, which answers it by on_done. */
static int
hand_over(struct negotiate_io *io)
{
	struct negotiate *negotiate = io->negotiate;
	struct session *session = NULL;
	bool is_gone;

	pthread_mutex_lock(&negotiate->lock);
	is_gone = negotiate->is_gone;
	pthread_mutex_unlock(&negotiate->lock);
	if (is_gone)
		session = one_session_enter(&negotiate->one);
	if (!session)
		return failure_set(&io->request.failure, ENOTCONN,
				   FAILURE_INVALID,
				   "requests are possible after `go` alone");
	/* the request's own, until it is done */
	rpc_call_ref(&negotiate->call);
	session_submit(session, &io->request);
	one_session_leave(&negotiate->one);
	return 0;
}

void
negotiate_submit(struct negotiate *negotiate, uint64_t id,
		 const Nbdclientd__V1__IoRequest *message)
{
	struct negotiate_io *io = calloc(1, sizeof(*io));

	if (!io) {
		one_session_fail_without_memory(&negotiate->one);
		return;
	}
	io->negotiate = negotiate;
	io->id = id;
	pthread_mutex_lock(&negotiate->lock);
	negotiate->n_in_flight++;
	pthread_mutex_unlock(&negotiate->lock);
	if (prepare(io, message) < 0 || hand_over(io) < 0)
		answer(io);
}
