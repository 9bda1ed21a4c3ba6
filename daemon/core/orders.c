/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Accept, pause, resume, reconnect. Orders come as messages from any thread. A
 * pause is through when the server has nothing of ours any more: what was sent
 * is answered, what was acknowledged is flushed, and we have hung up.
 */
#include "daemon/core/orders.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/core/log.h"
#include "daemon/core/pool_private.h"
#include "daemon/core/unflushed.h"

struct order {
	struct message message;
	/* In volume->orders. */
	struct list link;
	struct volume *volume;
	enum volume_order kind;
	void (*on_done)(void *user, struct volume *volume,
			const struct failure *failure);
	void *user;
};

/* FAILURE NULL: it is done. */
static void
finish(struct order *order, const struct failure *failure)
{
	list_remove(&order->link);
	order->on_done(order->user, order->volume, failure);
	volume_unref(order->volume);
	free(order);
}

static void
refuse(struct order *order, int errnum, const char *text)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum, FAILURE_BUSY, "volume %s %s",
		    order->volume->name, text);
	failure_set_place(&failure, order->volume->name, NULL);
	finish(order, &failure);
	failure_done(&failure);
}

void
volume_stop(struct volume *volume, enum volume_state state,
	    const struct failure *why)
{
	volume->is_stopped = true;
	volume->stopped_state = state;
	target_close(&volume->target, why);
	target_fail_all(&volume->target, why);
	pool_hold(volume);
	volume_on_failure(volume, why);
	volume_update_state(volume);
}

/* Ends a stop; a pause goes on. */
static void
go(struct volume *volume)
{
	if (volume->is_stopped && !volume->is_shutting)
		target_open(&volume->target);
	volume->is_stopped = false;
	volume->pool.failures = 0;
	volume->pool.endpoint = 0;
	volume->pool.lost_at = 0;
	if (!volume->is_paused)
		pool_release(volume);
	volume_update_state(volume);
}

static void
accept_identity(struct order *order)
{
	struct volume *volume = order->volume;
	struct log_subject about = { .volume = volume->name };

	if (!volume->is_stopped ||
	    volume->stopped_state != VOLUME_QUARANTINED) {
		refuse(order, EBUSY,
		       "is not quarantined: there is nothing to "
		       "accept");
		return;
	}
	log_write(LOG_NOTICE, &about, "the export is accepted as it is");
	identity_done(&volume->identity);
	volume->identity = volume->strange_identity;
	volume->strange_identity = (struct identity){ 0 };
	go(volume);
	finish(order, NULL);
}

/* A paused volume becomes quiet step by step. True: it is. */
static bool
quieten(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	if (!target_is_quiet(&volume->target))
		return false;
	if (volume->target.n_connections > 0 && volume->target.journal.is_on &&
	    volume->target.journal.bytes > 0) {
		unflushed_flush_early(volume);
		return false;
	}
	if (!pool->is_held)
		pool_hold(volume);
	return volume->target.n_connections == 0 && pool->n_closing == 0;
}

static void
pause_volume(struct order *order)
{
	struct volume *volume = order->volume;

	list_append(&volume->orders, &order->link);
	if (!volume->is_paused)
		log_write(LOG_NOTICE,
			  &(struct log_subject){ .volume = volume->name },
			  "paused: requests wait");
	volume->is_paused = true;
	volume->target.is_paused = true;
	volume_update_state(volume);
	orders_go_on(volume);
}

static void
resume_volume(struct order *order)
{
	struct volume *volume = order->volume;

	if (!volume->is_paused) {
		refuse(order, EBUSY, "is not paused");
		return;
	}
	log_write(LOG_NOTICE, &(struct log_subject){ .volume = volume->name },
		  "resumed");
	volume->is_paused = false;
	volume->target.is_paused = false;
	while (!list_is_empty(&volume->orders))
		refuse(container_of(volume->orders.next, struct order, link),
		       EAGAIN, "was resumed before the pause was through");
	if (!volume->is_stopped)
		pool_release(volume);
	volume_update_state(volume);
	target_dispatch_later(&volume->target);
	finish(order, NULL);
}

static void
reconnect(struct order *order)
{
	struct volume *volume = order->volume;
	struct failure why = { 0 };

	if (volume->is_paused) {
		refuse(order, EBUSY, "is paused: resume it");
		return;
	}
	failure_set(&why, ECONNRESET, FAILURE_SERVER_UNREACHABLE,
		    "an administrator asked for new connections");
	pool_lose_all(volume, &why);
	failure_done(&why);
	go(volume);
	finish(order, NULL);
}

static void
on_order(struct message *message)
{
	struct order *order = container_of(message, struct order, message);

	if (order->volume->is_shutting) {
		refuse(order, ESHUTDOWN, "is being closed");
		return;
	}
	switch (order->kind) {
	case VOLUME_ACCEPT:
		accept_identity(order);
		break;
	case VOLUME_PAUSE:
		pause_volume(order);
		break;
	case VOLUME_RESUME:
		resume_volume(order);
		break;
	case VOLUME_RECONNECT:
		reconnect(order);
		break;
	}
}

void
orders_go_on(struct volume *volume)
{
	if (list_is_empty(&volume->orders) || !quieten(volume))
		return;
	while (!list_is_empty(&volume->orders))
		finish(container_of(volume->orders.next, struct order, link),
		       NULL);
}

void
orders_fail(struct volume *volume)
{
	while (!list_is_empty(&volume->orders))
		refuse(container_of(volume->orders.next, struct order, link),
		       ESHUTDOWN, "is being closed");
}

void
volume_give_order(struct volume *volume, enum volume_order kind,
		  void (*on_done)(void *user, struct volume *volume,
				  const struct failure *failure),
		  void *user)
{
	struct order *order = calloc(1, sizeof(*order));

	if (!order) {
		struct failure failure = { .errnum = ENOMEM,
					   .reason = FAILURE_LIMIT };

		on_done(user, volume, &failure);
		return;
	}
	order->message.run = on_order;
	list_init(&order->link);
	order->volume = volume_ref(volume);
	order->kind = kind;
	order->on_done = on_done;
	order->user = user;
	loop_send(volume->loop, &order->message);
}
