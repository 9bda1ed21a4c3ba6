/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon for tests of the client, one thread for each call. */
#include "tests/unit/proto/server.h"

#include <errno.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/negotiation.pb-c.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/channel_args.h"
#include "proto/channel_codec.h"
#include "proto/codec.h"
#include "proto/errors.h"
#include "proto/methods.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define DISK_SIZE   (1024 * 1024)
#define THREADS_MAX 64

#define REASON(name) NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_##name

struct server {
	char *dir;
	char *address;
	grpc_server *server;
	grpc_completion_queue *queue;
	pthread_t acceptor;
	pthread_t threads[THREADS_MAX];
	size_t n_threads;
	bool is_stopped;

	pthread_mutex_t lock;
	pthread_cond_t slow_came;
	bool is_slow_here;
	atomic_size_t n_messages;
	uint8_t disk[DISK_SIZE];
};

/* One call. */
struct served {
	struct server *server;
	grpc_completion_queue *queue;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	bool has_begun;
};

/* Runs one batch to its end. */
static bool
run(struct served *served, const grpc_op *ops, size_t n_ops)
{
	grpc_event event;

	assert_int_equal(
		grpc_call_start_batch(served->call, ops, n_ops, served, NULL),
		GRPC_CALL_OK);
	event = grpc_completion_queue_pluck(served->queue, served,
					    gpr_inf_future(GPR_CLOCK_REALTIME),
					    NULL);
	return event.success;
}

/* The next message, or NULL after the last. */
static grpc_byte_buffer *
receive(struct served *served)
{
	grpc_byte_buffer *bytes = NULL;
	const grpc_op op = { .op = GRPC_OP_RECV_MESSAGE,
			     .data.recv_message.recv_message = &bytes };

	run(served, &op, 1);
	return bytes;
}

static size_t
begin(struct served *served, grpc_op *ops)
{
	if (served->has_begun)
		return 0;
	served->has_begun = true;
	ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
	return 1;
}

static void
answer(struct served *served, grpc_byte_buffer *bytes)
{
	grpc_op ops[2] = { 0 };
	size_t n = begin(served, ops);

	ops[n].op = GRPC_OP_SEND_MESSAGE;
	ops[n++].data.send_message.send_message = bytes;
	run(served, ops, n);
	grpc_byte_buffer_destroy(bytes);
}

static void
finish(struct served *served, grpc_status_code status, const char *text,
       grpc_metadata *trailing)
{
	grpc_slice message = grpc_slice_from_static_string(text);
	grpc_op ops[2] = { 0 };
	size_t n = begin(served, ops);

	ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[n].data.send_status_from_server.status = status;
	ops[n].data.send_status_from_server.status_details = &message;
	ops[n].data.send_status_from_server.trailing_metadata = trailing;
	ops[n++].data.send_status_from_server.trailing_metadata_count =
		trailing ? 1 : 0;
	run(served, ops, n);
}

static void
fail(struct served *served, const struct rpc_failure *failure)
{
	grpc_status_code status = errors_status(failure->errnum,
						failure->reason);
	grpc_metadata trailing = {
		.key = grpc_slice_from_static_string(ERRORS_DETAILS_KEY),
		.value = errors_encode(status, failure),
	};

	finish(served, status, failure->message, &trailing);
	grpc_slice_unref(trailing.value);
}

static void
wait_for_cancellation(struct served *served)
{
	struct server *server = served->server;
	int cancelled = 0;
	const grpc_op op = {
		.op = GRPC_OP_RECV_CLOSE_ON_SERVER,
		.data.recv_close_on_server.cancelled = &cancelled
	};

	pthread_mutex_lock(&server->lock);
	server->is_slow_here = true;
	pthread_cond_broadcast(&server->slow_came);
	pthread_mutex_unlock(&server->lock);
	run(served, &op, 1);
	assert_true(cancelled);
}

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
		fail(served,
		     &(struct rpc_failure){
			     .errnum = ENOENT,
			     .reason = REASON(UNKNOWN_VOLUME),
			     .applied = NBDCLIENTD__V1__APPLIED__APPLIED_NO,
			     .message = "no volume is called missing",
			     .volume = "missing",
			     .endpoint = "nbd://server/",
			     .hint = "nbdctl volume ls lists them" });
	else if (strcmp(volume, "plain") == 0)
		finish(served, GRPC_STATUS_INTERNAL, "it broke", NULL);
	else if (strcmp(volume, "slow") == 0)
		wait_for_cancellation(served);
	else if (strcmp(volume, "nonsense") == 0)
		answer(served, nonsense());
	else
		return false;
	if (strcmp(volume, "nonsense") == 0)
		finish(served, GRPC_STATUS_OK, "", NULL);
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
	answer(served, codec_encode(&volume));
	finish(served, GRPC_STATUS_OK, "", NULL);
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
	answer(served, codec_encode_with_data(&response, &data));
	finish(served, GRPC_STATUS_OK, "", NULL);
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
	answer(served, codec_encode(&response));
	finish(served, GRPC_STATUS_OK, "", NULL);
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
		answer(served, codec_encode(&response));
		if (misbehave(served, request->volume))
			return;
	}
	finish(served, GRPC_STATUS_OK, "", NULL);
}

/* Answers every step with its id: connect is refused, abort ends the call, all
 * others list no contexts. */
static void
serve_negotiate(struct served *served, grpc_byte_buffer *bytes)
{
	for (; bytes; bytes = receive(served)) {
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
		answer(served, codec_encode(&response));
	}
	finish(served, GRPC_STATUS_OK, "", NULL);
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
	answer(served, channel_writer_take(&writer));
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
	while (n-- > 0) {
		channel_writer_reply(&writer, &replies[n]);
		io_reply_done(&replies[n]);
	}
	answer(served, channel_writer_take(&writer));
	channel_writer_done(&writer);
}

/* Ends the channel in the way the volume's name says; true if it did. */
static bool
misbehave_on_channel(struct served *served, const char *volume)
{
	if (strcmp(volume, "drop") == 0) {
		fail(served, &(struct rpc_failure){
				     .errnum = ESHUTDOWN,
				     .reason = REASON(BUSY),
				     .message = "the daemon is leaving" });
		return true;
	}
	if (strcmp(volume, "stranger") == 0) {
		struct channel_writer writer = { 0 };
		struct io_reply reply = { .id = 99 };

		channel_writer_reply(&writer, &reply);
		answer(served, channel_writer_take(&writer));
		channel_writer_done(&writer);
		wait_for_cancellation(served);
		return true;
	}
	if (strcmp(volume, "closing") == 0) {
		finish(served, GRPC_STATUS_OK, "", NULL);
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
	while ((bytes = receive(served))) {
		bool is_over = misbehave_on_channel(served, open->volume);

		if (!is_over)
			answer_requests(served, bytes);
		grpc_byte_buffer_destroy(bytes);
		if (is_over)
			return;
	}
	finish(served, GRPC_STATUS_OK, "", NULL);
}

static void
served_free(struct served *served)
{
	grpc_completion_queue_shutdown(served->queue);
	grpc_completion_queue_destroy(served->queue);
	grpc_call_details_destroy(&served->details);
	grpc_metadata_array_destroy(&served->metadata);
	free(served);
}

static void *
serve(void *argument)
{
	struct served *served = argument;
	grpc_byte_buffer *bytes = receive(served);
	grpc_slice path = served->details.method;

#define IS(id) (grpc_slice_str_cmp(path, rpc_methods[id].path) == 0)
	if (!bytes) {
		/* The client has gone again. */
	} else if (IS(RPC_IO_CHANNEL)) {
		serve_channel(served, TAKE_PTR(bytes));
	} else if (IS(RPC_NEGOTIATION_NEGOTIATE)) {
		serve_negotiate(served, TAKE_PTR(bytes));
	} else if (IS(RPC_VOLUMES_GET_VOLUME)) {
		serve_get_volume(served, bytes);
	} else if (IS(RPC_IO_READ)) {
		serve_read(served, bytes);
	} else if (IS(RPC_IO_WRITE)) {
		serve_write(served, bytes);
	} else if (IS(RPC_IO_BLOCK_STATUS)) {
		serve_block_status(served, bytes);
	} else {
		finish(served, GRPC_STATUS_UNIMPLEMENTED, "not in a test",
		       NULL);
	}
#undef IS
	if (bytes)
		grpc_byte_buffer_destroy(bytes);
	grpc_call_unref(served->call);
	served_free(served);
	return NULL;
}

static struct served *
request_call(struct server *server)
{
	struct served *served = calloc(1, sizeof(*served));

	assert_non_null(served);
	served->server = server;
	served->queue = grpc_completion_queue_create_for_pluck(NULL);
	grpc_call_details_init(&served->details);
	grpc_metadata_array_init(&served->metadata);
	assert_int_equal(
		grpc_server_request_call(server->server, &served->call,
					 &served->details, &served->metadata,
					 served->queue, server->queue, served),
		GRPC_CALL_OK);
	return served;
}

/* Until the server is shut down and the last request for a call has failed. */
static void *
accept_calls(void *argument)
{
	struct server *server = argument;
	bool is_shut_down = false;
	bool is_waiting = true;

	request_call(server);
	while (!is_shut_down || is_waiting) {
		grpc_event event = grpc_completion_queue_next(
			server->queue, gpr_inf_future(GPR_CLOCK_REALTIME),
			NULL);

		if (event.tag == server) {
			is_shut_down = true;
		} else if (!event.success) {
			served_free(event.tag);
			is_waiting = false;
		} else {
			assert_in_range(server->n_threads, 0, THREADS_MAX - 1);
			pthread_create(&server->threads[server->n_threads++],
				       NULL, serve, event.tag);
			request_call(server);
		}
	}
	return NULL;
}

struct server *
server_start(void)
{
	struct server *server = calloc(1, sizeof(*server));
	grpc_server_credentials *none;
	grpc_arg args[RPC_CHANNEL_ARGS_MAX];
	char target[256];

	assert_non_null(server);
	grpc_init();
	none = grpc_insecure_server_credentials_create();
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->slow_came, NULL);
	server->dir = workdir_make();
	server->address = workdir_path(server->dir, "socket");
	snprintf(target, sizeof(target), "unix:%s", server->address);
	server->server = grpc_server_create(
		&(grpc_channel_args){
			.num_args = rpc_channel_args(args, RPC_REQUEST_MAX),
			.args = args },
		NULL);
	server->queue = grpc_completion_queue_create_for_next(NULL);
	grpc_server_register_completion_queue(server->server, server->queue,
					      NULL);
	assert_true(grpc_server_add_http2_port(server->server, target, none));
	grpc_server_credentials_release(none);
	grpc_server_start(server->server);
	pthread_create(&server->acceptor, NULL, accept_calls, server);
	return server;
}

void
server_kill(struct server *server)
{
	if (server->is_stopped)
		return;
	server->is_stopped = true;
	grpc_server_shutdown_and_notify(server->server, server->queue, server);
	grpc_server_cancel_all_calls(server->server);
	pthread_join(server->acceptor, NULL);
	for (size_t i = 0; i < server->n_threads; i++)
		pthread_join(server->threads[i], NULL);
	grpc_server_destroy(server->server);
	grpc_completion_queue_shutdown(server->queue);
	while (grpc_completion_queue_next(
		       server->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL)
		       .type != GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(server->queue);
}

void
server_stop(struct server *server)
{
	server_kill(server);
	workdir_remove(server->dir);
	free(server->address);
	pthread_mutex_destroy(&server->lock);
	pthread_cond_destroy(&server->slow_came);
	free(server);
	grpc_shutdown();
}

const char *
server_address(const struct server *server)
{
	return server->address;
}

void
server_wait_until_slow(struct server *server)
{
	pthread_mutex_lock(&server->lock);
	while (!server->is_slow_here)
		pthread_cond_wait(&server->slow_came, &server->lock);
	pthread_mutex_unlock(&server->lock);
}

size_t
server_n_messages(const struct server *server)
{
	return atomic_load(&server->n_messages);
}
