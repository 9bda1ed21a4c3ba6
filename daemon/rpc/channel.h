/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IO.Channel: many requests and replies per message. channel.c takes the
 * client's messages apart and submits requests; channel_replies.c gathers what
 * is done into messages, as many replies into each as came about while the last
 * one was being sent.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/core/loop.h"
#include "daemon/core/request.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/channel_copy.h"
#include "daemon/rpc/extents.h"
#include "daemon/rpc/one_request.h"
#include "proto/channel_codec.h"

struct channel {
	struct rpc_call call;
	/* The volume; and the read that waits for its first connection, if
	 * there is none. */
	struct one_request opening;

	/* Guards what follows. Taken before the call's own lock, and never by
	 * what releases a payload. */
	pthread_mutex_t lock;
	/* struct channel_request: in the core, waiting to be sent, unused. */
	struct list in_flight;
	struct list done;
	struct list unused;
	/* Of in_flight and done. */
	unsigned int n_unanswered;
	uint64_t bytes_unanswered;
	unsigned int max_unanswered;
	uint64_t max_bytes_unanswered;
	struct copying copying;
	struct channel_writer writer;
	/* `open` has come and is not answered; `opened` has been written, and
	 * replies may follow. */
	bool is_opening;
	bool is_open;
	bool is_sending;
	/* The RPC thread takes a message apart, and what it answers itself
	 * waits for the end of that. */
	bool is_taking;
	/* On its loop, when all that is answered in this turn is answered. */
	struct message flushing;
	bool is_flushing_due;
	/* No message is asked for until fewer requests are unanswered. */
	bool is_paused;
	bool is_half_closed;
	bool is_draining;
};

/* One request from the message it came in to the message its reply is in. */
struct channel_request {
	struct list link;
	struct channel *channel;
	struct request request;
	uint64_t id;
	/* Bytes of its payload, in either direction. */
	uint64_t size;
	/* Those that rpc_peer_reserve() counts. */
	uint64_t reserved;
	struct extents extents;
	struct io_reply reply;
	/* Instead of the request: a write with a source. */
	struct channel_copy *copy;
	/* It came when the channel had enough, or was draining. */
	bool is_excess;
	bool is_late;
	/* There are so many that the call is at its end. */
	bool is_flood;
};

/* An unused request, or a new one; it is unanswered from here on. NULL: no
 * memory. */
struct channel_request *channel_add_request(struct channel *channel,
					    uint64_t id, uint64_t size);

/* REQUEST, which is not in the core, or whose on_done runs and which may be
 * cancelled until here, is answered by FAILURE, or by its reply as it stands if
 * that is NULL. Any thread. */
void channel_answer(struct channel_request *request,
		    const struct failure *failure);

/* The channel is open: writes `opened` before any reply. */
void channel_open(struct channel *channel,
		  const Nbdclientd__V1__ChannelOpened *opened);

/* What channel->flushing runs. */
void channel_on_flushing(struct message *message);

/* A message of the client's is taken apart from here, and until here. */
void channel_begin_taking(struct channel *channel);
void channel_end_taking(struct channel *channel);

/* The last message has left. */
void channel_continue(struct channel *channel);

/* Ends the call if nothing is left to answer and no more will come. With the
 * lock held. */
void channel_end_if_idle(struct channel *channel);

void channel_free_requests(struct channel *channel);
