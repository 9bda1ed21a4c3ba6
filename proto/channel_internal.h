/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The state of a data channel, which channel.c (requests out, the channel's
 * life) and channel_receive.c (replies in) share.
 */
#pragma once

#include "proto/call.h"
#include "proto/channel.h"
#include "proto/channel_codec.h"

struct channel {
	struct client *client;
	struct call call;
	/* How the client was connected when the call began. */
	unsigned epoch;
	char *volume;
	/* What the caller may look at, from the first opening. */
	Nbdclientd__V1__ChannelOpened *opened;

	/* Submitted and not sent; too long to be sent at all. */
	struct list queued;
	struct list refused;
	size_t n_queued;
	size_t n_refused;

	/* Sent and not answered: ids are indexes plus one. Free slots are a
	 * stack of ids. */
	struct channel_request **slots;
	uint32_t *free_ids;
	size_t n_slots;
	size_t n_free;

	struct event sending;
	struct channel_writer writer;
	/* The last message was full, and what is queued are its followers. */
	bool is_rest;
	struct event receiving;
	grpc_byte_buffer *received;

	/* on_reply run so far. */
	size_t n_replied;
	/* Inside callbacks: sending waits until all have had their say. */
	bool is_dispatching;
	/* The daemon takes no more requests on this call. */
	bool is_draining;
	struct patience patience;
	/* It ends, whatever is pending. */
	bool is_given_up;
	/* Nothing more will come, and why. */
	bool is_over;
	struct client_error error;
};

static inline struct channel *
channel_of_event(struct event *event, size_t offset)
{
	return (struct channel *)(void *)((char *)event - offset);
}

/* Ends REQUEST, with one of REPLY and ERROR. */
void channel_complete(struct channel *channel, struct channel_request *request,
		      struct io_reply *reply, const struct client_error *error);

/* Begins the call: sends the opening and starts to listen. */
void channel_start(struct channel *channel);

/* The call is over. True: the daemon had gone, and a new call has begun, in
 * which all that has no answer is queued again. */
bool channel_resume(struct channel *channel);
/* REQUEST, which the daemon has not carried out, is queued again. */
void channel_take_back(struct channel *channel,
		       struct channel_request *request);

/* Sends what is queued, as much as may be in flight, unless a message is being
 * sent: then what is queued leaves after it. */
void channel_send_queued(struct channel *channel);

/* The call is over; requests end in the next wait. */
void channel_set_over(struct channel *channel);

/* Asks for the next message, and again when it has come, until the end. */
void channel_receive_next(struct channel *channel);
