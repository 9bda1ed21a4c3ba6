/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IO.Channel from the client's side: many requests to one volume at once. The
 * caller owns each struct channel_request until its on_reply has run. A request
 * leaves at once if nothing is being sent; those that are submitted meanwhile
 * leave together in the next message. More than the daemon wants unanswered
 * wait here. The client's thread.
 */
#pragma once

#include "common/list.h"
#include "proto/client.h"
#include "proto/io_message.h"

struct channel;
struct channel_request;

/*
 * A request is done. Exactly one of REPLY and ERROR is not NULL. What REPLY
 * holds is released after the callback; it may take the payload with
 * payload_take(). ERROR is the daemon's answer to this request or the end of
 * the channel (ERROR->applied says whether the request may have been carried
 * out). The callback may submit and may free REQUEST; it may not wait, close or
 * free the channel.
 */
typedef void channel_on_reply(struct channel_request *request,
			      struct io_reply *reply,
			      const struct client_error *error);

struct channel_request {
	/* Set by the caller, except the id. The payload's reference is taken
	 * when the request is sent or fails; by a client with patience, when
	 * it is done. */
	struct io_request io;
	channel_on_reply *on_reply;
	void *user;

	/* The channel's own. */
	struct list link;
};

/* Opens a channel to VOLUME and waits for the daemon's answer. NULL with *ERROR
 * filled. The channel itself has no deadline; each request has. */
struct channel *channel_open(struct client *client, const char *volume,
			     int timeout_ms, struct client_error *error);

/* What the daemon said at the opening: valid as long as the channel. */
const Nbdclientd__V1__ChannelOpened *
channel_opened(const struct channel *channel);

/* Hands REQUEST over. Never waits and never fails: what goes wrong comes to
 * on_reply, in channel_wait(). */
void channel_submit(struct channel *channel, struct channel_request *request);

/* Requests submitted whose on_reply has not run. */
size_t channel_pending(const struct channel *channel);

/*
 * Runs the channel until at least one on_reply has run. The number that did: 0
 * if TIMEOUT_MS passed or nothing is pending.
 */
size_t channel_wait(struct channel *channel, int timeout_ms);

/*
 * Waits until nothing is pending, tells the daemon that no more will come, and
 * waits for the end. 0, or a negative errno with *ERROR filled; free it in
 * either case.
 */
int channel_close(struct channel *channel, int timeout_ms,
		  struct client_error *error);

/* Cancels what is still going on: each pending on_reply runs with
 * CLIENT_INTERRUPTED first. NULL is allowed. */
void channel_free(struct channel *channel);
