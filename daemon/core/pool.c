/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many connections a volume has, and to where. One is made at once and
 * kept: when the last is lost, attempts follow with growing pauses. More are
 * added one by one while the load asks for them, if the server says that
 * several are consistent, and go again when they have nothing to do.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "common/cleanup.h"
#include "daemon/core/backoff.h"
#include "daemon/core/choose.h"
#include "daemon/core/log.h"
#include "daemon/core/orders.h"
#include "daemon/core/pool_private.h"
#include "daemon/core/pool_return.h"
#include "daemon/core/unflushed.h"

/* After an attempt to add a connection failed. */
#define GROW_PAUSE 60000000000ull
/* Requests in flight on the least loaded connection that justify one more; and
 * how long answers take (ns) where so few do: what is quicker is not made quicker
 * by another connection, which only means that both threads and the server's have
 * more places to look at. */
#define GROW_LOAD       4
#define GROW_LOAD_QUICK 16
#define QUICK_ANSWER    1000000

static uint32_t
random_number(void)
{
	uint32_t number = 0;

	/* Cannot fail for as few bytes; if it does there is no jitter. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		number = 0;
	return number;
}

uint64_t
pool_pause(unsigned failures)
{
	return backoff_delay(failures, random_number());
}

/* Several connections see the same data only if the server says so, or if
 * nothing changes. */
static bool
may_have_several(const struct volume *volume)
{
	const struct request_target *target = &volume->target;

	return target->has_export &&
	       (target->export.can_multi_conn || target->is_read_only ||
		target->export.is_read_only);
}

static unsigned
wanted(const struct volume *volume)
{
	const struct volume_settings *settings = volume->settings;
	unsigned n = volume->pool.wanted;

	if (volume->pool.is_closed || volume->pool.is_held)
		return 0;
	if (volume->target.n_connections == 0 || !may_have_several(volume))
		return 1;
	if (n < settings->connections_min)
		n = settings->connections_min;
	return n < settings->connections_max ? n : settings->connections_max;
}

void
pool_move(struct volume *volume, struct connection *connection, struct list *to)
{
	SCOPED_LOCK(&volume->lock);

	list_remove(&connection->link);
	if (to)
		list_append(to, &connection->link);
}

/* When there has been no connection for too long. */
static uint64_t
give_up_at(const struct volume *volume)
{
	uint64_t lost_at = volume->pool.lost_at;
	uint64_t patience = volume->settings->give_up_after;

	return lost_at > 0 && patience > 0 ? lost_at + patience : UINT64_MAX;
}

static void
give_up(struct volume *volume)
{
	struct failure why = { 0 };

	failure_set(&why, ENOTCONN, FAILURE_SERVER_UNREACHABLE,
		    "there was no connection for %" PRIu64 " s "
		    "(GiveUpAfter=); the last attempt: %s",
		    volume->settings->give_up_after / 1000000000,
		    failure_text(&volume->target.last_failure));
	failure_set_hint(&why, "When the server is back, an administrator "
			       "says nbdctl volume reconnect.");
	failure_set_place(&why, volume->name,
			  volume->target.last_failure.endpoint);
	log_write(LOG_ERR, &(struct log_subject){ .volume = volume->name },
		  "given up: %s", failure_text(&why));
	volume_stop(volume, VOLUME_GIVEN_UP, &why);
	failure_done(&why);
}

void
pool_schedule_retry(struct volume *volume)
{
	struct pool *pool = &volume->pool;
	uint64_t due = loop_now(volume->loop) + pool_pause(pool->failures);

	if (pool->retry.place || pool->is_held)
		return;
	/* The pause is for when every endpoint has been tried. */
	if (volume->target.n_connections == 0 && pool->endpoint > 0)
		due = loop_now(volume->loop);
	if (due > give_up_at(volume))
		due = give_up_at(volume);
	{
		SCOPED_LOCK(&volume->lock);
		pool->retry_at = due;
	}
	loop_set_timer(volume->loop, &pool->retry, pool->retry_at);
}

void
pool_on_retry(struct timer *timer)
{
	struct volume *volume = container_of(timer, struct volume, pool.retry);

	{
		SCOPED_LOCK(&volume->lock);
		volume->pool.retry_at = 0;
	}
	pool_evaluate(volume);
}

static void
use_next_endpoint(struct volume *volume)
{
	struct pool *pool = &volume->pool;
	size_t next = (pool->endpoint + 1) % pool->n_endpoints;

	if (volume->target.n_connections == 0)
		pool->endpoint = pool_may_use(volume, next) ? next : 0;
}

/* A connection that holds ends the row of failures. */
void
pool_forgive(struct volume *volume)
{
	list_for_each(link, &volume->target.connections) {
		const struct connection *connection = container_of(
			link, struct connection, link);

		if (loop_now(volume->loop) - connection->since >=
		    POOL_GOOD_LIFE)
			volume->pool.failures = 0;
	}
}

/* An attempt to connect has failed. */
void
pool_on_attempt_failed(struct volume *volume, const struct failure *failure)
{
	struct pool *pool = &volume->pool;
	struct log_subject about = { .volume = volume->name,
				     .endpoint = failure->endpoint };

	pool_forgive(volume);
	pool->failures++;
	METRIC_ADD(&volume->metrics, connect_failures, 1);
	/* The first is news; more of the same are not. */
	log_write(pool->failures == 1 ? LOG_WARNING : LOG_DEBUG, &about, "%s",
		  failure_text(failure));
	failure_copy(&volume->target.last_failure, failure);
	if (volume->target.n_connections > 0)
		pool->grow_after = loop_now(volume->loop) + GROW_PAUSE;
	pool->wanted = volume->target.n_connections;
	use_next_endpoint(volume);
	volume_on_failure(volume, failure);
	if (pool->is_closed)
		return;
	if (loop_now(volume->loop) >= give_up_at(volume))
		give_up(volume);
	else
		pool_schedule_retry(volume);
}

void
pool_discard(struct volume *volume, struct connection *connection)
{
	pool_move(volume, connection, NULL);
	connection_free(connection);
}

void
pool_check_closed(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	if (!pool->is_closed || pool->is_through ||
	    volume->target.n_connections > 0 || pool->n_closing > 0)
		return;
	pool->is_through = true;
	if (pool->child)
		child_stop(pool->child);
	else
		volume_on_disconnected(volume);
}

void
pool_close_politely(struct volume *volume, struct connection *connection)
{
	pool_move(volume, connection, &volume->pool.closing);
	volume->pool.n_closing++;
	connection_close(connection);
}

void
pool_dismiss(struct volume *volume, struct connection *connection)
{
	{
		SCOPED_LOCK(&volume->lock);
		target_remove_connection(&volume->target, connection);
	}
	pool_close_politely(volume, connection);
}

static void
fail_attempt(struct volume *volume, int errnum, const char *what)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum, FAILURE_SERVER_UNREACHABLE, "%s: %s",
		    what, strerror(errnum));
	pool_on_attempt_failed(volume, &failure);
	failure_done(&failure);
}

struct connection *
pool_connect(struct volume *volume, size_t endpoint)
{
	uint64_t deadline = loop_now(volume->loop) + volume->connect_timeout;
	struct pool *pool = &volume->pool;
	struct connection *connection = connection_new(
		volume->loop, pool->endpoints[endpoint], &pool_connection_owner,
		volume);

	if (!connection)
		return NULL;
	if (volume->open_deadline && volume->open_deadline < deadline)
		deadline = volume->open_deadline;
	connection->endpoint_number = endpoint;
	pool->n_connecting++;
	pool_move(volume, connection, &pool->connecting);
	connection_start(connection, deadline);
	return connection;
}

static bool
connect_one(struct volume *volume)
{
	struct pool *pool = &volume->pool;
	int r;

	if (pool->child) {
		r = child_start(pool->child);
		if (r < 0) {
			fail_attempt(volume, -r, "starting the server");
			return false;
		}
	}
	if (!pool_connect(volume, pool->endpoint)) {
		fail_attempt(volume, ENOMEM, "making a connection");
		return false;
	}
	return true;
}

/* As many connections as are wanted, unless a pause must pass first. */
void
pool_evaluate(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	if (pool->retry.place)
		return;
	while (volume->target.n_connections + pool->n_connecting <
	       wanted(volume))
		if (!connect_one(volume))
			return;
}

static bool
is_loaded(const struct connection *connection)
{
	return connection->in_flight >= GROW_LOAD_QUICK ||
	       (connection->in_flight >= GROW_LOAD &&
		connection->answer_time >= QUICK_ANSWER);
}

void
pool_consider_growth(struct volume *volume)
{
	struct pool *pool = &volume->pool;
	const struct connection *best;

	if (pool->is_closed || pool->n_connecting > 0 ||
	    volume->target.n_connections == 0 ||
	    volume->target.n_connections >= volume->settings->connections_max ||
	    loop_now(volume->loop) < pool->grow_after ||
	    !may_have_several(volume))
		return;
	best = target_choose(&volume->target);
	if (best && !is_loaded(best))
		return;
	pool->wanted = volume->target.n_connections + 1;
	pool_evaluate(volume);
}

/* Closes what has had nothing to do for long. */
void
pool_on_shrink(struct timer *timer)
{
	struct volume *volume = container_of(timer, struct volume, pool.shrink);
	uint64_t now = loop_now(volume->loop);
	uint64_t patience = volume->settings->idle_timeout;

	list_for_each_safe(link, &volume->target.connections) {
		struct connection *connection = container_of(
			link, struct connection, link);

		if (volume->target.n_connections <=
		    volume->settings->connections_min)
			break;
		if (connection->in_flight > 0 ||
		    now - connection->idle_since < patience)
			continue;
		if (connection->n_unflushed > 0) {
			/* What it has acknowledged would have to be written
			 * again; the next time it may go. */
			unflushed_flush_early(volume);
			continue;
		}
		pool_dismiss(volume, connection);
		volume->pool.wanted = volume->target.n_connections;
	}
	volume_update_state(volume);
	loop_set_timer(volume->loop, timer, now + patience);
}

static void
stop_retry(struct volume *volume)
{
	SCOPED_LOCK(&volume->lock);

	loop_stop_timer(volume->loop, &volume->pool.retry);
	volume->pool.retry_at = 0;
}

static void
hang_up(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	stop_retry(volume);
	pool_forget_scout(volume);
	list_for_each_safe(link, &pool->connecting) {
		pool->n_connecting--;
		pool_discard(volume,
			     container_of(link, struct connection, link));
	}
	list_for_each_safe(link, &volume->target.connections) {
		pool_dismiss(volume,
			     container_of(link, struct connection, link));
	}
}

void
pool_hold(struct volume *volume)
{
	volume->pool.is_held = true;
	hang_up(volume);
	volume_update_state(volume);
}

void
pool_release(struct volume *volume)
{
	volume->pool.is_held = false;
	volume->pool.failures = 0;
	pool_evaluate(volume);
}

void
pool_lose_all(struct volume *volume, const struct failure *why)
{
	list_for_each_safe(link, &volume->pool.connecting) {
		connection_lose(container_of(link, struct connection, link),
				why);
	}
	list_for_each_safe(link, &volume->target.connections) {
		connection_lose(container_of(link, struct connection, link),
				why);
	}
	stop_retry(volume);
}

void
pool_close(struct volume *volume)
{
	volume->pool.is_closed = true;
	loop_stop_timer(volume->loop, &volume->pool.shrink);
	loop_stop_timer(volume->loop, &volume->pool.probe);
	hang_up(volume);
	pool_check_closed(volume);
}
