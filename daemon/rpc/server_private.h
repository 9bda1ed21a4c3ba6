/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server as its peers and handlers see it. */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/rpc/server.h"

struct rpc_server {
	struct daemon *daemon;
	grpc_completion_queue *queue;
	pthread_t thread;
	/* Calls that nobody watches for their end; and, of the RPC thread, when
	 * it looks for those that take too long: CLOCK_MONOTONIC ns, 0: not at
	 * all. */
	atomic_uint n_unwatched;
	uint64_t watch_at;

	/* From the configuration. */
	unsigned int max_clients;
	unsigned int max_calls;
	/* Calls that a client may have begun and the daemon not ended; one that
	 * keeps to max_calls and waits for nothing has fewer. */
	unsigned int max_begun;
	unsigned int max_requests;
	size_t max_message;
	uint64_t max_bytes;

	/* What the main loop polls: the peers' sockets, wake_fd, and the timer
	 * that finds clients who never say anything or, in a drain, do not
	 * go. */
	int epoll_fd;
	int wake_fd;
	int timer_fd;
	bool is_timer_set;
	void (*on_drained)(void *user);
	void *drained_user;

	/* Guards the rest. */
	pthread_mutex_t lock;
	pthread_cond_t no_peers;
	struct list peers;
	/* Freed peers are not in the list but counted until then. */
	unsigned int n_peers;
	/* Since there were none. */
	unsigned int most_peers;
	bool is_draining;
};

/* Has the main loop look at all peers: one shall be closed, or became idle in a
 * drain, or the last one has gone. Any thread. */
void rpc_server_wake(struct rpc_server *rpc);

/* A peer has been made, or freed. */
void rpc_server_count_peer(struct rpc_server *rpc, int change);
