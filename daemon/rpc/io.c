/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The unary calls of service IO: each is one request of the core. The message
 * is decoded on the RPC thread, the answer goes out from the I/O thread that
 * has it.
 */
#include <errno.h>

#include "common/list.h"
#include "daemon/core/failure.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handlers.h"
#include "daemon/rpc/one_request.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/server_private.h"
#include "nbdclientd/v1/io.pb-c.h"
#include "proto/codec.h"
#include "proto/rpc_limits.h"

struct io_call {
	struct rpc_call call;
	struct one_request one;
	/* Of a read, counted until the reply has left. */
	uint64_t reserved;
};

static struct io_call *
io_call_of(struct rpc_call *call)
{
	return container_of(call, struct io_call, call);
}

static void
reply_to_read(struct io_call *io, struct request *done)
{
	Nbdclientd__V1__ReadResponse response =
		NBDCLIENTD__V1__READ_RESPONSE__INIT;
	CLEANUP_PAYLOAD struct payload data = payload_from_buffer(
		&done->payload);

	rpc_call_reply_bytes(&io->call,
			     codec_encode_with_data(&response, &data));
}

/* All the other responses are empty, which is no bytes whatever their type. */
static void
reply_empty(struct io_call *io)
{
	Nbdclientd__V1__WriteResponse response =
		NBDCLIENTD__V1__WRITE_RESPONSE__INIT;

	rpc_call_reply(&io->call, &response);
}

static void
on_done(struct one_request *one, struct request *done)
{
	struct io_call *io = container_of(one, struct io_call, one);

	if (done->failure.errnum != 0)
		rpc_call_fail(&io->call, &done->failure);
	else if (done->command == REQUEST_READ)
		reply_to_read(io, done);
	else
		reply_empty(io);
}

static void
on_start(struct rpc_call *call)
{
	one_request_init(&io_call_of(call)->one, call, on_done);
}

static void
on_end(struct rpc_call *call)
{
	one_request_cancel(&io_call_of(call)->one);
}

static void
on_free(struct rpc_call *call)
{
	struct io_call *io = io_call_of(call);

	rpc_peer_sent(call->peer, io->reserved);
	one_request_free(&io->one);
}

static void
submit(struct io_call *io, const char *volume, enum request_command command,
       uint64_t offset, uint64_t length, uint32_t flags)
{
	struct request *request = &io->one.request;

	request->command = command;
	request->offset = offset;
	request->length = length;
	request->flags = flags;
	if (one_request_find_volume(&io->one, volume))
		one_request_submit(&io->one);
	else
		request_done(request);
}

static bool
reserve_reply(struct io_call *io, uint32_t length)
{
	struct failure failure = { 0 };

	if (length > RPC_READ_MAX) {
		failure_set(&failure, EINVAL, FAILURE_INVALID,
			    "one read may ask for %u bytes at the most, and "
			    "this one asks for %u",
			    RPC_READ_MAX, length);
	} else if (rpc_peer_reserve(io->call.peer, length, &failure)) {
		io->reserved = length;
		return true;
	}
	rpc_call_fail(&io->call, &failure);
	failure_done(&failure);
	return false;
}

static void
on_read(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ReadRequest *message = NULL;
	struct io_call *io = io_call_of(call);

	if (rpc_call_decode(call, bytes, &message) &&
	    reserve_reply(io, message->length))
		submit(io, message->volume, REQUEST_READ, message->offset,
		       message->length, 0);
}

static void
on_write(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__WriteRequest *message = NULL;
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct io_call *io = io_call_of(call);
	int error = codec_decode_with_pieces(call->method->request, bytes,
					     call->peer->rpc->max_message,
					     &message, &data);

	if (error < 0) {
		rpc_call_fail_decoding(call, error);
		return;
	}
	io->one.request.payload = buffer_from_payload(&data);
	submit(io, message->volume, REQUEST_WRITE, message->offset,
	       io->one.request.payload.size, message->flags);
}

static void
on_trim(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__TrimRequest *message = NULL;

	if (rpc_call_decode(call, bytes, &message))
		submit(io_call_of(call), message->volume, REQUEST_TRIM,
		       message->offset, message->length, message->flags);
}

static void
on_zero(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ZeroRequest *message = NULL;

	if (rpc_call_decode(call, bytes, &message))
		submit(io_call_of(call), message->volume, REQUEST_ZERO,
		       message->offset, message->length, message->flags);
}

static void
on_flush(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__FlushRequest *message = NULL;

	if (rpc_call_decode(call, bytes, &message))
		submit(io_call_of(call), message->volume, REQUEST_FLUSH, 0, 0,
		       0);
}

static void
on_cache(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__CacheRequest *message = NULL;

	if (rpc_call_decode(call, bytes, &message))
		submit(io_call_of(call), message->volume, REQUEST_CACHE,
		       message->offset, message->length, 0);
}

#define IO_HANDLER(id, function)                         \
	const struct rpc_handler rpc_handler_IO_##id = { \
		.size = sizeof(struct io_call),          \
		.on_start = on_start,                    \
		.on_message = function,                  \
		.on_end = on_end,                        \
		.on_free = on_free,                      \
		.is_brief = true,                        \
	}

IO_HANDLER(READ, on_read);
IO_HANDLER(WRITE, on_write);
IO_HANDLER(TRIM, on_trim);
IO_HANDLER(ZERO, on_zero);
IO_HANDLER(FLUSH, on_flush);
IO_HANDLER(CACHE, on_cache);
