/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gRPC side of the daemon: one completion queue, one thread that runs it,
 * and a peer per connected client. Connections are accepted by the main loop,
 * which hands them over with the identity the kernel gave for them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct client_identity;
struct daemon;
struct rpc_server;

/*
 * Starts gRPC and the RPC thread; limits are those of the daemon's
 * configuration. DAEMON must outlive the server. NULL with errno. Main thread,
 * when the signals that the main loop wants are blocked already.
 */
struct rpc_server *rpc_server_new(struct daemon *daemon);

/*
 * A descriptor that polls readable when rpc_server_dispatch() has work; the
 * main loop watches it. Belongs to the server.
 */
int rpc_server_get_fd(const struct rpc_server *rpc);

/* Notices clients that have gone, and the end of a drain. Never blocks. Main
 * thread. */
void rpc_server_dispatch(struct rpc_server *rpc);

/* Serves the connected non-blocking socket FD, which is taken in any case, to
 * the process that IDENTITY tells of. Main thread. */
void rpc_server_accept(struct rpc_server *rpc, int fd,
		       const struct client_identity *identity);

/* Has the main thread close the connection of the client numbered ID; false:
 * there is none. Any thread. */
bool rpc_server_close_client(struct rpc_server *rpc, uint64_t id);

/*
 * No new calls, and streams are asked to end. ON_DRAINED is called once, from
 * rpc_server_dispatch(), when the last call has ended and every client is
 * gone. Main thread, once.
 */
void rpc_server_drain(struct rpc_server *rpc, void (*on_drained)(void *user),
		      void *user);

/* Ends all calls now. Main thread, after rpc_server_drain(). */
void rpc_server_cancel(struct rpc_server *rpc);

/*
 * Cancels what is left, waits for it, and stops the thread and gRPC. Requests
 * in flight still need their I/O threads, so this comes before daemon_free().
 * NULL is allowed. Main thread.
 */
void rpc_server_free(struct rpc_server *rpc);
