/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls with many messages: BlockStatus, Negotiate, Health.Watch, reflection.
 * One step at a time: send one, receive one. The client's thread.
 */
#pragma once

#include "proto/client.h"

struct client_stream;

/*
 * Opens a call of METHOD, a server-stream or bidirectional one. REQUEST is the
 * one request of a server stream; NULL for a bidirectional one. TIMEOUT_MS
 * holds for the whole call. NULL with *ERROR filled.
 */
struct client_stream *client_stream_open(struct client *client,
					 enum rpc_method_id method,
					 const void *request, int timeout_ms,
					 struct client_error *error);

/* Sends one message of a bidirectional call. 0, or a negative errno with *ERROR
 * filled: the call is over and why. */
int client_stream_send(struct client_stream *stream, const void *message,
		       struct client_error *error);

/* No more messages from us. 0, or a negative errno with *ERROR filled. */
int client_stream_half_close(struct client_stream *stream,
			     struct client_error *error);

/*
 * The next message, waited for, in *MESSAGE, which the caller frees with
 * codec_message_free(): 1. Or 0: the call has ended well and *MESSAGE is NULL.
 * Or a negative errno with *ERROR filled. After 0 or an error the same is said
 * again.
 */
int client_stream_receive(struct client_stream *stream, void *message,
			  struct client_error *error);

/* Sends REQUEST and waits for one answer, as client_stream_receive. */
int client_stream_step(struct client_stream *stream, const void *request,
		       void *message, struct client_error *error);

/* Cancels the call if it is still going on, and frees it. NULL is allowed. */
void client_stream_free(struct client_stream *stream);
