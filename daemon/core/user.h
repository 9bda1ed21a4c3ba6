/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one user has of the daemon, over all of that user's programs: so that
 * nobody takes it all by connecting often. Administrators are not limited; they
 * must be able to look when everything is in use. Any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/list.h"
#include "daemon/core/failure.h"

struct client;
struct daemon;
struct daemon_settings;
struct request;

struct user {
	struct list link;
	uid_t uid;
	/* Connected programs; under the daemon's lock. */
	unsigned n_clients;
	/* Clients that hold it; under the daemon's lock. */
	unsigned references;
	atomic_uint sessions;
	atomic_uint requests;
	atomic_ullong bytes;
};

/* The user of CLIENT, which is being made, with one more program: kept in
 * client->user. 0, -ENOMEM or -EUSERS. Under the daemon's lock. */
int user_join(struct daemon *daemon, struct client *client,
	      const struct daemon_settings *settings);
/* The program has hung up; under the daemon's lock. */
void user_leave(struct client *client);
/* CLIENT is freed; not under the lock. */
void user_release(struct client *client);

/* 0, or -EUSERS with *FAILURE filled. */
int user_add_session(struct client *client,
		     const struct daemon_settings *settings,
		     struct failure *failure);
void user_remove_session(struct client *client);

/* REQUEST is about to be queued: 0, or -EDQUOT with its failure filled. */
int user_charge(struct request *request);
/* REQUEST is through; harmless if it was not charged. */
void user_discharge(struct request *request);
