/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way back of a channel. Answers leave from the thread they come on: what
 * one turn of an I/O thread brought goes in one message. What comes while a
 * message is being sent waits, and leaves after it. So a lone request is
 * answered without delay and busy channels batch by themselves.
 */
#include "daemon/rpc/channel.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/failure.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/status.h"
#include "proto/rpc_limits.h"

struct channel_request *
channel_add_request(struct channel *channel, uint64_t id, uint64_t size)
{
	struct channel_request *request;
	struct list *link;

	SCOPED_LOCK(&channel->lock);
	link = list_take_first(&channel->unused);
	request = link ? container_of(link, struct channel_request, link)
		       : calloc(1, sizeof(*request));
	if (!request)
		return NULL;
	request->channel = channel;
	request->id = id;
	request->size = size;
	list_append(&channel->in_flight, &request->link);
	channel->n_unanswered++;
	channel->bytes_unanswered += size;
	request->is_excess = channel->n_unanswered > channel->max_unanswered;
	request->is_flood = channel->n_unanswered > 2 * channel->max_unanswered;
	request->is_late = channel->is_draining;
	return request;
}

/* The reply is in the message; the request may be used again. */
static void
retire(struct channel *channel, struct channel_request *request)
{
	channel->n_unanswered--;
	channel->bytes_unanswered -= request->size;
	rpc_peer_sent(channel->call.peer, request->reserved);
	io_reply_done(&request->reply);
	*request = (struct channel_request){ 0 };
	list_prepend(&channel->unused, &request->link);
}

static bool
fits(const struct channel *channel, const struct io_reply *reply)
{
	const struct channel_writer *writer = &channel->writer;

	return writer->length == 0 ||
	       channel_writer_length_with_reply(writer, reply) <= RPC_BATCH_MAX;
}

/* What waits, as much as one message may hold, for send() once the lock is not
 * held any more; or NULL. */
static grpc_byte_buffer *
flush(struct channel *channel)
{
	grpc_byte_buffer *message;

	if (channel->is_sending || !channel->is_open)
		return NULL;
	while (!list_is_empty(&channel->done)) {
		struct channel_request *request = container_of(
			channel->done.next, struct channel_request, link);

		if (!fits(channel, &request->reply))
			break;
		list_remove(&request->link);
		channel_writer_reply(&channel->writer, &request->reply);
		retire(channel, request);
	}
	message = channel_writer_take(&channel->writer);
	channel->is_sending = message != NULL;
	return message;
}

/* Asks for the client's next message if that had been put off. With the lock
 * held. */
static void
resume(struct channel *channel)
{
	if (!channel->is_paused ||
	    channel->n_unanswered > channel->max_unanswered / 2 ||
	    channel->bytes_unanswered > channel->max_bytes_unanswered / 2 ||
	    rpc_call_is_over(&channel->call))
		return;
	channel->is_paused = false;
	rpc_call_receive(&channel->call);
}

static void
fail_as_draining(struct channel *channel)
{
	struct failure failure = { 0 };

	failure_set(&failure, ESHUTDOWN, FAILURE_BUSY,
		    "the channel is closed, because the daemon is draining or "
		    "the volume was changed");
	failure_set_hint(&failure, "Open it again.");
	rpc_call_fail(&channel->call, &failure);
	failure_done(&failure);
}

void
channel_end_if_idle(struct channel *channel)
{
	if (channel->n_unanswered > 0 || channel->is_sending ||
	    channel->is_opening)
		return;
	if (channel->is_half_closed)
		rpc_call_finish_ok(&channel->call);
	else if (channel->is_draining)
		fail_as_draining(channel);
}

/* Does whatever is possible now, but for sending the message that it returns,
 * if any. With the lock held. */
static grpc_byte_buffer *
go_on(struct channel *channel)
{
	grpc_byte_buffer *message = flush(channel);

	resume(channel);
	channel_end_if_idle(channel);
	return message;
}

/* MESSAGE, if there is one, and what comes about while it leaves. Without the
 * lock, into which the RPC thread would run when gRPC tells it that the message
 * has left. */
static void
send(struct channel *channel, grpc_byte_buffer *message)
{
	while (message) {
		enum rpc_sending sending = rpc_call_send_now(&channel->call,
							     message);

		if (sending == RPC_SENDING)
			return;
		pthread_mutex_lock(&channel->lock);
		channel->is_sending = false;
		message = sending == RPC_SENT ? go_on(channel) : NULL;
		pthread_mutex_unlock(&channel->lock);
	}
}

void
channel_on_flushing(struct message *message)
{
	struct channel *channel = container_of(message, struct channel,
					       flushing);
	grpc_byte_buffer *replies;

	pthread_mutex_lock(&channel->lock);
	channel->is_flushing_due = false;
	replies = go_on(channel);
	pthread_mutex_unlock(&channel->lock);
	send(channel, replies);
	rpc_call_unref(&channel->call);
}

/* On an I/O thread more answers are likely to come in this turn, and while a
 * message is taken apart more that are refused. False: it is neither. With the
 * lock held. */
static bool
flush_later(struct channel *channel)
{
	struct loop *loop = loop_current();

	if (loop && !channel->is_flushing_due) {
		channel->is_flushing_due = true;
		rpc_call_ref(&channel->call);
		loop_run_later(loop, &channel->flushing);
	}
	return loop || channel->is_taking;
}

/* The volume of that name may be another one by now, but not for this
 * channel. */
static bool
is_of_closed_volume(const struct failure *failure)
{
	return failure && failure->errnum == ESHUTDOWN &&
	       failure->reason == FAILURE_BUSY;
}

void
channel_answer(struct channel_request *request, const struct failure *failure)
{
	struct channel *channel = request->channel;
	grpc_byte_buffer *message = NULL;

	request->reply.id = request->id;
	if (failure)
		request->reply.error = rpc_error_from_failure(failure);
	pthread_mutex_lock(&channel->lock);
	if (is_of_closed_volume(failure))
		channel->is_draining = true;
	list_remove(&request->link);
	list_append(&channel->done, &request->link);
	if (!flush_later(channel))
		message = go_on(channel);
	pthread_mutex_unlock(&channel->lock);
	send(channel, message);
}

void
channel_open(struct channel *channel,
	     const Nbdclientd__V1__ChannelOpened *opened)
{
	grpc_byte_buffer *message;

	pthread_mutex_lock(&channel->lock);
	channel_writer_opened(&channel->writer, opened);
	channel->is_opening = false;
	channel->is_open = true;
	message = flush(channel);
	pthread_mutex_unlock(&channel->lock);
	send(channel, message);
}

void
channel_begin_taking(struct channel *channel)
{
	SCOPED_LOCK(&channel->lock);

	channel->is_taking = true;
}

void
channel_end_taking(struct channel *channel)
{
	grpc_byte_buffer *message;

	pthread_mutex_lock(&channel->lock);
	channel->is_taking = false;
	message = go_on(channel);
	pthread_mutex_unlock(&channel->lock);
	send(channel, message);
}

void
channel_continue(struct channel *channel)
{
	grpc_byte_buffer *message;

	pthread_mutex_lock(&channel->lock);
	channel->is_sending = false;
	message = go_on(channel);
	pthread_mutex_unlock(&channel->lock);
	send(channel, message);
}

static void
free_list(struct list *requests)
{
	struct list *link;

	while ((link = list_take_first(requests))) {
		struct channel_request *request = container_of(
			link, struct channel_request, link);

		rpc_peer_sent(request->channel->call.peer, request->reserved);
		io_reply_done(&request->reply);
		free(request);
	}
}

void
channel_free_requests(struct channel *channel)
{
	struct list *link;

	/* Those in flight keep the call alive, so there are none. */
	free_list(&channel->done);
	while ((link = list_take_first(&channel->unused)))
		free(container_of(link, struct channel_request, link));
	channel_writer_done(&channel->writer);
}
