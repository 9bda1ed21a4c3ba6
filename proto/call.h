/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What unary calls, streams and channels share: the client, the events on its
 * completion queue, and a call from its first batch to its status. Internal to
 * the client half of proto/.
 */
#pragma once

#include <grpc/grpc.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/list.h"
#include "nbdclientd/v1/io.pb-c.h"
#include "proto/client.h"
#include "proto/methods.h"

struct client {
	char *address;
	grpc_channel *channel;
	grpc_completion_queue *queue;
	/* The same socket as gRPC's, kept to shut it down. */
	int fd;
	atomic_bool is_interrupted;
	/* In which process, counted in forks, it was made. */
	unsigned generation;
	/* How long to wait for a daemon that has gone; 0: not at all. */
	int patience_ms;
	/* How often it has connected again; and when it tried last. */
	unsigned epoch;
	gpr_timespec connected_at;
	/* Opened by URI; see client_volumes.c. */
	struct list volumes;
};

/* Whether this is still the process that made the client; if not, fills
 * *ERROR. */
bool client_is_usable(const struct client *client, struct client_error *error);

/* TIMEOUT_MS from now. */
gpr_timespec client_deadline(int timeout_ms);

/* Connects anew, waiting until UNTIL for somebody to connect to, unless that
 * was done since EPOCH. 0, or a negative errno with *ERROR filled. */
int client_reconnect(struct client *client, unsigned epoch, gpr_timespec until,
		     struct client_error *error);

/* METHOD was carried out: if it opened a volume or closed one, that is
 * remembered. */
void client_note_volumes(struct client *client, enum rpc_method_id method,
			 const void *request, const void *response);
void client_forget_volumes(struct client *client);
/* The client is connected anew: opens what it had opened. 0, or a negative errno
 * with *ERROR filled. */
int client_reopen_volumes(struct client *client, gpr_timespec until,
			  struct client_error *error);

/* A unary call without patience, whose response nobody needs. 0, or a negative
 * errno with *ERROR filled. */
int client_ask_once(struct client *client, enum rpc_method_id method,
		    const void *request, gpr_timespec deadline,
		    struct client_error *error);

/* From the first loss to the first answer after it. */
struct patience {
	/* Never longer than this. */
	gpr_timespec deadline;
	bool has_begun;
	gpr_timespec until;
};

/* May the same request be made twice, with the same result? */
bool rpc_is_repeatable(const struct rpc_method *method);
/* The daemon leaves and has done nothing of what was asked. */
bool client_error_is_draining(const struct client_error *error);
/* Is *ERROR one that a client with patience gets over? */
bool client_may_recover(const struct client *client,
			const struct client_error *error);
/* After *ERROR: true when the client, which was connected as EPOCH, is
 * connected again. */
bool client_recover(struct client *client, struct patience *patience,
		    unsigned epoch, struct client_error *error);

/*
 * A batch of operations under way. Zero bytes are an idle one. When the batch
 * is complete, on_done runs inside the wait that saw it.
 */
struct event {
	bool is_pending;
	/* Whether the last batch succeeded. */
	bool ok;
	/* May be NULL. */
	void (*on_done)(struct event *event);
};

/* Handles one event, whosoever it is; false if DEADLINE passed first. */
bool client_run_once(struct client *client, gpr_timespec deadline);

/* Handles events until EVENT is done. Only for events that are sure to come:
 * those of a call with a deadline, or cancelled. */
void client_wait(struct client *client, struct event *event);

/* A call. Begins with call_init, ends with call_done. */
struct call {
	struct client *client;
	const struct rpc_method *method;
	/* For messages: the volume concerned, or "". */
	char volume[72];
	grpc_call *call;
	grpc_metadata_array initial;
	grpc_metadata_array trailing;
	grpc_status_code status;
	grpc_slice status_text;
	/* The status has come; always the last event but those of sends. */
	struct event finished;
	/* Why we cancelled it, if we did. */
	bool has_timed_out;
	bool is_cancelled;
};

/* Creates the call; REQUEST may be NULL and else names the volume, if it has
 * one, for error messages. */
void call_init(struct call *call, struct client *client,
	       enum rpc_method_id method, const void *request,
	       gpr_timespec deadline);

/* Starts a batch whose completion is EVENT, which is not pending. */
void call_start(struct call *call, const grpc_op *ops, size_t n_ops,
		struct event *event);

/* Starts the batch that ends with the status. Once per call. */
void call_receive_status(struct call *call);

/* Sends BYTES, which it destroys. */
void call_send(struct call *call, grpc_byte_buffer *bytes, bool is_first,
	       bool is_last, struct event *event);

/* Says "no more". */
void call_send_close(struct call *call, struct event *event);

/* Asks for the next message; *BYTES is NULL after the last. */
void call_receive(struct call *call, grpc_byte_buffer **bytes,
		  struct event *event);

/* Cancels if the call is not over, and waits until the status is there. */
void call_cancel(struct call *call);

/*
 * Once the status is there: 0 if it is OK, else a negative errno with *ERROR
 * filled.
 */
int call_result(const struct call *call, struct client_error *error);

/* No batch may be pending. */
void call_done(struct call *call);

/* Fills *ERROR with a failure of our own; returns -ERRNUM. */
int client_error_set(struct client_error *error, enum client_failure failure,
		     int errnum, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Fills *ERROR: what came back is not what METHOD answers with. */
int client_error_bad_answer(struct client_error *error,
			    const struct rpc_method *method, int r);

/* Fills *ERROR from what the daemon said of one request of a channel. */
int client_error_from_io(struct client_error *error,
			 const Nbdclientd__V1__IoError *io);
