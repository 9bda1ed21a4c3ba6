/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call from its first batch to its status. Every batch has one event as its
 * tag; whoever waits handles whatever event comes next, so that a channel moves
 * on while a unary call is waited for.
 */
#include "proto/call.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/utf8.h"

gpr_timespec
client_deadline(int timeout_ms)
{
	if (timeout_ms < 0)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
			    gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

bool
client_run_once(struct client *client, gpr_timespec deadline)
{
	grpc_event next = grpc_completion_queue_next(client->queue, deadline,
						     NULL);
	struct event *event = next.tag;

	if (next.type != GRPC_OP_COMPLETE)
		return false;
	event->is_pending = false;
	event->ok = next.success != 0;
	if (event->on_done)
		event->on_done(event);
	return true;
}

void
client_wait(struct client *client, struct event *event)
{
	while (event->is_pending)
		client_run_once(client, gpr_inf_future(GPR_CLOCK_MONOTONIC));
}

/* The name of the volume (or target) that a request is about. */
static void
find_volume(char *volume, size_t size, const ProtobufCMessage *request)
{
	static const char *const names[] = { "volume", "target", "name",
					     "uri" };

	volume[0] = '\0';
	for (size_t i = 0; request && i < sizeof(names) / sizeof(names[0]);
	     i++) {
		const ProtobufCFieldDescriptor *field =
			protobuf_c_message_descriptor_get_field_by_name(
				request->descriptor, names[i]);
		const char *text;

		if (!field || field->type != PROTOBUF_C_TYPE_STRING ||
		    field->label == PROTOBUF_C_LABEL_REPEATED)
			continue;
		memcpy(&text, (const char *)request + field->offset,
		       sizeof(text));
		utf8_copy(volume, size, text);
		return;
	}
}

void
call_init(struct call *call, struct client *client, enum rpc_method_id method,
	  const void *request, gpr_timespec deadline)
{
	*call = (struct call){ .client = client,
			       .method = &rpc_methods[method],
			       .status_text = grpc_empty_slice() };
	find_volume(call->volume, sizeof(call->volume), request);
	grpc_metadata_array_init(&call->initial);
	grpc_metadata_array_init(&call->trailing);
	call->call = grpc_channel_create_call(
		client->channel, NULL, GRPC_PROPAGATE_DEFAULTS, client->queue,
		grpc_slice_from_static_string(call->method->path), NULL,
		deadline, NULL);
}

void
call_start(struct call *call, const grpc_op *ops, size_t n_ops,
	   struct event *event)
{
	grpc_call_error error;

	assert(!event->is_pending);
	event->is_pending = true;
	error = grpc_call_start_batch(call->call, ops, n_ops, event, NULL);
	/* Only a batch that breaks gRPC's rules is refused. */
	assert(error == GRPC_CALL_OK);
	(void)error;
}

void
call_receive_status(struct call *call)
{
	const grpc_op ops[] = {
		{ .op = GRPC_OP_RECV_INITIAL_METADATA,
		  .data.recv_initial_metadata.recv_initial_metadata =
			  &call->initial },
		{ .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		  .data.recv_status_on_client = {
			  .trailing_metadata = &call->trailing,
			  .status = &call->status,
			  .status_details = &call->status_text,
		  } },
	};

	call_start(call, ops, 2, &call->finished);
}

void
call_send(struct call *call, grpc_byte_buffer *bytes, bool is_first,
	  bool is_last, struct event *event)
{
	grpc_op ops[3] = { 0 };
	size_t n = 0;

	if (is_first)
		ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
	if (bytes) {
		ops[n].op = GRPC_OP_SEND_MESSAGE;
		ops[n++].data.send_message.send_message = bytes;
	}
	if (is_last)
		ops[n++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	call_start(call, ops, n, event);
	if (bytes)
		grpc_byte_buffer_destroy(bytes);
}

void
call_send_close(struct call *call, struct event *event)
{
	call_send(call, NULL, false, true, event);
}

void
call_receive(struct call *call, grpc_byte_buffer **bytes, struct event *event)
{
	const grpc_op op = { .op = GRPC_OP_RECV_MESSAGE,
			     .data.recv_message.recv_message = bytes };

	*bytes = NULL;
	call_start(call, &op, 1, event);
}

void
call_cancel(struct call *call)
{
	if (call->finished.is_pending) {
		call->is_cancelled = true;
		grpc_call_cancel(call->call, NULL);
	}
	client_wait(call->client, &call->finished);
}

void
call_done(struct call *call)
{
	grpc_metadata_array_destroy(&call->initial);
	grpc_metadata_array_destroy(&call->trailing);
	grpc_slice_unref(call->status_text);
	grpc_call_unref(call->call);
}
