/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replies in: each message is asked for before the one before it is worked
 * through, and each reply finds its request by the slot its id names.
 */
#include "proto/channel_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "proto/codec.h"
#include "proto/rpc_limits.h"
#include "proto/utf8.h"

/* Whatever the daemon would take. */
#define SLOTS_MAX 65536

/* The daemon has sent nonsense: the call ends, and everybody is told why. */
static void
give_up(struct channel *channel, int r)
{
	if (channel->error.failure == CLIENT_OK)
		client_error_bad_answer(&channel->error, channel->call.method,
					r);
	channel->error.applied = NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE;
	if (channel->call.finished.is_pending)
		grpc_call_cancel(channel->call.call, NULL);
}

static int
handle_reply(struct channel *channel, struct io_reply *reply)
{
	struct channel_request *request;
	struct client_error error;

	if (reply->id < 1 || reply->id > channel->n_slots ||
	    !channel->slots[reply->id - 1])
		return -EBADMSG;
	request = channel->slots[reply->id - 1];
	channel->slots[reply->id - 1] = NULL;
	channel->free_ids[channel->n_free++] = (uint32_t)reply->id;
	if (reply->error) {
		client_error_from_io(&error, reply->error);
		if (client_error_is_draining(&error) &&
		    client_may_recover(channel->client, &error)) {
			channel->is_draining = true;
			channel_take_back(channel, request);
			return 0;
		}
		if (error.volume[0] == '\0')
			utf8_copy(error.volume, sizeof(error.volume),
				  channel->call.volume);
		channel_complete(channel, request, NULL, &error);
	} else {
		channel->patience.has_begun = false;
		channel_complete(channel, request, reply, NULL);
	}
	return 0;
}

/* OPENED is taken. False: the volume is not what it was before the daemon went
 * away, and the call ends. */
static bool
adopt(struct channel *channel, Nbdclientd__V1__ChannelOpened *opened)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ChannelOpened *again = opened;
	const Nbdclientd__V1__Export *export;

	if (!channel->opened) {
		channel->opened = TAKE_PTR(again);
		return true;
	}
	export = channel->opened->export;
	if (!export || !again->export || export->size == again->export->size)
		return true;
	client_error_set(&channel->error, CLIENT_BROKEN, ESTALE,
			 "%s had %llu bytes before the daemon went away and "
			 "has %llu now",
			 channel->volume, (unsigned long long)export->size,
			 (unsigned long long)again->export->size);
	channel->error.applied = NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE;
	grpc_call_cancel(channel->call.call, NULL);
	return false;
}

static int
handle_opened(struct channel *channel, Nbdclientd__V1__ChannelOpened *opened)
{
	size_t n = opened->max_in_flight;

	if (channel->n_slots > 0 || n == 0) {
		codec_message_free(opened);
		return -EBADMSG;
	}
	if (!adopt(channel, opened))
		return 0;
	channel->n_slots = n < SLOTS_MAX ? n : SLOTS_MAX;
	channel->slots = calloc(channel->n_slots, sizeof(*channel->slots));
	channel->free_ids = calloc(channel->n_slots,
				   sizeof(*channel->free_ids));
	if (!channel->slots || !channel->free_ids) {
		channel->n_slots = 0;
		return -ENOMEM;
	}
	for (size_t i = channel->n_slots; i > 0; i--)
		channel->free_ids[channel->n_free++] = (uint32_t)i;
	return 0;
}

/* Runs through one message. */
static int
dispatch(struct channel *channel, grpc_byte_buffer *bytes)
{
	struct channel_reader reader;
	Nbdclientd__V1__ChannelOpened *opened;
	struct io_reply reply;
	int entry;
	int r = channel_reader_init(&reader, bytes, RPC_RESPONSE_MAX);

	while (r == 0 && (entry = channel_reader_next_reply(&reader, &opened,
							    &reply)) != 0) {
		if (entry < 0)
			return entry;
		if (entry == CHANNEL_OPEN) {
			r = handle_opened(channel, opened);
		} else {
			r = handle_reply(channel, &reply);
			io_reply_done(&reply);
		}
	}
	return r;
}

static void
on_received(struct event *event)
{
	struct channel *channel = channel_of_event(
		event, offsetof(struct channel, receiving));
	grpc_byte_buffer *bytes = channel->received;
	int r;

	if (!bytes) {
		if (!channel->call.finished.is_pending)
			channel_set_over(channel);
		return;
	}
	channel->is_dispatching = true;
	r = dispatch(channel, bytes);
	channel->is_dispatching = false;
	grpc_byte_buffer_destroy(bytes);
	if (r < 0)
		give_up(channel, r);
	else
		channel_send_queued(channel);
	/* Last, because gRPC tells the daemon at once that it may go on, in a
	 * message of its own: that must not come before the requests. */
	channel_receive_next(channel);
}

void
channel_receive_next(struct channel *channel)
{
	channel->receiving.on_done = on_received;
	call_receive(&channel->call, &channel->received, &channel->receiving);
}
