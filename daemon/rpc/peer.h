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
#include "daemon/rpc/server.h"

struct client;
struct failure;
struct rpc_call;

/* The call that the next request of the client will become. */
struct rpc_accept {
	struct rpc_event event;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
};

struct rpc_peer {
	/* in rpc_server.peers, under its lock */
	struct list link;
	atomic_uint refs;
	struct rpc_server *rpc;
	/* Who it is; a reference. */
	struct client *client;
	grpc_server *server;
	uint64_t since;

	/* A duplicate of the socket, watched for the client's end; main thread
	 * alone. */
	int watch_fd;
	bool is_closing;

	struct rpc_accept accept;
	struct rpc_event shutdown;

	/* It has made a call, and counts against the limit of clients. */
	atomic_bool is_admitted;
	/* What the client uses, against the limits. */
	atomic_uint n_calls;
	atomic_uint n_requests;
	atomic_ullong n_bytes;

	/* Its calls, for a drain to tell them. */
	pthread_mutex_t lock;
	struct list calls;
};

/*
 * Serves FD, which is taken, to CLIENT, whose reference is taken. The peer with
 * one reference, that of the server's list; NULL with errno, FD and CLIENT
 * released. Main thread.
 */
struct rpc_peer *rpc_peer_new(struct rpc_server *rpc, int fd,
			      struct client *client);
void rpc_peer_ref(struct rpc_peer *peer);
/* The last one frees the peer and its gRPC server. Any thread. */
void rpc_peer_unref(struct rpc_peer *peer);

/* The connection has ended, or shall: no new calls, all present ones are
 * cancelled, what the client held is released. Main thread; again is fine. */
void rpc_peer_close(struct rpc_peer *peer);

/* No new calls; those there are may finish. Main thread. */
void rpc_peer_drain(struct rpc_peer *peer);

/* May this client make calls, as far as the number of clients goes? Counts it
 * on its first call. RPC thread. */
bool rpc_peer_admit(struct rpc_peer *peer);

/*
 * Counts one request with BYTES of payload against the client's limits. False:
 * it is refused, and *FAILURE says why. Any thread.
 */
bool rpc_peer_take_quota(struct rpc_peer *peer, uint64_t bytes,
			 struct failure *failure);
/* Gives back what was taken. Any thread, locks held or not. */
void rpc_peer_return_quota(struct rpc_peer *peer, uint64_t bytes);
