/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon for tests of the client: its life, and one call's batches. */
#include "tests/unit/proto/server.h"

#include <grpc/grpc_security.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/channel_args.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"
#include "tests/unit/proto/server_internal.h"

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

grpc_byte_buffer *
served_receive(struct served *served)
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

void
served_answer(struct served *served, grpc_byte_buffer *bytes)
{
	grpc_op ops[2] = { 0 };
	size_t n = begin(served, ops);

	ops[n].op = GRPC_OP_SEND_MESSAGE;
	ops[n++].data.send_message.send_message = bytes;
	run(served, ops, n);
	grpc_byte_buffer_destroy(bytes);
}

void
served_finish(struct served *served, grpc_status_code status, const char *text,
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

void
served_fail(struct served *served, const struct rpc_failure *failure)
{
	grpc_status_code status = errors_status(failure->errnum,
						failure->reason);
	grpc_metadata trailing = {
		.key = grpc_slice_from_static_string(ERRORS_DETAILS_KEY),
		.value = errors_encode(status, failure),
	};

	served_finish(served, status, failure->message, &trailing);
	grpc_slice_unref(trailing.value);
}

void
served_wait_for_cancellation(struct served *served)
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
	grpc_byte_buffer *bytes = served_receive(served);

	/* No message: the client has gone again. */
	if (bytes)
		serve_method(served, bytes);
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
			.num_args = rpc_channel_args(args, RPC_REQUEST_MAX,
						     RPC_WINDOW_NARROW),
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

size_t
server_take_most(struct server *server)
{
	return atomic_exchange(&server->n_most, 0);
}
