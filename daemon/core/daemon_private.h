/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon object as the core's own files see it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "common/list.h"
#include "daemon/config/configuration.h"
#include "daemon/core/daemon.h"
#include "daemon/core/events.h"
#include "daemon/core/loop.h"

struct client;
struct volume;

/* A message that a loop answers by running it; main thread. */
struct sign_of_life {
	struct message message;
	bool is_asked;
	atomic_bool is_given;
};

struct daemon {
	uint64_t started_at;
	struct events *events;
	struct loop **loops;
	struct sign_of_life *signs;
	unsigned n_loops;
	/* Where sockets of children go. */
	char *runtime_directory;
	gid_t admin_group;
	atomic_bool is_draining;

	/* Guards all that follows. Nobody waits for anything under it. */
	pthread_mutex_t lock;
	struct configuration *configuration;
	unsigned next_loop;
	/* In order of name; each a reference. */
	struct list volumes;
	uint64_t next_ad_hoc;
	unsigned ad_hoc_life;
	struct list clients;
	/* Those who have clients. */
	struct list users;
	unsigned n_clients;
	uint64_t next_client;
	/* Volumes and sessions that still have something on a loop. */
	unsigned n_alive;
	uint64_t drain_deadline;
	void (*on_drained)(void *user);
	void *on_drained_user;
	struct daemon_control control;
};

/* The loop for the next volume or session. */
struct loop *daemon_choose_loop(struct daemon *daemon);

/* The loop for what CLIENT opens: one for all, so that what moves from one of
 * its volumes to another stays on one thread and in one processor's cache. */
struct loop *daemon_loop_of(const struct daemon *daemon,
			    const struct client *client);

/* A volume or session begins, or has left its loop. The last one ends a drain.
 * Any thread. */
void daemon_hold(struct daemon *daemon);
void daemon_release(struct daemon *daemon);

/* The registry of volumes. Adding takes a reference; removing drops it and
 * shuts the volume, if it is listed. Any thread. */
void daemon_add_volume(struct daemon *daemon, struct volume *volume);
void daemon_remove_volume(struct daemon *daemon, struct volume *volume);
/* A name that no volume has. */
void daemon_name_ad_hoc(struct daemon *daemon, char *name, size_t size);
/* May a volume that is opened again have this name? 0, -EINVAL or -EEXIST with
 * *FAILURE filled. */
int daemon_check_ad_hoc_name(struct daemon *daemon, const char *name,
			     struct failure *failure);
void daemon_remove_all_volumes(struct daemon *daemon);
/* Removes what CLIENT opened. */
void daemon_close_ad_hoc(struct daemon *daemon, const struct client *client);
