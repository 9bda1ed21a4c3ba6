/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls with many messages, one step at a time. The status is asked for at the
 * beginning, so that whatever ends the call is seen by the next step.
 */
#include "proto/client_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/call.h"
#include "proto/codec.h"
#include "proto/rpc_limits.h"

struct client_stream {
	struct call call;
	struct event sending;
	struct event receiving;
	grpc_byte_buffer *received;
	/* No more messages will come; why the answer was given up, else 0 and
	 * the status says it. */
	bool is_over;
	struct client_error error;
};

struct client_stream *
client_stream_open(struct client *client, enum rpc_method_id method,
		   const void *request, int timeout_ms,
		   struct client_error *error)
{
	bool is_bidi = rpc_methods[method].kind == RPC_BIDI;
	struct client_stream *stream;

	assert(rpc_methods[method].kind != RPC_UNARY);
	assert(is_bidi == !request);
	*error = (struct client_error){ 0 };
	if (!client_is_usable(client, error))
		return NULL;
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		client_error_set(error, CLIENT_BROKEN, ENOMEM,
				 "no memory for a call");
		return NULL;
	}
	call_init(&stream->call, client, method, request,
		  client_deadline(timeout_ms));
	call_send(&stream->call, request ? codec_encode(request) : NULL, true,
		  !is_bidi, &stream->sending);
	call_receive_status(&stream->call);
	return stream;
}

/* The call is over: says how. */
static int
stream_result(struct client_stream *stream, struct client_error *error)
{
	stream->is_over = true;
	if (stream->error.failure) {
		*error = stream->error;
		return -stream->error.errno_value;
	}
	client_wait(stream->call.client, &stream->call.finished);
	return call_result(&stream->call, error);
}

/* After a step that the call did not take: OK is no answer then. */
static int
stream_ended_early(struct client_stream *stream, struct client_error *error)
{
	int r = stream_result(stream, error);

	if (r == 0)
		r = client_error_set(error, CLIENT_BROKEN, EPIPE,
				     "%s.%s: the daemon has ended the call",
				     stream->call.method->service,
				     stream->call.method->name);
	return r;
}

static int
send_step(struct client_stream *stream, const void *message,
	  struct client_error *error)
{
	struct client *client = stream->call.client;

	if (!client_is_usable(client, error))
		return -EINVAL;
	/* The opening may still be on its way. */
	client_wait(client, &stream->sending);
	if (!stream->sending.ok || stream->is_over)
		return stream_ended_early(stream, error);
	call_send(&stream->call, message ? codec_encode(message) : NULL, false,
		  !message, &stream->sending);
	client_wait(client, &stream->sending);
	if (!stream->sending.ok)
		return stream_ended_early(stream, error);
	return 0;
}

int
client_stream_send(struct client_stream *stream, const void *message,
		   struct client_error *error)
{
	const ProtobufCMessage *typed = message;

	assert(typed->descriptor == stream->call.method->request);
	return send_step(stream, message, error);
}

int
client_stream_half_close(struct client_stream *stream,
			 struct client_error *error)
{
	return send_step(stream, NULL, error);
}

int
client_stream_receive(struct client_stream *stream, void *message,
		      struct client_error *error)
{
	struct call *call = &stream->call;
	int r;

	memset(message, 0, sizeof(void *));
	if (!client_is_usable(call->client, error))
		return -EINVAL;
	if (stream->is_over)
		return stream_result(stream, error);
	call_receive(call, &stream->received, &stream->receiving);
	client_wait(call->client, &stream->receiving);
	if (!stream->received)
		return stream_result(stream, error);
	r = codec_decode(call->method->response, stream->received,
			 RPC_RESPONSE_MAX, message);
	grpc_byte_buffer_destroy(stream->received);
	stream->received = NULL;
	if (r == 0)
		return 1;
	client_error_bad_answer(&stream->error, call->method, r);
	call_cancel(call);
	return stream_result(stream, error);
}

int
client_stream_step(struct client_stream *stream, const void *request,
		   void *message, struct client_error *error)
{
	int r = client_stream_send(stream, request, error);

	if (r < 0) {
		memset(message, 0, sizeof(void *));
		return r;
	}
	return client_stream_receive(stream, message, error);
}

void
client_stream_free(struct client_stream *stream)
{
	struct client_error ignored;

	if (!stream)
		return;
	if (!client_is_usable(stream->call.client, &ignored))
		return;
	call_cancel(&stream->call);
	client_wait(stream->call.client, &stream->sending);
	call_done(&stream->call);
	free(stream);
}
