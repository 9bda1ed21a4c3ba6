/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the server of the client's tests answers, and how it misbehaves. */
#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/negotiation.pb-c.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/channel_codec.h"
#include "proto/codec.h"
#include "proto/methods.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"
#include "tests/unit/proto/server_internal.h"

#define REASON(name) NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_##name

static grpc_byte_buffer *
nonsense(void)
{
	grpc_slice slice = grpc_slice_from_static_string("\x0a\xff\xff");
	grpc_byte_buffer *bytes = grpc_raw_byte_buffer_create(&slice, 1);

	return bytes;
}

/* Handles what the volume's name alone decides; true if it did. */
static bool
misbehave(struct served *served, const char *volume)
{
	if (strcmp(volume, "missing") == 0)
		served_fail(
			served,
			&(struct rpc_failure){
				.errnum = ENOENT,
				.reason = REASON(UNKNOWN_VOLUME),
				.applied = NBDCLIENTD__V1__APPLIED__APPLIED_NO,
				.message = "no volume is called missing",
				.volume = "missing",
				.endpoint = "nbd://server/",
				.hint = "nbdctl volume ls lists them" });
	else if (strcmp(volume, "plain") == 0)
		served_finish(served, GRPC_STATUS_INTERNAL, "it broke", NULL);
	else if (strcmp(volume, "slow") == 0)
		served_wait_for_cancellation(served);
	else if (strcmp(volume, "nonsense") == 0)
		served_answer(served, nonsense());
	else
		return false;
	if (strcmp(volume, "nonsense") == 0)
		served_finish(served, GRPC_STATUS_OK, "", NULL);
	return true;
}

static void
serve_get_volume(struct served *served, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__GetVolumeRequest *request = NULL;
	Nbdclientd__V1__Volume volume = NBDCLIENTD__V1__VOLUME__INIT;

	assert_int_equal(
		codec_decode(&nbdclientd__v1__get_volume_request__descriptor,
			     bytes, RPC_REQUEST_MAX, &request),
		0);
	if (misbehave(served, request->name))
		return;
	volume.name = request->name;
	volume.connections_ready = 3;
	served_answer(served, codec_encode(&volume));
	served_finish(served, GRPC_STATUS_OK, "", NULL);
}

static void
serve_read(struct served *served, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ReadRequest *request = NULL;
	Nbdclientd__V1__ReadResponse response =
		NBDCLIENTD__V1__READ_RESPONSE__INIT;
	struct payload data;
	void *room;

	assert_int_equal(codec_decode(&nbdclientd__v1__read_request__descriptor,
				      bytes, RPC_REQUEST_MAX, &request),
			 0);
	if (misbehave(served, request->volume))
		return;
	assert_in_range(request->offset + request->length, 0, DISK_SIZE);
	data = payload_allocate(request->length -
					(strcmp(request->volume, "short") == 0),
				&room);
	memcpy(room, served->server->disk + request->offset, data.length);
	served_answer(served, codec_encode_with_data(&response, &data));
	served_finish(served, GRPC_STATUS_OK, "", NULL);
}

static void
serve_write(struct served *served, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__WriteRequest *request = NULL;
	Nbdclientd__V1__WriteResponse response =
		NBDCLIENTD__V1__WRITE_RESPONSE__INIT;
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;

	assert_int_equal(codec_decode_with_data(
				 &nbdclientd__v1__write_request__descriptor,
				 bytes, RPC_REQUEST_MAX, &request, &data),
			 0);
	assert_in_range(request->offset + data.length, 0, DISK_SIZE);
	memcpy(served->server->disk + request->offset, data.bytes, data.length);
	served_answer(served, codec_encode(&response));
	served_finish(served, GRPC_STATUS_OK, "", NULL);
}

/* Three messages of two extents each; "plain" fails after the first. */
static void
serve_block_status(struct served *served, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__BlockStatusRequest *request = NULL;
	Nbdclientd__V1__Extent extent = NBDCLIENTD__V1__EXTENT__INIT;
	Nbdclientd__V1__Extent *extents[] = { &extent, &extent };
	Nbdclientd__V1__ContextExtents context =
		NBDCLIENTD__V1__CONTEXT_EXTENTS__INIT;
	Nbdclientd__V1__ContextExtents *contexts[] = { &context };
	Nbdclientd__V1__BlockStatusResponse response =
		NBDCLIENTD__V1__BLOCK_STATUS_RESPONSE__INIT;
	char name[] = "base:allocation";

	assert_int_equal(
		codec_decode(&nbdclientd__v1__block_status_request__descriptor,
			     bytes, RPC_REQUEST_MAX, &request),
		0);
	context.context = name;
	extent.length = 512;
	context.n_extents = 2;
	context.extents = extents;
	response.n_contexts = 1;
	response.contexts = contexts;
	for (uint64_t i = 0; i < 3; i++) {
		context.offset = i * 1024;
		served_answer(served, codec_encode(&response));
		if (misbehave(served, request->volume))
			return;
	}
	served_finish(served, GRPC_STATUS_OK, "", NULL);
}

/* Answers every step with its id: connect is refused, abort ends the call, all
 * others list no contexts. */
static void
serve_negotiate(struct served *served, grpc_byte_buffer *bytes)
{
	for (; bytes; bytes = served_receive(served)) {
		CLEANUP_MESSAGE Nbdclientd__V1__NegotiateRequest *request =
			NULL;
		Nbdclientd__V1__NegotiateResponse response =
			NBDCLIENTD__V1__NEGOTIATE_RESPONSE__INIT;
		Nbdclientd__V1__NegotiateContexts contexts =
			NBDCLIENTD__V1__NEGOTIATE_CONTEXTS__INIT;
		Nbdclientd__V1__IoError error = NBDCLIENTD__V1__IO_ERROR__INIT;

		assert_int_equal(
			codec_decode(
				&nbdclientd__v1__negotiate_request__descriptor,
				bytes, RPC_REQUEST_MAX, &request),
			0);
		grpc_byte_buffer_destroy(bytes);
		if (request->step_case ==
		    NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_ABORT)
			break;
		response.id = request->id;
		response.result_case =
			NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_CONTEXTS;
		response.contexts = &contexts;
		if (request->step_case ==
		    NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_CONNECT) {
			response.result_case =
				NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_ERROR;
			error.code = GRPC_STATUS_UNAVAILABLE;
			response.error = &error;
		}
		served_answer(served, codec_encode(&response));
	}
	served_finish(served, GRPC_STATUS_OK, "", NULL);
}

static void
answer_opening(struct served *served)
{
	Nbdclientd__V1__ChannelOpened opened =
		NBDCLIENTD__V1__CHANNEL_OPENED__INIT;
	struct channel_writer writer = { 0 };

	opened.max_in_flight = SERVER_MAX_IN_FLIGHT;
	opened.max_payload = 32 * MIB;
	channel_writer_opened(&writer, &opened);
	served_answer(served, channel_writer_take(&writer));
	channel_writer_done(&writer);
}

static struct io_reply
carry_out(struct server *server, struct io_request *request)
{
	struct io_reply reply = { .id = request->id };
	void *room;

	if (request->offset + request->length > DISK_SIZE) {
		reply.error = errors_to_io_error(
			&(struct rpc_failure){ .errnum = EINVAL,
					       .reason = REASON(INVALID),
					       .message = "beyond the end" });
		return reply;
	}
	if (request->command == NBDCLIENTD__V1__COMMAND__COMMAND_READ) {
		reply.data = payload_allocate(request->length, &room);
		memcpy(room, server->disk + request->offset, request->length);
	} else if (request->command == NBDCLIENTD__V1__COMMAND__COMMAND_WRITE) {
		memcpy(server->disk + request->offset, request->data.bytes,
		       request->data.length);
	}
	return reply;
}

/* Answers the requests of one message in one message, the last first. */
static void
answer_requests(struct served *served, grpc_byte_buffer *bytes)
{
	struct io_reply replies[SERVER_MAX_IN_FLIGHT];
	size_t n = 0;
	struct channel_writer writer = { 0 };
	struct channel_reader reader;
	Nbdclientd__V1__ChannelOpen *open;
	struct io_request request;

	assert_int_equal(channel_reader_init(&reader, bytes, RPC_REQUEST_MAX),
			 0);
	while (channel_reader_next_request(&reader, &open, &request) ==
	       CHANNEL_IO) {
		assert_in_range(n, 0, SERVER_MAX_IN_FLIGHT - 1);
		replies[n++] = carry_out(served->server, &request);
		io_request_done(&request);
	}
	atomic_fetch_add(&served->server->n_messages, 1);
	if (n > atomic_load(&served->server->n_most))
		atomic_store(&served->server->n_most, n);
	while (n-- > 0) {
		channel_writer_reply(&writer, &replies[n]);
		io_reply_done(&replies[n]);
	}
	served_answer(served, channel_writer_take(&writer));
	channel_writer_done(&writer);
}

/* Ends the channel in the way the volume's name says; true if it did. */
static bool
misbehave_on_channel(struct served *served, const char *volume)
{
	if (strcmp(volume, "drop") == 0) {
		served_fail(served,
			    &(struct rpc_failure){
				    .errnum = ESHUTDOWN,
				    .reason = REASON(BUSY),
				    .message = "the daemon is leaving" });
		return true;
	}
	if (strcmp(volume, "stranger") == 0) {
		struct channel_writer writer = { 0 };
		struct io_reply reply = { .id = 99 };

		channel_writer_reply(&writer, &reply);
		served_answer(served, channel_writer_take(&writer));
		channel_writer_done(&writer);
		served_wait_for_cancellation(served);
		return true;
	}
	if (strcmp(volume, "closing") == 0) {
		served_finish(served, GRPC_STATUS_OK, "", NULL);
		return true;
	}
	return misbehave(served, volume);
}

static void
serve_channel(struct served *served, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ChannelOpen *open = NULL;
	struct channel_reader reader;
	struct io_request request;

	assert_int_equal(channel_reader_init(&reader, bytes, RPC_REQUEST_MAX),
			 0);
	assert_int_equal(channel_reader_next_request(&reader, &open, &request),
			 CHANNEL_OPEN);
	grpc_byte_buffer_destroy(bytes);
	if (misbehave(served, open->volume))
		return;
	answer_opening(served);
	while ((bytes = served_receive(served))) {
		bool is_over = misbehave_on_channel(served, open->volume);

		if (!is_over)
			answer_requests(served, bytes);
		grpc_byte_buffer_destroy(bytes);
		if (is_over)
			return;
	}
	served_finish(served, GRPC_STATUS_OK, "", NULL);
}

void
serve_method(struct served *served, grpc_byte_buffer *bytes)
{
	grpc_slice path = served->details.method;

#define IS(id) (grpc_slice_str_cmp(path, rpc_methods[id].path) == 0)
	if (IS(RPC_IO_CHANNEL))
		serve_channel(served, TAKE_PTR(bytes));
	else if (IS(RPC_NEGOTIATION_NEGOTIATE))
		serve_negotiate(served, TAKE_PTR(bytes));
	else if (IS(RPC_VOLUMES_GET_VOLUME))
		serve_get_volume(served, bytes);
	else if (IS(RPC_IO_READ))
		serve_read(served, bytes);
	else if (IS(RPC_IO_WRITE))
		serve_write(served, bytes);
	else if (IS(RPC_IO_BLOCK_STATUS))
		serve_block_status(served, bytes);
	else
		served_finish(served, GRPC_STATUS_UNIMPLEMENTED,
			      "not in a test", NULL);
#undef IS
	if (bytes)
		grpc_byte_buffer_destroy(bytes);
}
