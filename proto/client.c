/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting to the daemon, and unary calls. We connect the socket ourselves
 * and hand it to gRPC: so "no such socket", "nobody listens" and "you may not"
 * are told apart at once, and gRPC neither resolves nor reconnects.
 */
#include "proto/client.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/io.pb-c.h"
#include "proto/call.h"
#include "proto/channel_args.h"
#include "proto/codec.h"
#include "proto/rpc_limits.h"

#define DEFAULT_ADDRESS "/run/nbd-clientd/nbd-clientd.sock"

/* A daemon that is stopped leaves its backlog full; connect() would wait. */
#define CONNECT_TIMEOUT_S 10

static pthread_once_t set_up_once = PTHREAD_ONCE_INIT;
static atomic_bool is_verbose;
static atomic_uint forks;

static void
log_or_not(gpr_log_func_args *args)
{
	if (atomic_load(&is_verbose))
		fprintf(stderr, "gRPC: %s (%s:%d)\n", args->message, args->file,
			args->line);
}

static void
count_fork(void)
{
	atomic_fetch_add(&forks, 1);
}

static void
set_up(void)
{
	gpr_set_log_function(log_or_not);
	/* Without memory for the handler there is no guard, and no harm as
	 * long as nobody does what is forbidden. */
	(void)pthread_atfork(NULL, NULL, count_fork);
}

void
client_log_grpc(bool verbose)
{
	atomic_store(&is_verbose, verbose);
}

const char *
client_default_address(void)
{
	const char *address = getenv("NBDCTL_ADDRESS");

	return address && *address ? address : DEFAULT_ADDRESS;
}

bool
client_is_usable(const struct client *client, struct client_error *error)
{
	if (client->generation == atomic_load(&forks))
		return true;
	client_error_set(error, CLIENT_BROKEN, EINVAL,
			 "the connection to the daemon at %s was made before "
			 "fork(): the child must make its own",
			 client->address);
	return false;
}

static int
fail_connect(struct client_error *error, const char *address, int errnum)
{
	enum client_failure failure = CLIENT_NOT_REACHABLE;
	const char *hint = "start it with: systemctl start nbd-clientd.socket, "
			   "or say where it listens: --address, "
			   "NBDCTL_ADDRESS";
	const char *seen = strerror(errnum);

	switch (errnum) {
	case EACCES:
	case EPERM:
		failure = CLIENT_NOT_PERMITTED;
		hint = "the socket is open to root and to members of the group "
		       "nbd-clientd";
		break;
	case ENOENT:
		seen = "there is no such socket";
		break;
	case ECONNREFUSED:
		seen = "nobody listens on the socket";
		break;
	case EAGAIN:
		seen = "the daemon accepts no connections";
		hint = "is it stopped? systemctl status nbd-clientd says more";
		break;
	default:
		break;
	}
	client_error_set(error, failure, errnum,
			 "cannot connect to the daemon at %s: %s", address,
			 seen);
	snprintf(error->hint, sizeof(error->hint), "%s", hint);
	error->applied = NBDCLIENTD__V1__APPLIED__APPLIED_NO;
	return -errnum;
}

/* A connected socket, or a negative errno with *ERROR filled. */
static int
connect_socket(const char *path, struct client_error *error)
{
	const struct timeval timeout = { .tv_sec = CONNECT_TIMEOUT_S };
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	CLEANUP_CLOSE int fd = -1;

	if (strlen(path) >= sizeof(where.sun_path))
		return client_error_set(
			error, CLIENT_BROKEN, ENAMETOOLONG,
			"cannot connect to the daemon at %s: the path has more "
			"than %zu bytes, which is all a socket address can "
			"hold",
			path, sizeof(where.sun_path) - 1);
	strcpy(where.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return client_error_set(error, CLIENT_BROKEN, errno,
					"cannot make a socket: %s",
					strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
			 sizeof(timeout));
	if (connect(fd, (const struct sockaddr *)&where, sizeof(where)) < 0)
		return fail_connect(error, path, errno);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return client_error_set(error, CLIENT_BROKEN, errno,
					"cannot make the socket non-blocking: "
					"%s",
					strerror(errno));
	rpc_tune_socket(fd);
	return TAKE_FD(fd);
}

/* A channel on FD, which it owns from now on. */
static grpc_channel *
make_channel(const char *path, int fd)
{
	char no_retries[] = GRPC_ARG_ENABLE_RETRIES;
	grpc_arg args[RPC_CHANNEL_ARGS_MAX + 1];
	size_t n = rpc_channel_args(args, RPC_RESPONSE_MAX);
	grpc_channel_credentials *none = grpc_insecure_credentials_create();
	grpc_channel *channel;

	args[n++] = (grpc_arg){ .type = GRPC_ARG_INTEGER,
				.key = no_retries,
				.value.integer = 0 };
	channel = grpc_channel_create_from_fd(
		path, fd, none,
		&(grpc_channel_args){ .num_args = n, .args = args });
	grpc_channel_credentials_release(none);
	return channel;
}

struct client *
client_connect(const char *address, struct client_error *error)
{
	const char *path = address ? address : client_default_address();
	struct client *client = NULL;
	CLEANUP_CLOSE int fd = -1;

	*error = (struct client_error){ 0 };
	pthread_once(&set_up_once, set_up);
	if (strncmp(path, "unix:", 5) == 0)
		path += 5;
	fd = connect_socket(path, error);
	if (fd < 0)
		return NULL;
	client = calloc(1, sizeof(*client));
	if (client) {
		client->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		client->address = strdup(path);
		client->generation = atomic_load(&forks);
	}
	if (!client || client->fd < 0 || !client->address) {
		client_error_set(error, CLIENT_BROKEN, errno,
				 "cannot set up the client: %s",
				 strerror(errno));
		if (client && client->fd >= 0)
			close(client->fd);
		if (client)
			free(client->address);
		free(client);
		return NULL;
	}
	grpc_init();
	client->queue = grpc_completion_queue_create_for_next(NULL);
	client->channel = make_channel(path, TAKE_FD(fd));
	return client;
}

void
client_free(struct client *client)
{
	struct client_error ignored;

	if (!client)
		return;
	if (!client_is_usable(client, &ignored))
		return;
	grpc_channel_destroy(client->channel);
	grpc_completion_queue_shutdown(client->queue);
	while (client_run_once(client, gpr_inf_future(GPR_CLOCK_MONOTONIC)))
		;
	grpc_completion_queue_destroy(client->queue);
	grpc_shutdown();
	close(client->fd);
	free(client->address);
	free(client);
}

void
client_interrupt(struct client *client)
{
	int saved = errno;

	atomic_store(&client->is_interrupted, true);
	/* gRPC sees the end of the connection and ends every call. */
	(void)shutdown(client->fd, SHUT_RDWR);
	errno = saved;
}

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

/* The whole of a unary call. DATA, if not NULL, is where the response's payload
 * goes. REQUEST_BYTES is destroyed. */
static int
call_and_decode(struct client *client, enum rpc_method_id method,
		const void *request, grpc_byte_buffer *request_bytes,
		int timeout_ms, void *response, struct payload *data,
		struct client_error *error)
{
	const ProtobufCMessageDescriptor *type = rpc_methods[method].response;
	grpc_byte_buffer *bytes;
	struct call call;
	int r;

	*error = (struct client_error){ 0 };
	call_init(&call, client, method, request, client_deadline(timeout_ms));
	r = call_unary(&call, request_bytes, &bytes, error);
	if (r == 0) {
		r = data ? codec_decode_with_data(type, bytes, RPC_RESPONSE_MAX,
						  response, data)
			 : codec_decode(type, bytes, RPC_RESPONSE_MAX,
					response);
		if (r < 0)
			r = client_error_bad_answer(error, call.method, r);
	}
	if (bytes)
		grpc_byte_buffer_destroy(bytes);
	call_done(&call);
	return r;
}

void *
client_call(struct client *client, enum rpc_method_id method,
	    const void *request, int timeout_ms, struct client_error *error)
{
	const ProtobufCMessage *message = request;
	void *response = NULL;

	assert(rpc_methods[method].kind == RPC_UNARY);
	assert(message->descriptor == rpc_methods[method].request);
	if (!client_is_usable(client, error))
		return NULL;
	if (call_and_decode(client, method, request, codec_encode(request),
			    timeout_ms, &response, NULL, error) < 0)
		return NULL;
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
	int r;

	*data = PAYLOAD_EMPTY;
	if (!client_is_usable(client, error))
		return -EINVAL;
	request.volume = borrow(volume);
	request.offset = offset;
	request.length = length;
	r = call_and_decode(client, RPC_IO_READ, &request,
			    codec_encode(&request), timeout_ms, &response, data,
			    error);
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

	if (!client_is_usable(client, error)) {
		payload_release(data);
		return -EINVAL;
	}
	request.volume = borrow(volume);
	request.offset = offset;
	request.flags = flags;
	return call_and_decode(client, RPC_IO_WRITE, &request,
			       codec_encode_with_data(&request, data),
			       timeout_ms, &response, NULL, error);
}
