/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One client's connection. gRPC reports the end of calls but not the end of an
 * idle connection, so a duplicate of the socket is watched for the other side's
 * end. The duplicate must be closed with it: the peer would see no end of file
 * otherwise.
 *
 * References: one of the server's list, given up when gRPC has shut the peer's
 * server down; one of the watch, given up by rpc_peer_close(); one of the
 * request for the next call; one of each call.
 */
#include "daemon/rpc/peer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "common/thread_sanitizer.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon.h"
#include "daemon/core/failure.h"
#include "daemon/core/loop.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/dispatch.h"
#include "daemon/rpc/intake.h"
#include "daemon/rpc/log.h"
#include "daemon/rpc/server_private.h"
#include "proto/channel_args.h"

static void
free_peer(struct rpc_peer *peer)
{
	struct rpc_server *rpc = peer->rpc;

	assert(list_is_empty(&peer->calls));
	cleanup_close(&peer->watch_fd);
	if (peer->server)
		grpc_server_destroy(peer->server);
	intake_end(peer->intake, peer);
	client_unref(peer->client);
	pthread_mutex_destroy(&peer->lock);
	free(peer);
	rpc_server_count_peer(rpc, -1);
}

void
rpc_peer_ref(struct rpc_peer *peer)
{
	atomic_fetch_add(&peer->refs, 1);
}

void
rpc_peer_unref(struct rpc_peer *peer)
{
	if (atomic_fetch_sub(&peer->refs, 1) == 1)
		free_peer(peer);
}

static void
request_next_call(struct rpc_peer *peer)
{
	struct rpc_accept *accept = &peer->accept;
	grpc_call_error error;

	accept->call = NULL;
	grpc_call_details_init(&accept->details);
	grpc_metadata_array_init(&accept->metadata);
	handing_over(&accept->event);
	error = grpc_server_request_call(peer->server, &accept->call,
					 &accept->details, &accept->metadata,
					 peer->rpc->queue, peer->rpc->queue,
					 &accept->event);
	assert(error == GRPC_CALL_OK);
	(void)error;
}

static bool
admit_call(struct rpc_peer *peer)
{
	SCOPED_LOCK(&peer->lock);

	if (!peer->is_draining)
		peer->n_calls++;
	return !peer->is_draining;
}

/* One request is always posted, so that gRPC hands over every method, also
 * those that nobody knows. */
static void
on_accept(struct rpc_event *event, bool ok)
{
	struct rpc_accept *accept = container_of(event, struct rpc_accept,
						 event);
	struct rpc_peer *peer = container_of(accept, struct rpc_peer, accept);
	struct rpc_accept accepted = *accept;

	if (ok) {
		atomic_store(&peer->has_called, true);
		intake_accept(peer->intake, peer);
		request_next_call(peer);
		accepted.is_admitted = admit_call(peer);
		rpc_dispatch(peer, &accepted);
		return;
	}
	grpc_call_details_destroy(&accepted.details);
	grpc_metadata_array_destroy(&accepted.metadata);
	rpc_peer_unref(peer);
}

static void
on_shutdown(struct rpc_event *event, bool ok)
{
	struct rpc_peer *peer = container_of(event, struct rpc_peer, shutdown);

	(void)ok;
	pthread_mutex_lock(&peer->rpc->lock);
	list_remove(&peer->link);
	pthread_mutex_unlock(&peer->rpc->lock);
	rpc_peer_unref(peer);
}

static grpc_server *
create_server(const struct rpc_server *rpc)
{
	grpc_arg args[RPC_CHANNEL_ARGS_MAX + 2];
	grpc_channel_args all = { .args = args };
	grpc_server *server;

	/* Large writes that come all at once would wait for each other, cold in
	 * the cache; and less of a client's is held for it. */
	all.num_args = rpc_channel_args(args, rpc->max_message,
					RPC_WINDOW_NARROW);
	args[all.num_args++] = (grpc_arg){
		.type = GRPC_ARG_INTEGER,
		.key = (char[]){ GRPC_ARG_MAX_CONCURRENT_STREAMS },
		.value.integer = (int)rpc->max_calls,
	};
	/* Local bytes are not worth compressing, and a small message that
	 * unpacks to a huge one would pass the limit above. */
	args[all.num_args++] = (grpc_arg){
		.type = GRPC_ARG_INTEGER,
		.key =
			(char[]){
				GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET },
		.value.integer = 1 << GRPC_COMPRESS_NONE,
	};
	server = grpc_server_create(&all, NULL);
	grpc_server_register_completion_queue(server, rpc->queue, NULL);
	grpc_server_start(server);
	return server;
}

static int
watch_socket(struct rpc_peer *peer, int fd)
{
	struct epoll_event event = { .events = EPOLLRDHUP, .data.ptr = peer };

	peer->watch_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (peer->watch_fd < 0 || epoll_ctl(peer->rpc->epoll_fd, EPOLL_CTL_ADD,
					    peer->watch_fd, &event) < 0)
		return -errno;
	return 0;
}

/* gRPC takes FD and begins to speak HTTP/2 on it. */
static void
start_serving(struct rpc_peer *peer, int fd)
{
	grpc_server_credentials *credentials =
		grpc_insecure_server_credentials_create();

	rpc_tune_socket(fd);
	peer->server = create_server(peer->rpc);
	peer->accept.event.run = on_accept;
	peer->shutdown.run = on_shutdown;
	pthread_mutex_lock(&peer->rpc->lock);
	list_append(&peer->rpc->peers, &peer->link);
	pthread_mutex_unlock(&peer->rpc->lock);
	/* The list's and the posted request's; the watch's is there. */
	atomic_fetch_add(&peer->refs, 2);
	request_next_call(peer);
	grpc_server_add_channel_from_fd(peer->server, fd, credentials);
	grpc_server_credentials_release(credentials);
}

int
rpc_peer_new(struct rpc_server *rpc, int fd,
	     const struct client_identity *identity)
{
	CLEANUP_CLOSE int owned = fd;
	struct rpc_peer *peer = calloc(1, sizeof(*peer));
	int error;

	if (!peer)
		return -ENOMEM;
	atomic_init(&peer->refs, 1);
	list_init(&peer->link);
	list_init(&peer->calls);
	pthread_mutex_init(&peer->lock, NULL);
	peer->rpc = rpc;
	peer->watch_fd = -1;
	peer->since = clock_now();
	rpc_server_count_peer(rpc, 1);
	peer->client = client_new(rpc->daemon, identity);
	error = peer->client || errno == EUSERS ? 0 : -errno;
	if (error == 0)
		error = watch_socket(peer, fd);
	if (error == 0) {
		peer->intake = intake_begin(peer, fd);
		error = peer->intake ? 0 : -errno;
	}
	if (error < 0) {
		if (peer->client)
			client_gone(peer->client);
		rpc_peer_unref(peer);
		return error;
	}
	start_serving(peer, TAKE_FD(owned));
	return 0;
}

/* Asks gRPC to take no more calls; it says goodbye to the client and, when the
 * last call has ended, reports on_shutdown. */
static void
shut_down(struct rpc_peer *peer)
{
	if (peer->is_shutting_down)
		return;
	peer->is_shutting_down = true;
	handing_over(&peer->shutdown);
	grpc_server_shutdown_and_notify(peer->server, peer->rpc->queue,
					&peer->shutdown);
}

void
rpc_peer_close(struct rpc_peer *peer)
{
	if (peer->watch_fd < 0)
		return;
	epoll_ctl(peer->rpc->epoll_fd, EPOLL_CTL_DEL, peer->watch_fd, NULL);
	shut_down(peer);
	grpc_server_cancel_all_calls(peer->server);
	/* gRPC closes a connection only when it has sent what it is sending, and
	 * a client that does not read would keep it for ever. */
	shutdown(peer->watch_fd, SHUT_RDWR);
	close(TAKE_FD(peer->watch_fd));
	if (peer->client)
		client_gone(peer->client);
	rpc_peer_unref(peer);
}

/* Why the connection has to end, or NULL. */
static const char *
find_flood(struct rpc_peer *peer)
{
	SCOPED_LOCK(&peer->lock);

	return peer->is_flooded
		       ? "it has far more calls than MaxCallsPerClient= allows"
		       : intake_flood(peer->intake, peer);
}

void
rpc_peer_close_if_flooded(struct rpc_peer *peer)
{
	const char *why = peer->watch_fd < 0 ? NULL : find_flood(peer);

	if (!why)
		return;
	rpc_log_flooding_peer(peer->client, why);
	rpc_peer_close(peer);
}

bool
rpc_peer_add_call(struct rpc_peer *peer, struct list *call)
{
	SCOPED_LOCK(&peer->lock);

	list_append(&peer->calls, call);
	if (++peer->n_open > peer->rpc->max_begun && !peer->is_flooded) {
		peer->is_flooded = true;
		rpc_server_wake(peer->rpc);
	}
	return peer->is_draining;
}

void
rpc_peer_remove_call(struct rpc_peer *peer, struct list *call)
{
	SCOPED_LOCK(&peer->lock);

	list_remove(call);
	peer->n_open--;
}

void
rpc_peer_end_call(struct rpc_peer *peer)
{
	SCOPED_LOCK(&peer->lock);

	if (--peer->n_calls > 0)
		return;
	peer->idle_since = clock_now();
	if (peer->is_draining)
		rpc_server_wake(peer->rpc);
}

void
rpc_peer_watch_calls(struct rpc_peer *peer)
{
	SCOPED_LOCK(&peer->lock);

	list_for_each(link, &peer->calls)
		rpc_call_watch(container_of(link, struct rpc_call, link));
}

/* One of the peer's calls that has not been told of the drain, with a
 * reference, or NULL. */
static struct rpc_call *
take_call_to_drain(struct rpc_peer *peer, struct list *told)
{
	SCOPED_LOCK(&peer->lock);
	struct list *link = list_take_first(&peer->calls);
	struct rpc_call *call;

	if (!link) {
		while ((link = list_take_first(told)))
			list_append(&peer->calls, link);
		return NULL;
	}
	list_append(told, link);
	call = container_of(link, struct rpc_call, link);
	rpc_call_ref(call);
	return call;
}

static void
tell_calls_of_drain(struct rpc_peer *peer)
{
	struct rpc_call *call;
	struct list told;

	list_init(&told);
	while ((call = take_call_to_drain(peer, &told))) {
		if (call->handler->on_drain)
			call->handler->on_drain(call);
		rpc_call_unref(call);
	}
}

/*
 * The goodbye waits for the last call because gRPC closes the connection at the
 * end of the last call that follows it, and a client that writes to a closed
 * connection loses what it has not read: it would miss that call's status. With
 * no call left, gRPC waits for the client to acknowledge the goodbye, by when it
 * has read all there was. One that does not speak HTTP/2, or does not run, never
 * acknowledges; what became idle long ago has nothing to miss.
 */
void
rpc_peer_drain(struct rpc_peer *peer)
{
	uint64_t idle_since;
	bool is_first, is_idle;

	pthread_mutex_lock(&peer->lock);
	is_first = !peer->is_draining;
	peer->is_draining = true;
	pthread_mutex_unlock(&peer->lock);
	if (is_first)
		tell_calls_of_drain(peer);
	pthread_mutex_lock(&peer->lock);
	is_idle = peer->n_calls == 0;
	idle_since = peer->idle_since;
	pthread_mutex_unlock(&peer->lock);
	if (!is_idle)
		return;
	if (clock_now() - idle_since >= RPC_PEER_GOODBYE_TIME)
		rpc_peer_close(peer);
	else
		shut_down(peer);
}

bool
rpc_peer_reserve(struct rpc_peer *peer, uint64_t bytes, struct failure *failure)
{
	uint64_t limit = peer->rpc->max_bytes;
	uint64_t before = atomic_fetch_add(&peer->reply_bytes, bytes);

	/* One large reply must be possible whatever the limit. */
	if (before == 0 || before + bytes <= limit)
		return true;
	atomic_fetch_sub(&peer->reply_bytes, bytes);
	failure_set(
		failure, EDQUOT, FAILURE_LIMIT,
		"replies of %lu bytes wait to be read by this client, and "
		"%lu more would exceed its limit of %lu (MaxBytesPerClient=)",
		(unsigned long)before, (unsigned long)bytes,
		(unsigned long)limit);
	failure_set_hint(failure, "Read the replies before asking for more.");
	return false;
}

void
rpc_peer_sent(struct rpc_peer *peer, uint64_t bytes)
{
	atomic_fetch_sub(&peer->reply_bytes, bytes);
}
