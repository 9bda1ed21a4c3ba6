/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Server reflection, so that stock clients need no .proto files. v1 and v1alpha
 * are the same messages under two names, and on the wire the same bytes: both
 * are served with the structs of v1.
 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handlers.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/server_private.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "proto/codec.h"
#include "proto/descriptors.h"

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

#define REQUEST(name) \
	GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##name
#define RESPONSE(name) \
	GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##name

/* Methods of one service stand together in the list. */
static bool
begins_service(size_t method)
{
	return method == 0 || strcmp(rpc_methods[method].service,
				     rpc_methods[method - 1].service) != 0;
}

static void
respond_with_services(struct rpc_call *call, reflection_response *response)
{
	Grpc__Reflection__V1__ListServiceResponse list =
		GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
	Grpc__Reflection__V1__ServiceResponse services[RPC_N_METHODS];
	Grpc__Reflection__V1__ServiceResponse *pointers[RPC_N_METHODS];

	for (size_t i = 0; i < RPC_N_METHODS; i++) {
		Grpc__Reflection__V1__ServiceResponse *service =
			&services[list.n_service];

		if (!begins_service(i))
			continue;
		grpc__reflection__v1__service_response__init(service);
		service->name = borrow_text(rpc_methods[i].service);
		pointers[list.n_service++] = service;
	}
	list.service = pointers;
	response->message_response_case = RESPONSE(LIST_SERVICES_RESPONSE);
	response->list_services_response = &list;
	rpc_call_send(call, codec_encode(response));
}

static void
respond_with_error(struct rpc_call *call, reflection_response *response,
		   grpc_status_code code, const char *text)
{
	Grpc__Reflection__V1__ErrorResponse error =
		GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;

	error.error_code = (int32_t)code;
	error.error_message = borrow_text(text);
	response->message_response_case = RESPONSE(ERROR_RESPONSE);
	response->error_response = &error;
	rpc_call_send(call, codec_encode(response));
}

/* INDEX is what was found, negative if nothing was. */
static void
respond_with_file(struct rpc_call *call, reflection_response *response,
		  int index)
{
	Grpc__Reflection__V1__FileDescriptorResponse found =
		GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
	CLEANUP_FREE ProtobufCBinaryData *files = NULL;
	CLEANUP_FREE size_t *indexes = NULL;

	if (index < 0) {
		respond_with_error(call, response, GRPC_STATUS_NOT_FOUND,
				   "there is no such file or symbol");
		return;
	}
	files = calloc(descriptor_n_files(), sizeof(*files));
	indexes = calloc(descriptor_n_files(), sizeof(*indexes));
	if (!files || !indexes) {
		respond_with_error(call, response,
				   GRPC_STATUS_RESOURCE_EXHAUSTED,
				   "the daemon has no memory for the answer");
		return;
	}
	found.n_file_descriptor_proto = descriptor_closure((size_t)index,
							   indexes);
	for (size_t i = 0; i < found.n_file_descriptor_proto; i++) {
		struct descriptor_file file = descriptor_file_get(indexes[i]);

		files[i].len = file.length;
		/* protobuf-c has no const; nobody writes to it. */
		memcpy(&files[i].data, &file.bytes, sizeof(files[i].data));
	}
	found.file_descriptor_proto = files;
	response->message_response_case = RESPONSE(FILE_DESCRIPTOR_RESPONSE);
	response->file_descriptor_response = &found;
	rpc_call_send(call, codec_encode(response));
}

static void
answer(struct rpc_call *call, reflection_request *request)
{
	reflection_response response =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;

	response.valid_host = request->host;
	response.original_request = request;
	switch (request->message_request_case) {
	case REQUEST(LIST_SERVICES):
		respond_with_services(call, &response);
		break;
	case REQUEST(FILE_BY_FILENAME):
		respond_with_file(
			call, &response,
			descriptor_find_file(request->file_by_filename));
		break;
	case REQUEST(FILE_CONTAINING_SYMBOL):
		respond_with_file(call, &response,
				  descriptor_find_symbol(
					  request->file_containing_symbol));
		break;
	case REQUEST(FILE_CONTAINING_EXTENSION):
	case REQUEST(ALL_EXTENSION_NUMBERS_OF_TYPE):
		respond_with_error(call, &response, GRPC_STATUS_NOT_FOUND,
				   "there are no extensions");
		break;
	case REQUEST(_NOT_SET):
	default:
		respond_with_error(call, &response,
				   GRPC_STATUS_INVALID_ARGUMENT,
				   "the request asks for nothing");
		break;
	}
}

static void
on_message(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE reflection_request *request = NULL;
	int error = codec_decode(
		&grpc__reflection__v1__server_reflection_request__descriptor,
		bytes, call->peer->rpc->max_message, &request);

	if (error < 0)
		rpc_call_fail_decoding(call, error);
	else
		answer(call, request);
}

static void
on_half_close(struct rpc_call *call)
{
	rpc_call_finish_ok(call);
}

/* Answers come in order, so the next question waits for the last answer to
 * leave. */
static void
on_sent(struct rpc_call *call)
{
	rpc_call_receive(call);
}

#define REFLECTION_HANDLER(id)                                   \
	const struct rpc_handler rpc_handler_REFLECTION_##id = { \
		.size = sizeof(struct rpc_call),                 \
		.on_message = on_message,                        \
		.on_half_close = on_half_close,                  \
		.on_sent = on_sent,                              \
		.on_drain = on_half_close,                       \
	}

REFLECTION_HANDLER(V1);
REFLECTION_HANDLER(V1ALPHA);
