/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that is connected to the daemon: who it is, what it may do, and
 * what it holds. Counted by reference; the registry of clients holds one
 * reference until client_gone(). Any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/list.h"
#include "daemon/core/failure.h"

struct daemon;
struct loop;
struct metrics;
struct user;

/* What the kernel says of the peer of a unix socket. GROUPS are the
 * supplementary ones; owned by the caller. */
struct client_identity {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	const gid_t *groups;
	size_t n_groups;
};

struct client {
	/* Unique in the life of the daemon. */
	uint64_t id;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	/* root, the daemon's own user, or a member of nbd-clientd-admin */
	bool is_admin;
	/* CLOCK_MONOTONIC, ns. */
	uint64_t since;
	/* Calls in progress: counted by the RPC layer. */
	atomic_uint calls;
	/* The rest is counted by the core. */
	atomic_uint requests_in_flight;
	atomic_ullong bytes_in_flight;
	atomic_uint ad_hoc_volumes;
	atomic_uint sessions;

	/* Its user, and what all of that user's clients may have in flight. */
	struct user *user;
	struct {
		unsigned requests;
		uint64_t bytes;
	} user_limits;

	/* Private to client.c. */
	/* For each I/O thread, made when it first serves the client. */
	_Atomic(struct metrics *) *metrics;
	unsigned n_metrics;
	struct daemon *daemon;
	struct list link;
	atomic_uint references;
	atomic_bool is_gone;
	/* Somebody wants its connection closed. */
	atomic_bool must_close;
};

/* A new client with a reference for the caller, or NULL: errno ENOMEM, or
 * EUSERS if MaxClients= or MaxClientsPerUser= is reached. */
struct client *client_new(struct daemon *daemon,
			  const struct client_identity *identity);
struct client *client_ref(struct client *client);
/* NULL is allowed. */
void client_unref(struct client *client);

/* The peer has hung up: its ad-hoc volumes close and it leaves the list of
 * clients. The RPC layer closes its sessions itself. References stay valid. */
void client_gone(struct client *client);

/* What LOOP, whose thread this is, counts of CLIENT; NULL where nothing is
 * counted: CLIENT is NULL, or memory is short. */
struct metrics *client_metrics(struct client *client, const struct loop *loop);
/* Adds what all threads have counted to SUM. Any thread. */
void client_add_metrics(const struct client *client, struct metrics *sum);

/* A snapshot of the connected clients for ListClients. */
struct client_description {
	uint64_t id;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	bool is_admin;
	uint64_t age_ns;
	unsigned calls;
	unsigned requests_in_flight;
	unsigned ad_hoc_volumes;
	unsigned sessions;
};

/* 0 or -ENOMEM. The caller frees *DESCRIPTIONS. In order of id. */
int clients_describe(struct daemon *daemon,
		     struct client_description **descriptions, size_t *n);
/* Sets must_close of the client numbered ID; false: there is none. */
bool client_ask_to_close(struct daemon *daemon, uint64_t id);
unsigned clients_count(struct daemon *daemon);
