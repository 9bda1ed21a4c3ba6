/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way in of a channel. A message is read entry by entry on the RPC thread,
 * each entry becomes a request of the core, and the next message is asked for
 * at once unless too much is unanswered already.
 */
#include "daemon/rpc/channel.h"

#include <errno.h>

#include "common/cleanup.h"
#include "daemon/core/daemon.h"
#include "daemon/core/failure.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handlers.h"
#include "daemon/rpc/io_command.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/server_private.h"
#include "proto/codec_free.h"
#include "proto/rpc_limits.h"

/* Requests of one channel that may be unanswered; above these a request is
 * refused, above twice as many the call. */
#define MAX_UNANSWERED 1024

static struct channel *
channel_of(struct rpc_call *call)
{
	return container_of(call, struct channel, call);
}

static void
on_extents(struct request *request, const char *context, uint64_t offset,
	   const struct request_extent *extents, size_t n)
{
	struct channel_request *of = request->user;

	extents_add(&of->extents, context, offset, extents, n);
}

/* Fills the reply, as far as the core has something for it. */
static void
take_result(struct channel_request *of)
{
	struct request *request = &of->request;
	struct io_reply *reply = &of->reply;

	if (request->failure.errnum == 0 && request->command == REQUEST_READ)
		reply->data = payload_from_buffer(&request->payload);
	if (request->failure.errnum == 0 &&
	    request->command == REQUEST_BLOCK_STATUS &&
	    extents_to_messages(&of->extents, &reply->extents,
				&reply->n_extents) < 0)
		failure_set(&request->failure, ENOMEM, FAILURE_NONE,
			    "the daemon has no memory for the extents");
	extents_done(&of->extents);
}

static void
on_request_done(struct request *request)
{
	struct channel_request *of = request->user;
	struct rpc_call *call = &of->channel->call;
	struct failure failure;

	take_result(of);
	failure = request->failure;
	request->failure = (struct failure){ 0 };
	request_done(request);
	channel_answer(of, failure.errnum == 0 ? NULL : &failure);
	failure_done(&failure);
	rpc_call_unref(call);
}

/* False: FAILURE says why the request cannot be carried out. */
static bool
prepare(struct channel_request *of, struct io_request *from,
	struct failure *failure)
{
	struct channel *channel = of->channel;
	struct request *request = &of->request;

	if (of->is_late)
		return failure_set(failure, ESHUTDOWN, FAILURE_BUSY,
				   "the daemon is draining") == 0;
	if (of->is_excess)
		return failure_set(failure, EDQUOT, FAILURE_LIMIT,
				   "more than %u requests of this channel are "
				   "unanswered",
				   channel->max_unanswered) == 0;
	if (from->source)
		return channel_copy_prepare(of, from, failure);
	if (io_command_fill(request, from, failure) < 0)
		return false;
	if (request->command == REQUEST_READ) {
		if (!rpc_peer_reserve(channel->call.peer, request->length,
				      failure))
			return false;
		of->reserved = request->length;
	}
	request->on_done = on_request_done;
	request->on_extents = on_extents;
	request->user = of;
	request->client = rpc_call_client(&channel->call);
	return true;
}

static void
fail(struct channel *channel, int errnum, enum failure_reason reason,
     const char *text)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum, reason, "%s", text);
	rpc_call_fail(&channel->call, &failure);
	failure_done(&failure);
}

/* FROM is taken apart. False: the call has been failed. */
static bool
submit(struct channel *channel, struct io_request *from)
{
	struct failure failure = { 0 };
	struct channel_request *of = channel_add_request(channel, from->id,
							 io_command_size(from));

	if (!of) {
		fail(channel, ENOMEM, FAILURE_NONE,
		     "the daemon has no memory for another request");
		return false;
	}
	if (of->is_flood) {
		failure_set(&failure, EDQUOT, FAILURE_LIMIT,
			    "the channel sends requests without waiting for "
			    "replies; ChannelOpened.max_in_flight says how "
			    "many may be unanswered");
		rpc_call_fail(&channel->call, &failure);
		channel_answer(of, &failure);
		failure_done(&failure);
		return false;
	}
	if (!prepare(of, from, &failure)) {
		request_done(&of->request);
		channel_answer(of, &failure);
		failure_done(&failure);
		return true;
	}
	/* the request's own, until it is done */
	rpc_call_ref(&channel->call);
	if (of->copy)
		channel_copy_submit(of->copy);
	else
		volume_submit(channel->opening.volume, &of->request);
	return true;
}

/* Tells the client of the volume. False: nothing is known of it yet. */
static bool
open_if_known(struct channel *channel)
{
	Nbdclientd__V1__ChannelOpened opened =
		NBDCLIENTD__V1__CHANNEL_OPENED__INIT;
	struct volume_message message = { 0 };
	bool is_known;

	if (volume_message_init(&message, channel->opening.volume,
				rpc_call_client(&channel->call)) < 0)
		return false;
	is_known = message.description.has_export;
	if (is_known) {
		opened.export = message.volume.export;
		opened.max_in_flight = channel->max_unanswered;
		opened.max_payload = message.description.max_payload;
		if (opened.max_payload > RPC_WRITE_MAX)
			opened.max_payload = RPC_WRITE_MAX;
		opened.can_copy = true;
		channel_open(channel, &opened);
	}
	volume_message_done(&message);
	return is_known;
}

/* The read that waited for a connection is back. */
static void
on_first_contact(struct one_request *one, struct request *done)
{
	struct channel *channel = container_of(one, struct channel, opening);

	if (open_if_known(channel))
		return;
	if (done->failure.errnum != 0)
		rpc_call_fail(&channel->call, &done->failure);
	else
		fail(channel, ENOMEM, FAILURE_NONE,
		     "the daemon has no memory to describe the volume");
}

/* Before the first connection there is nothing to tell: one byte is read, which
 * waits and fails as any request does. */
static void
wait_for_contact(struct channel *channel)
{
	channel->opening.request = (struct request){
		.command = REQUEST_READ,
		.length = 1,
		.is_uncounted = true,
	};
	one_request_submit(&channel->opening);
}

static bool
on_open(struct channel *channel, Nbdclientd__V1__ChannelOpen *open)
{
	if (channel->opening.volume) {
		fail(channel, EINVAL, FAILURE_INVALID,
		     "the channel is open already");
		return false;
	}
	if (!one_request_find_volume(&channel->opening, open->volume))
		return false;
	pthread_mutex_lock(&channel->lock);
	channel->is_opening = true;
	pthread_mutex_unlock(&channel->lock);
	if (!open_if_known(channel))
		wait_for_contact(channel);
	return true;
}

/* One entry of a message: true to go on, false at its end or when the call has
 * been failed. */
static bool
take_entry(struct channel *channel, struct channel_reader *reader)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ChannelOpen *open = NULL;
	struct io_request request = { 0 };
	bool goes_on = false;
	int entry = channel_reader_next_request(reader, &open, &request);

	if (entry == CHANNEL_OPEN) {
		goes_on = on_open(channel, open);
	} else if (entry == CHANNEL_IO && !channel->opening.volume) {
		fail(channel, EINVAL, FAILURE_INVALID,
		     "the first message of a channel holds `open`");
	} else if (entry == CHANNEL_IO) {
		goes_on = submit(channel, &request);
	} else if (entry < 0) {
		rpc_call_fail_decoding(&channel->call, entry);
	}
	io_request_done(&request);
	return goes_on;
}

/* Asks for the next message, unless enough is unanswered. */
static void
receive_or_pause(struct channel *channel)
{
	bool is_paused;

	if (rpc_call_is_over(&channel->call))
		return;
	pthread_mutex_lock(&channel->lock);
	is_paused = channel->n_unanswered >= channel->max_unanswered ||
		    (channel->n_unanswered > 0 &&
		     channel->bytes_unanswered >=
			     channel->max_bytes_unanswered);
	channel->is_paused = is_paused;
	pthread_mutex_unlock(&channel->lock);
	if (!is_paused)
		rpc_call_receive(&channel->call);
}

static void
on_message(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	struct channel *channel = channel_of(call);
	struct channel_reader reader;
	int error = channel_reader_init(&reader, bytes,
					call->peer->rpc->max_message);

	if (error < 0) {
		rpc_call_fail_decoding(call, error);
		return;
	}
	/* The I/O thread shall find all of them. */
	loop_put_off_waking();
	channel_begin_taking(channel);
	while (take_entry(channel, &reader))
		;
	loop_wake_now();
	channel_end_taking(channel);
	receive_or_pause(channel);
}

static void
on_start(struct rpc_call *call)
{
	struct channel *channel = channel_of(call);

	one_request_init(&channel->opening, call, on_first_contact);
	pthread_mutex_init(&channel->lock, NULL);
	loop_message_init(&channel->flushing, channel_on_flushing);
	list_init(&channel->in_flight);
	list_init(&channel->done);
	list_init(&channel->unused);
	copying_init(&channel->copying);
	channel->max_unanswered = MAX_UNANSWERED;
	if (channel->max_unanswered > call->peer->rpc->max_requests)
		channel->max_unanswered = call->peer->rpc->max_requests;
	channel->max_bytes_unanswered = call->peer->rpc->max_bytes / 2;
}

static void
on_half_close(struct rpc_call *call)
{
	struct channel *channel = channel_of(call);

	if (!channel->opening.volume) {
		fail(channel, EINVAL, FAILURE_INVALID,
		     "the channel ended before a message with `open`");
		return;
	}
	SCOPED_LOCK(&channel->lock);
	channel->is_half_closed = true;
	channel_end_if_idle(channel);
}

static void
on_sent(struct rpc_call *call)
{
	channel_continue(channel_of(call));
}

/* On the RPC thread, as is every submission: what is in the list is in the
 * core, or waits for our lock on its way out. */
static void
on_end(struct rpc_call *call)
{
	struct channel *channel = channel_of(call);

	one_request_cancel(&channel->opening);
	channel_copy_cancel_all(channel);
	SCOPED_LOCK(&channel->lock);
	list_for_each(link, &channel->in_flight) {
		struct channel_request *of = container_of(
			link, struct channel_request, link);

		if (!of->copy)
			request_cancel(&of->request);
	}
}

static void
on_drain(struct rpc_call *call)
{
	struct channel *channel = channel_of(call);

	SCOPED_LOCK(&channel->lock);
	channel->is_draining = true;
	channel_end_if_idle(channel);
}

static void
on_free(struct rpc_call *call)
{
	struct channel *channel = channel_of(call);

	channel_free_requests(channel);
	copying_done(&channel->copying);
	one_request_free(&channel->opening);
	pthread_mutex_destroy(&channel->lock);
}

const struct rpc_handler rpc_handler_IO_CHANNEL = {
	.size = sizeof(struct channel),
	.on_start = on_start,
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_sent = on_sent,
	.on_end = on_end,
	.on_drain = on_drain,
	.on_free = on_free,
};
