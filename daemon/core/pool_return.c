/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scouts, and how a volume follows one. */
#include "daemon/core/pool_return.h"

#include "daemon/core/log.h"
#include "daemon/core/pool_private.h"
#include "daemon/core/unflushed.h"

static bool
changes_nothing(const struct request_target *target)
{
	return target->is_read_only ||
	       (target->has_export && target->export.is_read_only);
}

bool
pool_is_for_reads(const struct volume *volume, size_t endpoint)
{
	return endpoint > 0 && !volume->settings->shares_storage &&
	       !changes_nothing(&volume->target);
}

/* A read can be answered by any copy, as long as we have not changed one of
 * them: the others would not know. */
bool
pool_may_use(const struct volume *volume, size_t endpoint)
{
	return !pool_is_for_reads(volume, endpoint) ||
	       !volume->target.was_written;
}

/* Where writes wait, there is more haste. */
static uint64_t
pause_before_scout(const struct volume *volume)
{
	uint64_t longest = volume->settings->return_interval;
	uint64_t shorter = pool_pause(volume->pool.scouts_failed + 1);

	return volume->target.is_for_reads && shorter < longest ? shorter
								: longest;
}

void
pool_plan_return(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	volume->target.is_for_reads = pool_is_for_reads(volume, pool->endpoint);
	if (pool->endpoint == 0 || pool->is_closed || pool->is_held) {
		loop_stop_timer(volume->loop, &pool->returning);
		pool->scouts_failed = 0;
	} else if (!pool->scout && !pool->returning.place) {
		loop_set_timer(volume->loop, &pool->returning,
			       loop_now(volume->loop) +
				       pause_before_scout(volume));
	}
}

void
pool_forget_scout(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	loop_stop_timer(volume->loop, &pool->returning);
	pool->scout = NULL;
	pool->scout_is_ready = false;
	if (volume->target.is_moving)
		target_dispatch_later(&volume->target);
	volume->target.is_moving = false;
}

static void
try_again_later(struct volume *volume)
{
	volume->pool.scouts_failed++;
	pool_plan_return(volume);
}

/* It is no use, but lives. */
static void
dismiss_scout(struct volume *volume, const char *why)
{
	struct connection *connection = volume->pool.scout;
	struct log_subject about = {
		.volume = volume->name,
		.endpoint = connection->endpoint->uri,
		.connection = connection->id,
	};

	log_write(LOG_WARNING, &about, "%s serves again, but stays unused: %s",
		  connection->endpoint->uri, why);
	pool_forget_scout(volume);
	volume->pool.n_connecting--;
	pool_close_politely(volume, connection);
	try_again_later(volume);
}

void
pool_on_return(struct timer *timer)
{
	struct volume *volume = container_of(timer, struct volume,
					     pool.returning);
	struct pool *pool = &volume->pool;

	if (pool->scout && pool->scout_is_ready) {
		dismiss_scout(volume, "what is in flight was not answered and "
				      "flushed in time");
		return;
	}
	/* Without any connection the endpoints are tried in order anyway. */
	if (pool->scout || pool->endpoint == 0 ||
	    volume->target.n_connections == 0)
		return;
	pool->scout = pool_connect(volume,
				   pool->scouts_failed % pool->endpoint);
	if (!pool->scout)
		try_again_later(volume);
}

void
pool_on_scout_lost(struct volume *volume, const struct failure *failure)
{
	struct connection *connection = volume->pool.scout;
	struct log_subject about = { .volume = volume->name,
				     .endpoint = connection->endpoint->uri };

	pool_forget_scout(volume);
	volume->pool.n_connecting--;
	pool_discard(volume, connection);
	if (volume->target.n_connections == 0) {
		/* The others were lost meanwhile, and it was the hope. */
		pool_on_attempt_failed(volume, failure);
		return;
	}
	log_write(LOG_DEBUG, &about, "a preferred endpoint: %s",
		  failure_text(failure));
	try_again_later(volume);
}

static void
go_over(struct volume *volume)
{
	struct pool *pool = &volume->pool;
	struct connection *connection = pool->scout;
	struct log_subject about = { .volume = volume->name,
				     .endpoint = connection->endpoint->uri };

	log_write(LOG_NOTICE, &about, "back to %s, which is preferred",
		  connection->endpoint->uri);
	pool_forget_scout(volume);
	list_for_each_safe(link, &volume->target.connections) {
		pool_dismiss(volume,
			     container_of(link, struct connection, link));
	}
	pool->endpoint = connection->endpoint_number;
	pool->wanted = volume->settings->connections_min;
	pool_on_identified(volume, connection);
}

void
pool_on_scout_ready(struct volume *volume, const char *difference)
{
	struct pool *pool = &volume->pool;

	if (volume->target.n_connections == 0) {
		go_over(volume);
		return;
	}
	if (difference) {
		dismiss_scout(volume, difference);
		return;
	}
	pool->scout_is_ready = true;
	volume->target.is_moving = true;
	loop_set_timer(volume->loop, &pool->returning,
		       loop_now(volume->loop) + volume->connect_timeout);
	target_dispatch_later(&volume->target);
}

void
pool_go_on_returning(struct volume *volume)
{
	struct request_target *target = &volume->target;

	if (!volume->pool.scout || !volume->pool.scout_is_ready)
		return;
	if (target->n_connections > 0) {
		if (!target_is_quiet(target))
			return;
		if (target->journal.needs_replay ||
		    (target->export.can_flush && unflushed_is_any(volume))) {
			unflushed_flush_all(volume);
			return;
		}
	}
	go_over(volume);
}
