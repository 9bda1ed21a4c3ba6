/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connected client: a gRPC server of its own over the accepted socket, so
 * that the client's identity hangs on the connection and no call needs to look
 * it up. A peer lives until its connection has ended and its last call is
 * freed.
 */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/rpc/event.h"

struct client;
struct client_identity;
struct failure;
struct intake;
struct rpc_server;

/* What gRPC fills in when the client makes its next call. */
struct rpc_accept {
	struct rpc_event event;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	/* Counted among the peer's calls; otherwise a drain refuses it. */
	bool is_admitted;
};

struct rpc_peer {
	/* in rpc_server.peers */
	struct list link;
	/* Of the list until shutdown, of the watch, of each call. */
	atomic_uint refs;
	struct rpc_server *rpc;
	/* Who it is; a reference. NULL: there are too many clients, and every
	 * call of this one is answered so. */
	struct client *client;
	grpc_server *server;
	/* CLOCK_MONOTONIC, ns. */
	uint64_t since;
	atomic_bool has_called;

	/* A duplicate of the socket, watched for the client's end; main thread
	 * alone. */
	int watch_fd;
	bool is_shutting_down;
	/* What comes from it; NULL before gRPC reads. */
	struct intake *intake;

	struct rpc_accept accept;
	struct rpc_event shutdown;

	/* Bytes of payload that wait to be sent. */
	atomic_ullong reply_bytes;

	/* Guards the rest. */
	pthread_mutex_t lock;
	/* Its calls that have not ended, for a drain to tell them. */
	struct list calls;
	unsigned int n_open;
	/* There are more of them than there can be. */
	bool is_flooded;
	bool is_draining;
	/* Admitted calls whose status has not left yet, and since when there
	 * are none; 0: there never was one. */
	unsigned int n_calls;
	uint64_t idle_since;
};

/* Serves FD, which is taken in any case. Main thread. 0 or a negative errno. */
int rpc_peer_new(struct rpc_server *rpc, int fd,
		 const struct client_identity *identity);
void rpc_peer_ref(struct rpc_peer *peer);
/* The last one frees the peer and its gRPC server. Any thread. */
void rpc_peer_unref(struct rpc_peer *peer);

/* The connection has ended, or shall: its calls are cancelled and what the
 * client held is released. Main thread; again does nothing. */
void rpc_peer_close(struct rpc_peer *peer);

/*
 * No new calls; those there are may finish. Then the client is told goodbye, and
 * RPC_PEER_GOODBYE_TIME later, in ns, its connection is closed if it has not
 * gone by itself. To be called again when rpc_server_wake() was, and when that
 * time has passed. Main thread.
 */
#define RPC_PEER_GOODBYE_TIME 1000000000ull
void rpc_peer_drain(struct rpc_peer *peer);

/* Its brief calls have taken too long: rpc_call_watch() for all. */
void rpc_peer_watch_calls(struct rpc_peer *peer);

/*
 * A call of the peer's that has begun, or ended, by CALL's link. Adding says
 * whether a drain has begun. Any thread.
 */
bool rpc_peer_add_call(struct rpc_peer *peer, struct list *call);
void rpc_peer_remove_call(struct rpc_peer *peer, struct list *call);

/* Ends the connection of a client that begins more than the daemon can take in
 * or keep. Main thread, after rpc_server_wake(). */
void rpc_peer_close_if_flooded(struct rpc_peer *peer);

/* The status of a call that was admitted has left, or never will. Any thread. */
void rpc_peer_end_call(struct rpc_peer *peer);

/*
 * Counts BYTES that the client asked to be sent until rpc_peer_sent() says
 * that they are. False: the client has not fetched what it asked for before,
 * and *FAILURE says so. Any thread, also under locks.
 */
bool rpc_peer_reserve(struct rpc_peer *peer, uint64_t bytes,
		      struct failure *failure);
void rpc_peer_sent(struct rpc_peer *peer, uint64_t bytes);
