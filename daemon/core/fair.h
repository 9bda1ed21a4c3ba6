/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests of several clients that wait for the same connections, served in
 * deficit round robin: each client has a queue of its own and a credit in
 * bytes, which what it is served is taken from and each round adds to. A client
 * with thousands of requests thus delays another one by a few at the most.
 *
 * What is sent already lies in the server's queue, where no order can be made
 * any more. So while several clients are present each of them may have only its
 * share of parts in flight.
 *
 * On the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"

struct request;

/* The key of the daemon's own requests, which have no share and take nobody
 * else's. */
#define FAIR_NOBODY 0

/* One client's queue. */
struct flow {
	struct list link;
	uint64_t key;
	/* struct request.flow_link: in order; and passed over in this run. */
	struct list requests;
	struct list aside;
	int64_t credit;
	/* Parts that are sent and not given back. */
	unsigned in_flight;
	uint64_t last_seen;
};

struct fair_queue {
	/* Flows with requests, next to be served first. */
	struct list active;
	/* With requests, but none that can go in this run. */
	struct list blocked;
	struct list idle;
	/* Clients of the last second or so, counted by fair_begin(). */
	unsigned n_present;
};

void fair_init(struct fair_queue *queue);
/* No request is left in it, and no part in flight. */
void fair_done(struct fair_queue *queue);

/* REQUEST waits, as the last one of the client KEY. 0 or -ENOMEM. */
int fair_enqueue(struct fair_queue *queue, struct request *request,
		 uint64_t key, uint64_t now);
/* It waits again, as the first one, right after its last part was answered. */
void fair_put_back(struct fair_queue *queue, struct request *request);
/* It waits no more; harmless if it does not wait. */
void fair_remove(struct fair_queue *queue, struct request *request);

/* A run: begins, asks for the next request until there is none, and ends. */
void fair_begin(struct fair_queue *queue, uint64_t now);
/* The request to be served next, which stays where it is, or NULL. */
struct request *fair_next(struct fair_queue *queue);
/* What was handed out of REQUEST: its client pays. Before it is removed. */
void fair_charge(struct request *request, uint64_t bytes);
/* REQUEST cannot go now; those behind it may. */
void fair_set_aside(struct request *request);
/* Nothing more of REQUEST's client in this run. */
void fair_block(struct fair_queue *queue, struct request *request);
void fair_end(struct fair_queue *queue);

/* May FLOW send one more part over N_CONNECTIONS that take LIMIT parts each? */
bool fair_has_share(const struct fair_queue *queue, const struct flow *flow,
		    unsigned n_connections, unsigned limit);
