/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of one call: what the handlers of all methods share. A call gets
 * messages, sends messages, and ends with exactly one status; it is freed when
 * its last reference goes, which is after gRPC has reported its end and every
 * request that was made for it is done.
 *
 * A handler embeds struct rpc_call as the first member of its own struct. Its
 * functions run on the RPC thread unless said otherwise; the rpc_call_…
 * functions may be called on any thread, also by I/O threads in completions.
 */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/rpc/event.h"
#include "proto/methods.h"

struct client;
struct daemon;
struct failure;
struct rpc_accept;
struct rpc_call;
struct rpc_peer;
struct volume;

struct rpc_handler {
	/* sizeof() the struct that embeds the call; zero to begin with. */
	size_t size;
	/* Before the first message is asked for. May be NULL. */
	void (*on_start)(struct rpc_call *call);
	/* A message, which is destroyed afterwards. Unary methods and server
	 * streams get one; others ask for the next by rpc_call_receive(). */
	void (*on_message)(struct rpc_call *call, grpc_byte_buffer *message);
	/* The client will send no more. Client streams only. */
	void (*on_half_close)(struct rpc_call *call);
	/* The message given to rpc_call_send() has left; the next may go.
	 * Streams only. */
	void (*on_sent)(struct rpc_call *call);
	/* The client has the status, or will get none: it cancelled the call,
	 * its deadline passed, its connection ended. Nobody waits for what is
	 * still under way. May be NULL. */
	void (*on_end)(struct rpc_call *call);
	/* The daemon is draining: end when what is in flight is done. Main
	 * thread, or right after on_start. NULL: the call ends soon by
	 * itself. */
	void (*on_drain)(struct rpc_call *call);
	/* Releases what the handler's struct holds. Any thread. May be NULL. */
	void (*on_free)(struct rpc_call *call);
	/* Most calls are answered within RPC_CALL_BRIEF_TIME. Until then the
	 * call is not watched for its end, which gRPC would wake the RPC thread
	 * to tell of, and one that ends by its own status has no on_end. */
	bool is_brief;
};

/* A call's end. */
struct rpc_status {
	grpc_status_code code;
	grpc_slice message;
	/* grpc-status-details-bin */
	grpc_metadata details;
	size_t n_details;
};

struct rpc_call {
	/* in rpc_peer.calls */
	struct list link;
	atomic_uint refs;
	/* A reference. */
	struct rpc_peer *peer;
	const struct rpc_method *method;
	const struct rpc_handler *handler;
	/* CLOCK_MONOTONIC in ns, a little before the client's own deadline so
	 * that our answer arrives; 0: none. */
	uint64_t deadline;
	/* As struct rpc_accept says. */
	bool is_admitted;

	/* The rest belongs to call.c. */
	grpc_call *call;
	struct rpc_event closed, received, sent, finished;
	grpc_byte_buffer *message;
	int was_cancelled;
	/* Guards what follows, and the order of operations on the call. */
	pthread_mutex_t lock;
	bool is_sending;
	bool is_metadata_sent;
	bool is_finished;
	bool is_ended;
	struct rpc_status status;
	/* gRPC has been asked to tell of its end, or is about to be. */
	bool is_watched;
};

/* How late it may be noticed that nobody waits for a brief call any more: ns */
#define RPC_CALL_BRIEF_TIME 100000000ull

/* Makes ACCEPT, which a client has filled and which is taken, into a call of
 * METHOD, and starts it. RPC thread. */
void rpc_call_start(struct rpc_peer *peer, struct rpc_accept *accept,
		    const struct rpc_method *method,
		    const struct rpc_handler *handler);

/* A brief call that has taken too long: from now on its end is watched for. Any
 * thread; again does nothing. */
void rpc_call_watch(struct rpc_call *call);

void rpc_call_ref(struct rpc_call *call);
void rpc_call_unref(struct rpc_call *call);

/* Whose call it is, and which daemon's. */
struct client *rpc_call_client(const struct rpc_call *call);
struct daemon *rpc_call_daemon(const struct rpc_call *call);

/* A reference to the volume of that name, as far as the call's client may see
 * it. NULL: the call has been failed. */
struct volume *rpc_call_find_volume(struct rpc_call *call, const char *name);

/* Asks for the client's next message. One at a time. */
void rpc_call_receive(struct rpc_call *call);

/*
 * Sends one message of a stream, which is taken. One at a time: the next after
 * on_sent. False, and no on_sent: the call has ended or been given its status.
 */
bool rpc_call_send(struct rpc_call *call, grpc_byte_buffer *message);

enum rpc_sending {
	/* No on_sent will come: the call is over. */
	RPC_NOT_SENT,
	/* on_sent will come, unless the call ends before. */
	RPC_SENDING,
	/* The message has left, and on_sent will not come. */
	RPC_SENT,
};

/* The same for a caller that goes on by itself if the message has left when
 * this returns, as it mostly has. */
enum rpc_sending rpc_call_send_now(struct rpc_call *call,
				   grpc_byte_buffer *message);

/* Has the call been given its status, or ended without? */
bool rpc_call_is_over(struct rpc_call *call);

/*
 * The ends of a call; the first one counts and later ones do nothing. A status
 * waits for the message that is being sent.
 */
/* STATUS is taken, and MESSAGE, which may be NULL. */
void rpc_call_finish(struct rpc_call *call, struct rpc_status *status,
		     grpc_byte_buffer *message);
/* OK with RESPONSE, a message of protobuf-c, which stays the caller's. */
void rpc_call_reply(struct rpc_call *call, const void *response);
/* The same with a message that is encoded already, which is taken. */
void rpc_call_reply_bytes(struct rpc_call *call, grpc_byte_buffer *response);
/* A stream's end without an error. */
void rpc_call_finish_ok(struct rpc_call *call);
/* FAILURE stays the caller's. */
void rpc_call_fail(struct rpc_call *call, const struct failure *failure);
/* With a code that the method's contract asks for. */
void rpc_call_fail_as(struct rpc_call *call, grpc_status_code code,
		      const struct failure *failure);
/* A bare status, for what is no failure of the core's. */
void rpc_call_fail_with_code(struct rpc_call *call, grpc_status_code code,
			     const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Decodes a received message into *MESSAGE, which the caller frees with
 * codec_message_free(). False: the call has been failed instead.
 */
bool rpc_call_decode(struct rpc_call *call, grpc_byte_buffer *bytes,
		     void *message);
/* Fails the call because of ERROR, what a decoder of proto/ returned. */
void rpc_call_fail_decoding(struct rpc_call *call, int error);
