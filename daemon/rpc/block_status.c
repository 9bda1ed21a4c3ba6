/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IO.BlockStatus: one request of the core after the other, each answered by
 * one message of the stream. The next is asked when the last message has left,
 * so a client that reads slowly costs no memory.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/list.h"
#include "daemon/core/failure.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/extents.h"
#include "daemon/rpc/handlers.h"
#include "daemon/rpc/one_request.h"
#include "nbdclientd/v1/io.pb-c.h"
#include "proto/codec.h"

struct block_status {
	struct rpc_call call;
	struct one_request one;
	struct extents extents;
	/* What is left to ask. */
	uint64_t offset;
	uint64_t end;
	/* Of the export; END counts after the first answer. */
	bool is_to_end;
	uint32_t flags;
	struct string_list contexts;
};

static struct block_status *
block_status_of(struct rpc_call *call)
{
	return container_of(call, struct block_status, call);
}

static void
on_extents(struct request *request, const char *context, uint64_t offset,
	   const struct request_extent *extents, size_t n)
{
	struct one_request *one = request->user;
	struct block_status *status = container_of(one, struct block_status,
						   one);

	extents_add(&status->extents, context, offset, extents, n);
}

static void
fail_without_memory(struct rpc_call *call)
{
	struct failure failure = { 0 };

	failure_set(&failure, ENOMEM, FAILURE_NONE,
		    "the daemon has no memory for the extents");
	rpc_call_fail(call, &failure);
	failure_done(&failure);
}

/* Asks for the range from offset on. RPC thread. */
static void
ask(struct block_status *status)
{
	struct request *request = &status->one.request;

	*request = (struct request){
		.command = REQUEST_BLOCK_STATUS,
		.flags = status->flags,
		.offset = status->offset,
		.length = status->is_to_end ? 0 : status->end - status->offset,
		.is_partial_ok = true,
		.on_extents = on_extents,
	};
	for (size_t i = 0; i < status->contexts.n_items; i++)
		if (string_list_append(&request->contexts,
				       status->contexts.items[i]) < 0) {
			request_done(request);
			fail_without_memory(&status->call);
			return;
		}
	one_request_submit(&status->one);
}

static void
fail_without_progress(struct block_status *status)
{
	struct failure failure = { 0 };

	failure_set(&failure, EIO, FAILURE_NBD,
		    "block status at offset %lu: the server told no extents",
		    (unsigned long)status->offset);
	failure_set_place(&failure, volume_name(status->one.volume), NULL);
	rpc_call_fail(&status->call, &failure);
	failure_done(&failure);
}

/* Where the range ends, if that is the end of the export: it is known once a
 * request was answered. */
static bool
learn_end(struct block_status *status)
{
	struct volume_description description;

	if (!status->is_to_end)
		return true;
	if (volume_describe(status->one.volume, NULL, &description) < 0)
		return false;
	status->end = description.export.size;
	volume_description_done(&description);
	return true;
}

/* The message with what has been collected, or NULL. */
static grpc_byte_buffer *
encode_extents(struct block_status *status)
{
	Nbdclientd__V1__BlockStatusResponse response =
		NBDCLIENTD__V1__BLOCK_STATUS_RESPONSE__INIT;
	grpc_byte_buffer *bytes;

	if (extents_to_messages(&status->extents, &response.contexts,
				&response.n_contexts) < 0)
		return NULL;
	bytes = codec_encode(&response);
	extents_messages_free(response.contexts, response.n_contexts);
	extents_done(&status->extents);
	return bytes;
}

/* Contexts may reach differently far; only what all of them tell is sent, so
 * that the next answers join. When the message is on its way the RPC thread
 * may ask for more, so sending comes last. */
static void
send_extents(struct block_status *status, uint64_t covered)
{
	grpc_byte_buffer *bytes;

	if (!learn_end(status)) {
		fail_without_memory(&status->call);
		return;
	}
	if (covered > status->end)
		covered = status->end;
	extents_cut(&status->extents, covered);
	status->offset = covered;
	bytes = encode_extents(status);
	if (bytes)
		rpc_call_send(&status->call, bytes);
	else
		fail_without_memory(&status->call);
}

static void
on_done(struct one_request *one, struct request *done)
{
	struct block_status *status = container_of(one, struct block_status,
						   one);
	uint64_t covered = extents_covered(&status->extents);

	if (done->failure.errnum != 0)
		rpc_call_fail(&status->call, &done->failure);
	else if (covered <= status->offset)
		fail_without_progress(status);
	else
		send_extents(status, covered);
}

static void
on_sent(struct rpc_call *call)
{
	struct block_status *status = block_status_of(call);

	if (status->offset >= status->end ||
	    (status->flags &
	     NBDCLIENTD__V1__COMMAND_FLAG__COMMAND_FLAG_REQ_ONE))
		rpc_call_finish_ok(call);
	else
		ask(status);
}

static void
on_start(struct rpc_call *call)
{
	one_request_init(&block_status_of(call)->one, call, on_done);
}

static bool
copy_contexts(struct block_status *status, char **contexts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (string_list_append(&status->contexts, contexts[i]) < 0) {
			fail_without_memory(&status->call);
			return false;
		}
	return true;
}

static void
on_message(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__BlockStatusRequest *message = NULL;
	struct block_status *status = block_status_of(call);

	if (!rpc_call_decode(call, bytes, &message) ||
	    !one_request_find_volume(&status->one, message->volume) ||
	    !copy_contexts(status, message->contexts, message->n_contexts))
		return;
	status->offset = message->offset;
	/* If the sum overflows the core is asked for the length as it came,
	 * and refuses. */
	status->end = message->offset + message->length;
	status->is_to_end = message->length == 0;
	status->flags = message->flags;
	ask(status);
}

static void
on_end(struct rpc_call *call)
{
	one_request_cancel(&block_status_of(call)->one);
}

static void
on_free(struct rpc_call *call)
{
	struct block_status *status = block_status_of(call);

	extents_done(&status->extents);
	string_list_done(&status->contexts);
	one_request_free(&status->one);
}

const struct rpc_handler rpc_handler_IO_BLOCK_STATUS = {
	.size = sizeof(struct block_status),
	.on_start = on_start,
	.on_message = on_message,
	.on_sent = on_sent,
	.on_end = on_end,
	.on_free = on_free,
};
