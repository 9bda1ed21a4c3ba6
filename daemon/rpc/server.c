/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The gRPC server of the daemon: the completion queue and the thread that runs
 * it, the list of peers, and what the main loop sees of them. gRPC's own
 * listening is not used: it tells nothing of who connects, stops for ever after
 * one EMFILE and unlinks the socket at its end.
 */
#include "daemon/rpc/server.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/config/configuration.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon.h"
#include "daemon/core/loop.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/event.h"
#include "daemon/rpc/intake.h"
#include "daemon/rpc/log.h"
#include "daemon/rpc/operation.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/server_private.h"
#include "proto/rpc_limits.h"

/* Peers whose end one turn of the main loop notices. */
#define EVENTS_PER_TURN 64

/* Connections above max_clients that are told why they are not served; beyond
 * these they are closed without a word. */
#define REFUSED_PEERS_MAX 64

/* So many leave memory behind that is worth looking for. */
#define MANY_PEERS 64

/* So many calls more than MaxCallsPerClient= may be begun before those that
 * were given up are done with. */
#define BEGUN_LEEWAY 64

/* A connection that has made no call for so long after it came is closed, a
 * gRPC client connects again when it needs to: ns. */
#define SILENCE_MAX 60000000000ull

/* Also calls that have only just begun; they will not be many. */
static void
watch_calls(struct rpc_server *rpc)
{
	SCOPED_LOCK(&rpc->lock);

	list_for_each(link, &rpc->peers)
		rpc_peer_watch_calls(container_of(link, struct rpc_peer, link));
}

/* Until when to wait for the next event. */
static gpr_timespec
wait_until(struct rpc_server *rpc)
{
	if (atomic_load(&rpc->n_unwatched) == 0)
		rpc->watch_at = 0;
	else if (rpc->watch_at == 0)
		rpc->watch_at = clock_now() + RPC_CALL_BRIEF_TIME;
	if (rpc->watch_at == 0)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return (gpr_timespec){
		.tv_sec = (int64_t)(rpc->watch_at / 1000000000u),
		.tv_nsec = (int32_t)(rpc->watch_at % 1000000000u),
		.clock_type = GPR_CLOCK_MONOTONIC,
	};
}

static void *
run_queue(void *user)
{
	struct rpc_server *rpc = user;
	grpc_event event;

	do {
		intake_turn();
		event = grpc_completion_queue_next(rpc->queue, wait_until(rpc),
						   NULL);
		if (event.type == GRPC_OP_COMPLETE)
			rpc_event_run(event.tag, event.success != 0);
		if (rpc->watch_at > 0 && clock_now() >= rpc->watch_at) {
			rpc->watch_at = 0;
			watch_calls(rpc);
		}
	} while (event.type != GRPC_QUEUE_SHUTDOWN);
	return NULL;
}

static void
read_limits(struct rpc_server *rpc)
{
	struct configuration *configuration = daemon_configuration(rpc->daemon);
	const struct daemon_settings *settings = &configuration->daemon;

	rpc->max_clients = settings->max_clients;
	rpc->max_calls = settings->max_calls;
	rpc->max_begun = 2 * rpc->max_calls + BEGUN_LEEWAY;
	rpc->max_requests = settings->max_requests;
	rpc->max_bytes = settings->max_bytes;
	rpc->max_message = settings->max_message;
	configuration_unref(configuration);
}

static int
watch(struct rpc_server *rpc, int *fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = fd };

	return *fd < 0 ? -1
		       : epoll_ctl(rpc->epoll_fd, EPOLL_CTL_ADD, *fd, &event);
}

static int
open_descriptors(struct rpc_server *rpc)
{
	rpc->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	rpc->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rpc->timer_fd = timerfd_create(CLOCK_MONOTONIC,
				       TFD_CLOEXEC | TFD_NONBLOCK);
	if (rpc->epoll_fd < 0 || watch(rpc, &rpc->wake_fd) < 0 ||
	    watch(rpc, &rpc->timer_fd) < 0)
		return -errno;
	return 0;
}

static void
free_server(struct rpc_server *rpc)
{
	cleanup_close(&rpc->epoll_fd);
	cleanup_close(&rpc->wake_fd);
	cleanup_close(&rpc->timer_fd);
	pthread_cond_destroy(&rpc->no_peers);
	pthread_mutex_destroy(&rpc->lock);
	free(rpc);
}

static void
stop_grpc(struct rpc_server *rpc)
{
	grpc_completion_queue_destroy(rpc->queue);
	grpc_shutdown();
}

struct rpc_server *
rpc_server_new(struct daemon *daemon)
{
	struct rpc_server *rpc = calloc(1, sizeof(*rpc));
	int error;

	if (!rpc)
		return NULL;
	rpc->daemon = daemon;
	rpc->epoll_fd = rpc->wake_fd = rpc->timer_fd = -1;
	pthread_mutex_init(&rpc->lock, NULL);
	pthread_cond_init(&rpc->no_peers, NULL);
	list_init(&rpc->peers);
	read_limits(rpc);
	error = -open_descriptors(rpc);
	if (error == 0) {
		rpc_log_init();
		grpc_init();
		rpc->queue = grpc_completion_queue_create_for_next(NULL);
		error = pthread_create(&rpc->thread, NULL, run_queue, rpc);
		if (error != 0) {
			grpc_completion_queue_shutdown(rpc->queue);
			run_queue(rpc);
			stop_grpc(rpc);
		}
	}
	if (error != 0) {
		free_server(rpc);
		errno = error;
		return NULL;
	}
	pthread_setname_np(rpc->thread, "rpc");
	return rpc;
}

int
rpc_server_get_fd(const struct rpc_server *rpc)
{
	return rpc->epoll_fd;
}

/* The memory of many that have gone is the system's again. With the lock
 * held. */
static void
give_back_memory(struct rpc_server *rpc)
{
	if (rpc->most_peers >= MANY_PEERS)
		malloc_trim(0);
	rpc->most_peers = 0;
}

void
rpc_server_wake(struct rpc_server *rpc)
{
	eventfd_write(rpc->wake_fd, 1);
}

void
rpc_server_count_peer(struct rpc_server *rpc, int change)
{
	SCOPED_LOCK(&rpc->lock);

	rpc->n_peers += (unsigned int)change;
	if (rpc->n_peers > rpc->most_peers)
		rpc->most_peers = rpc->n_peers;
	if (rpc->n_peers > 0)
		return;
	give_back_memory(rpc);
	pthread_cond_broadcast(&rpc->no_peers);
	if (rpc->is_draining)
		rpc_server_wake(rpc);
}

static bool
is_drained(struct rpc_server *rpc)
{
	SCOPED_LOCK(&rpc->lock);

	return rpc->is_draining && rpc->n_peers == 0;
}

/* The peers with a reference each, so that ACT may run without the lock. */
static void
for_each_peer(struct rpc_server *rpc, void (*act)(struct rpc_peer *peer))
{
	struct list taken;
	struct list *link;

	list_init(&taken);
	for (;;) {
		struct rpc_peer *peer;

		pthread_mutex_lock(&rpc->lock);
		link = list_take_first(&rpc->peers);
		if (!link) {
			while ((link = list_take_first(&taken)))
				list_append(&rpc->peers, link);
			pthread_mutex_unlock(&rpc->lock);
			return;
		}
		list_append(&taken, link);
		peer = container_of(link, struct rpc_peer, link);
		rpc_peer_ref(peer);
		pthread_mutex_unlock(&rpc->lock);
		act(peer);
		rpc_peer_unref(peer);
	}
}

static void
start_timer(struct rpc_server *rpc, uint64_t ns)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(ns / 1000000000u),
	};

	rpc->is_timer_set = true;
	timerfd_settime(rpc->timer_fd, 0, &when, NULL);
}

/* Sets the timer for when the silence of a peer that came now is too long. */
static void
set_timer(struct rpc_server *rpc)
{
	if (!rpc->is_timer_set)
		start_timer(rpc, SILENCE_MAX);
}

static void
close_if_silent(struct rpc_peer *peer)
{
	if (atomic_load(&peer->has_called))
		return;
	if (clock_now() - peer->since >= SILENCE_MAX)
		rpc_peer_close(peer);
	else
		set_timer(peer->rpc);
}

/* Further with a drain, until the last peer has gone. */
static void
go_on_draining(struct rpc_server *rpc)
{
	for_each_peer(rpc, rpc_peer_drain);
	start_timer(rpc, RPC_PEER_GOODBYE_TIME);
}

static void
on_timer(struct rpc_server *rpc)
{
	uint64_t count;

	if (read(rpc->timer_fd, &count, sizeof(count)) < 0)
		return;
	rpc->is_timer_set = false;
	if (rpc->on_drained)
		go_on_draining(rpc);
	else
		for_each_peer(rpc, close_if_silent);
}

static void
close_if_asked(struct rpc_peer *peer)
{
	if (peer->client && peer->client->must_close)
		rpc_peer_close(peer);
	rpc_peer_close_if_flooded(peer);
}

bool
rpc_server_close_client(struct rpc_server *rpc, uint64_t id)
{
	if (!client_ask_to_close(rpc->daemon, id))
		return false;
	rpc_server_wake(rpc);
	return true;
}

static void
on_wake(struct rpc_server *rpc)
{
	eventfd_t count;

	if (eventfd_read(rpc->wake_fd, &count) < 0)
		return;
	for_each_peer(rpc, close_if_asked);
	if (rpc->on_drained)
		go_on_draining(rpc);
}

void
rpc_server_dispatch(struct rpc_server *rpc)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int n = epoll_wait(rpc->epoll_fd, events, EVENTS_PER_TURN, 0);

	for (int i = 0; i < n; i++)
		if (events[i].data.ptr != &rpc->wake_fd &&
		    events[i].data.ptr != &rpc->timer_fd)
			rpc_peer_close(events[i].data.ptr);
	/* These may free peers, so no event of one may be left. */
	on_wake(rpc);
	on_timer(rpc);
	if (rpc->on_drained && is_drained(rpc))
		TAKE_PTR(rpc->on_drained)(rpc->drained_user);
}

static bool
has_room(struct rpc_server *rpc)
{
	SCOPED_LOCK(&rpc->lock);

	return !rpc->is_draining &&
	       rpc->n_peers < rpc->max_clients + REFUSED_PEERS_MAX;
}

void
rpc_server_accept(struct rpc_server *rpc, int fd,
		  const struct client_identity *identity)
{
	int error;

	if (!has_room(rpc)) {
		close(fd);
		return;
	}
	error = rpc_peer_new(rpc, fd, identity);
	if (error < 0)
		rpc_log_refused_peer(error, identity);
	else
		set_timer(rpc);
}

void
rpc_server_drain(struct rpc_server *rpc, void (*on_drained)(void *user),
		 void *user)
{
	rpc->on_drained = on_drained;
	rpc->drained_user = user;
	pthread_mutex_lock(&rpc->lock);
	rpc->is_draining = true;
	pthread_mutex_unlock(&rpc->lock);
	rpc_server_wake(rpc);
}

void
rpc_server_cancel(struct rpc_server *rpc)
{
	for_each_peer(rpc, rpc_peer_close);
}

void
rpc_server_free(struct rpc_server *rpc)
{
	if (!rpc)
		return;
	rpc_server_cancel(rpc);
	pthread_mutex_lock(&rpc->lock);
	while (rpc->n_peers > 0)
		pthread_cond_wait(&rpc->no_peers, &rpc->lock);
	pthread_mutex_unlock(&rpc->lock);
	grpc_completion_queue_shutdown(rpc->queue);
	pthread_join(rpc->thread, NULL);
	stop_grpc(rpc);
	free_server(rpc);
}
