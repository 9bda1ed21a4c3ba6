/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fair queueing between clients: see fair.h. */
#include "daemon/core/fair.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/core/request.h"

/* What a client is served in its turn before the next one's. */
#define QUANTUM (16 * 1024)
/* The least that a part costs: much of the work is the same for all sizes. */
#define LEAST_COST 4096

/* A client that has asked for nothing for so long is not present: ns */
#define PRESENCE 1000000000ull

/* While clients share connections this part of what each connection takes is in
 * use. It is what common servers work on at once; the rest would only wait
 * there. */
#define SHARED_PART 4

void
fair_init(struct fair_queue *queue)
{
	list_init(&queue->active);
	list_init(&queue->blocked);
	list_init(&queue->idle);
	queue->n_present = 0;
}

static void
flow_free(struct flow *flow)
{
	list_remove(&flow->link);
	free(flow);
}

void
fair_done(struct fair_queue *queue)
{
	struct list *link;

	while ((link = list_take_first(&queue->idle)))
		free(container_of(link, struct flow, link));
}

static struct flow *
find_in(struct list *flows, uint64_t key)
{
	list_for_each(link, flows) {
		struct flow *flow = container_of(link, struct flow, link);

		if (flow->key == key)
			return flow;
	}
	return NULL;
}

static struct flow *
find_or_add(struct fair_queue *queue, uint64_t key)
{
	struct flow *flow = find_in(&queue->active, key);

	if (!flow)
		flow = find_in(&queue->blocked, key);
	if (!flow)
		flow = find_in(&queue->idle, key);
	if (flow)
		return flow;
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return NULL;
	flow->key = key;
	list_init(&flow->requests);
	list_init(&flow->aside);
	list_init(&flow->link);
	list_append(&queue->idle, &flow->link);
	return flow;
}

static bool
has_requests(const struct flow *flow)
{
	return !list_is_empty(&flow->requests) || !list_is_empty(&flow->aside);
}

static void
move(struct flow *flow, struct list *to)
{
	list_remove(&flow->link);
	list_append(to, &flow->link);
}

static void
activate(struct fair_queue *queue, struct flow *flow)
{
	if (has_requests(flow))
		return;
	flow->credit = QUANTUM;
	move(flow, &queue->active);
}

int
fair_enqueue(struct fair_queue *queue, struct request *request, uint64_t key,
	     uint64_t now)
{
	struct flow *flow = find_or_add(queue, key);

	if (!flow)
		return -ENOMEM;
	activate(queue, flow);
	flow->last_seen = now;
	request->flow = flow;
	list_append(&flow->requests, &request->flow_link);
	return 0;
}

void
fair_put_back(struct fair_queue *queue, struct request *request)
{
	activate(queue, request->flow);
	list_prepend(&request->flow->requests, &request->flow_link);
}

void
fair_remove(struct fair_queue *queue, struct request *request)
{
	struct flow *flow = request->flow;

	if (list_is_empty(&request->flow_link))
		return;
	list_remove(&request->flow_link);
	if (!has_requests(flow))
		move(flow, &queue->idle);
}

static bool
is_present(const struct flow *flow, uint64_t now)
{
	return has_requests(flow) || flow->in_flight > 0 ||
	       now - flow->last_seen < PRESENCE;
}

static unsigned
count_present(struct list *flows, uint64_t now)
{
	unsigned n = 0;

	list_for_each_safe(link, flows) {
		struct flow *flow = container_of(link, struct flow, link);

		if (!is_present(flow, now))
			flow_free(flow);
		else if (flow->key != FAIR_NOBODY)
			n++;
	}
	return n;
}

void
fair_begin(struct fair_queue *queue, uint64_t now)
{
	queue->n_present = count_present(&queue->active, now) +
			   count_present(&queue->idle, now);
}

/* The first active flow has a turn: it has credit, or nobody else wants it. */
static bool
has_turn(struct fair_queue *queue, struct flow *flow)
{
	if (flow->credit > 0)
		return true;
	flow->credit += QUANTUM;
	if (queue->active.next != queue->active.prev) {
		move(flow, &queue->active);
		return false;
	}
	/* Alone it makes no debts. */
	if (flow->credit <= 0)
		flow->credit = QUANTUM;
	return true;
}

struct request *
fair_next(struct fair_queue *queue)
{
	while (!list_is_empty(&queue->active)) {
		struct flow *flow = container_of(queue->active.next,
						 struct flow, link);

		if (list_is_empty(&flow->requests))
			move(flow, &queue->blocked);
		else if (has_turn(queue, flow))
			return container_of(flow->requests.next, struct request,
					    flow_link);
	}
	return NULL;
}

void
fair_charge(struct request *request, uint64_t bytes)
{
	request->flow->credit -= (int64_t)(bytes > LEAST_COST ? bytes
							      : LEAST_COST);
}

void
fair_set_aside(struct request *request)
{
	list_remove(&request->flow_link);
	list_append(&request->flow->aside, &request->flow_link);
}

void
fair_block(struct fair_queue *queue, struct request *request)
{
	move(request->flow, &queue->blocked);
}

/* What was passed over comes first again, in its order. */
static void
take_up_again(struct flow *flow)
{
	while (!list_is_empty(&flow->aside)) {
		struct list *last = flow->aside.prev;

		list_remove(last);
		list_prepend(&flow->requests, last);
	}
}

void
fair_end(struct fair_queue *queue)
{
	struct list *link;

	while ((link = list_take_first(&queue->blocked)))
		list_append(&queue->active, link);
	list_for_each(each, &queue->active)
		take_up_again(container_of(each, struct flow, link));
}

bool
fair_has_share(const struct fair_queue *queue, const struct flow *flow,
	       unsigned n_connections, unsigned limit)
{
	unsigned share;

	if (queue->n_present < 2 || flow->key == FAIR_NOBODY)
		return true;
	share = limit / (SHARED_PART * queue->n_present);
	return flow->in_flight < (share ? share : 1) * n_connections;
}
