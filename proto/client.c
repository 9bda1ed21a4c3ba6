/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unary calls, and their repetition when the daemon went away meanwhile. */
#include "proto/client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "nbdclientd/v1/io.pb-c.h"
#include "proto/call.h"
#include "proto/codec.h"
#include "proto/rpc_limits.h"

/* Everything of a unary call in one batch: REQUEST goes, *RESPONSE comes, NULL
 * if there was none. */
static int
call_unary(struct call *call, grpc_byte_buffer *request,
	   grpc_byte_buffer **response, struct client_error *error)
{
	const grpc_op ops[] = {
		{ .op = GRPC_OP_SEND_INITIAL_METADATA },
		{ .op = GRPC_OP_SEND_MESSAGE,
		  .data.send_message.send_message = request },
		{ .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT },
		{ .op = GRPC_OP_RECV_INITIAL_METADATA,
		  .data.recv_initial_metadata.recv_initial_metadata =
			  &call->initial },
		{ .op = GRPC_OP_RECV_MESSAGE,
		  .data.recv_message.recv_message = response },
		{ .op = GRPC_OP_RECV_STATUS_ON_CLIENT,
		  .data.recv_status_on_client = {
			  .trailing_metadata = &call->trailing,
			  .status = &call->status,
			  .status_details = &call->status_text,
		  } },
	};
	int r;

	*response = NULL;
	call_start(call, ops, sizeof(ops) / sizeof(ops[0]), &call->finished);
	client_wait(call->client, &call->finished);
	grpc_byte_buffer_destroy(request);
	r = call_result(call, error);
	if (r == 0 && !*response)
		r = client_error_bad_answer(error, call->method, -EBADMSG);
	return r;
}

/* What is asked, and where the answer goes. */
struct question {
	enum rpc_method_id method;
	const void *request;
	/* Write: its payload; else NULL. */
	const struct payload *sent;
	void *response;
	/* Where the response's payload goes, or NULL. */
	struct payload *received;
	gpr_timespec deadline;
};

static grpc_byte_buffer *
encode(const struct question *question)
{
	struct payload data;

	if (!question->sent)
		return codec_encode(question->request);
	data = payload_ref(question->sent);
	return codec_encode_with_data(question->request, &data);
}

static int
decode(const struct question *question, grpc_byte_buffer *bytes)
{
	const ProtobufCMessageDescriptor *type =
		rpc_methods[question->method].response;

	return question->received
		       ? codec_decode_with_data(type, bytes, RPC_RESPONSE_MAX,
						question->response,
						question->received)
		       : codec_decode(type, bytes, RPC_RESPONSE_MAX,
				      question->response);
}

static int
ask_once(struct client *client, const struct question *question,
	 struct client_error *error)
{
	grpc_byte_buffer *bytes;
	struct call call;
	int r;

	*error = (struct client_error){ 0 };
	call_init(&call, client, question->method, question->request,
		  question->deadline);
	r = call_unary(&call, encode(question), &bytes, error);
	if (r == 0) {
		r = decode(question, bytes);
		if (r < 0)
			r = client_error_bad_answer(error, call.method, r);
	}
	if (bytes)
		grpc_byte_buffer_destroy(bytes);
	call_done(&call);
	return r;
}

int
client_ask_once(struct client *client, enum rpc_method_id method,
		const void *request, gpr_timespec deadline,
		struct client_error *error)
{
	void *response = NULL;
	const struct question question = {
		.method = method,
		.request = request,
		.response = &response,
		.deadline = deadline,
	};
	int r = ask_once(client, &question, error);

	codec_message_free(response);
	return r;
}

static int
ask(struct client *client, const struct question *question,
    struct client_error *error)
{
	struct patience patience = { .deadline = question->deadline };
	bool is_repeatable = rpc_is_repeatable(&rpc_methods[question->method]);
	unsigned epoch;
	int r;

	do {
		epoch = client->epoch;
		r = ask_once(client, question, error);
	} while (r < 0 && is_repeatable &&
		 client_recover(client, &patience, epoch, error));
	return r;
}

void *
client_call(struct client *client, enum rpc_method_id method,
	    const void *request, int timeout_ms, struct client_error *error)
{
	const ProtobufCMessage *message = request;
	void *response = NULL;
	const struct question question = {
		.method = method,
		.request = request,
		.response = &response,
		.deadline = client_deadline(timeout_ms),
	};

	assert(rpc_methods[method].kind == RPC_UNARY);
	assert(message->descriptor == rpc_methods[method].request);
	if (!client_is_usable(client, error))
		return NULL;
	if (ask(client, &question, error) < 0)
		return NULL;
	client_note_volumes(client, method, request, response);
	return response;
}

/* TEXT for a field of a message, which has no const and is only read. */
static char *
borrow(const char *text)
{
	char *borrowed;

	memcpy(&borrowed, &text, sizeof(borrowed));
	return borrowed;
}

int
client_read(struct client *client, const char *volume, uint64_t offset,
	    uint32_t length, int timeout_ms, struct payload *data,
	    struct client_error *error)
{
	Nbdclientd__V1__ReadRequest request =
		NBDCLIENTD__V1__READ_REQUEST__INIT;
	CLEANUP_MESSAGE void *response = NULL;
	const struct question question = {
		.method = RPC_IO_READ,
		.request = &request,
		.response = &response,
		.received = data,
		.deadline = client_deadline(timeout_ms),
	};
	int r;

	*data = PAYLOAD_EMPTY;
	if (!client_is_usable(client, error))
		return -EINVAL;
	request.volume = borrow(volume);
	request.offset = offset;
	request.length = length;
	r = ask(client, &question, error);
	if (r == 0 && data->length != length) {
		r = client_error_set(error, CLIENT_BROKEN, EBADMSG,
				     "read of %u bytes of %s at %llu: the "
				     "daemon sent %zu",
				     length, volume, (unsigned long long)offset,
				     data->length);
		payload_release(data);
	}
	return r;
}

int
client_write(struct client *client, const char *volume, uint64_t offset,
	     uint32_t flags, struct payload *data, int timeout_ms,
	     struct client_error *error)
{
	Nbdclientd__V1__WriteRequest request =
		NBDCLIENTD__V1__WRITE_REQUEST__INIT;
	CLEANUP_MESSAGE void *response = NULL;
	const struct question question = {
		.method = RPC_IO_WRITE,
		.request = &request,
		.sent = data,
		.response = &response,
		.deadline = client_deadline(timeout_ms),
	};
	int r = -EINVAL;

	request.volume = borrow(volume);
	request.offset = offset;
	request.flags = flags;
	if (client_is_usable(client, error))
		r = ask(client, &question, error);
	payload_release(data);
	return r;
}
