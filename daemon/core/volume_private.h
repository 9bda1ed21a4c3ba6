/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volume as the files volume*.c and pool.c see it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "common/list.h"
#include "daemon/config/configuration.h"
#include "daemon/core/child.h"
#include "daemon/core/connection.h"
#include "daemon/core/identity.h"
#include "daemon/core/target.h"
#include "daemon/core/volume.h"

/* What a client may ask for; a configured volume may have more. */
#define AD_HOC_MAX_CONNECTIONS 16
#define AD_HOC_UNFLUSHED_LIMIT (16ull << 20)

/* The connections of a volume: how many there are and shall be. On the loop's
 * thread; the lists change under the volume's lock, so that others can read
 * them there. */
struct pool {
	struct endpoint **endpoints;
	size_t n_endpoints;
	/* The one in use. */
	size_t endpoint;
	/* The program that serves, if there is one. */
	struct child *child;
	/* Ready ones are in target.connections. */
	struct list connecting;
	struct list closing;
	unsigned n_connecting;
	unsigned n_closing;
	/* As many as the load asks for. */
	unsigned wanted;
	/* Attempts that failed since a connection last held. */
	unsigned failures;
	uint64_t retry_at;
	struct timer retry;
	/* Not before then is there another attempt to add one. */
	uint64_t grow_after;
	struct timer shrink;
	struct timer probe;
	/* Looks whether a preferred endpoint serves again; see pool_return.h.
	 * In the list of those connecting. */
	struct connection *scout;
	bool scout_is_ready;
	unsigned scouts_failed;
	struct timer returning;
	/* Connections lost and not made again yet. */
	unsigned n_owed;
	/* No connections shall be made. */
	bool is_held;
	/* When the last connection was lost, or 0. */
	uint64_t lost_at;
	bool is_closed;
	/* Everything is through, but for the child perhaps. */
	bool is_through;
};

struct volume {
	atomic_uint references;
	struct daemon *daemon;
	struct loop *loop;
	char *name;
	bool is_ad_hoc;
	/* The client that opened it ad hoc, a reference, or NULL. */
	struct client *opener;
	/* LIBNBD_ALLOW_TRANSPORT_* bits of an ad-hoc volume. */
	uint32_t ad_hoc_transports;
	/* In daemon.volumes, under the daemon's lock. */
	struct list link;
	bool is_listed;

	/* On the loop's thread. */
	struct request_target target;
	struct pool pool;
	/* All but who may use it; see access. */
	struct volume_settings *settings;
	struct message start;
	struct message shut;
	struct message release;
	uint64_t shut_deadline;
	struct timer shut_timer;
	struct request flush;
	/* The daemon's own, to keep the journal small; see unflushed.c. */
	struct request early_flush;
	/* When the last one ended. */
	uint64_t flushed_early_at;
	struct timer flush_pause;
	bool is_flushing_early;
	/* What it is known by; and what was there instead when it was
	 * quarantined. */
	struct identity identity;
	struct identity strange_identity;
	/* See orders.c. */
	struct list orders;
	bool is_paused;
	bool is_stopped;
	enum volume_state stopped_state;
	bool is_shutting;
	bool is_flushing;
	bool is_disconnecting;
	/* Whoever waits for volume_open_ad_hoc(). */
	void (*on_open)(void *user, struct volume *volume,
			const struct failure *failure);
	void *on_open_user;
	uint64_t open_deadline;
	int init_errnum;
	/* It does not start before that is through. */
	bool has_predecessor;
	/* A reference, or NULL; set before this one is shut. And whether that
	 * has the same servers, and so gets what is not flushed. */
	struct volume *successor;
	bool hands_over;
	/* What it got from its predecessor, before it starts; and how large the
	 * export was. */
	struct journal estate;
	uint64_t estate_size;
	/* Timeouts that hold, in ns. */
	uint64_t connect_timeout;

	atomic_int state;
	atomic_bool is_shut;
	atomic_uint n_ready;
	/* Static text, or NULL. */
	const char *_Atomic unflushed;
	struct metrics metrics;

	/* Guards what other threads read or change, and the lists of
	 * connections. */
	pthread_mutex_t lock;
	struct volume_settings *access;
	bool shows_export;
	struct export_info shown_export;
	struct protocol_info shown_protocol;
	char *last_error;
	uint64_t last_error_at;
	struct list watchers;
};

/* A volume with a reference for the caller and one of its own until it is
 * gone; not listed and not started yet. OPENER: whose ad-hoc volume it will be,
 * or NULL. NULL with errno. */
struct volume *volume_new(struct daemon *daemon,
			  struct volume_settings *settings,
			  const struct client *opener);
/* In volume_start.c. Connects. Any thread. */
void volume_start(struct volume *volume);
/* The same, when PREDECESSOR, which is to be shut next, is through. */
void volume_start_after(struct volume *volume, struct volume *predecessor);
/* On VOLUME's loop: it is through. */
void volume_start_successor(struct volume *volume);
/* volume->start */
void volume_on_start(struct message *message);
/* Refuses new requests, finishes those there are until DEADLINE, flushes,
 * disconnects, and goes. Any thread; the second time does nothing. */
void volume_shut(struct volume *volume, uint64_t deadline);
/* Who may use it changes; the connections stay. Any thread. */
void volume_set_access(struct volume *volume, struct volume_settings *settings);

/* Which requests are slow changes. Main thread. */
void volume_set_slow_request(struct volume *volume,
			     const struct daemon_settings *defaults);

/* May the client know of it, and may it write? Any thread. */
bool volume_is_visible(struct volume *volume, const struct client *client);
bool volume_may_write(struct volume *volume, const struct client *client);

/* On the loop's thread: what pool.c tells. */
void volume_on_ready(struct volume *volume);
void volume_on_failure(struct volume *volume, const struct failure *failure);
void volume_on_disconnected(struct volume *volume);
void volume_update_state(struct volume *volume);
/* The volume is to be closed, and something has ended that this waits for. */
void volume_go_on_shutting(struct volume *volume);

/* pool.c. 0 or -ENOMEM: the endpoints, before the volume starts. */
int pool_init(struct volume *volume);
/* The rest on the loop's thread. 0 or a negative errno. */
int pool_start(struct volume *volume);
/* The load may ask for more connections. */
void pool_consider_growth(struct volume *volume);
/* Says goodbye to all servers; volume_on_disconnected() follows, perhaps from
 * within. */
void pool_close(struct volume *volume);
void pool_done(struct volume *volume);
