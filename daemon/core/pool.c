/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many connections a volume has, and to where. One is made at once and
 * kept: when the last is lost, attempts follow with growing pauses. More are
 * added one by one while the load asks for them, if the server says that
 * several are consistent, and go again when they have nothing to do.
 */
#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/cleanup.h"
#include "daemon/core/agreement.h"
#include "daemon/core/backoff.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/log.h"
#include "daemon/core/volume_private.h"

/* A connection that lived as long was a good one. */
#define GOOD_LIFE 5000000000ull
/* After an attempt to add a connection failed. */
#define GROW_PAUSE 60000000000ull
/* Requests in flight on the least loaded connection that justify one more. */
#define GROW_LOAD 4
/* The most metadata contexts that we select; a server may list thousands. */
#define MAX_SELECTED 32

/* connection.step */
enum step {
	STEP_START,
	STEP_LIST_CONTEXTS,
	STEP_GO,
	STEP_READY,
};

static void evaluate(struct volume *volume);

static struct log_subject
subject(const struct volume *volume, const struct connection *connection,
	enum log_event event)
{
	return (struct log_subject){
		.volume = volume->name,
		.endpoint = connection->endpoint->uri,
		.event = event,
	};
}

static uint32_t
random_number(void)
{
	uint32_t number = 0;

	/* Cannot fail for as few bytes; if it does there is no jitter. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		number = 0;
	return number;
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

	if (volume->pool.is_closed)
		return 0;
	if (volume->target.n_connections == 0 || !may_have_several(volume))
		return 1;
	if (n < settings->connections_min)
		n = settings->connections_min;
	return n < settings->connections_max ? n : settings->connections_max;
}

static void
move(struct volume *volume, struct connection *connection, struct list *to)
{
	SCOPED_LOCK(&volume->lock);

	list_remove(&connection->link);
	if (to)
		list_append(to, &connection->link);
}

static void
schedule_retry(struct volume *volume)
{
	struct pool *pool = &volume->pool;
	uint64_t delay = backoff_delay(pool->failures, random_number());

	if (pool->retry.place)
		return;
	{
		SCOPED_LOCK(&volume->lock);
		pool->retry_at = loop_now(volume->loop) + delay;
	}
	loop_set_timer(volume->loop, &pool->retry, pool->retry_at);
}

static void
on_retry(struct timer *timer)
{
	struct volume *volume = container_of(timer, struct volume, pool.retry);

	{
		SCOPED_LOCK(&volume->lock);
		volume->pool.retry_at = 0;
	}
	evaluate(volume);
}

/* A read can be answered by any copy; a write must not go to another one,
 * unless the operator says that they are the same. */
static bool
may_change_endpoint(const struct volume *volume)
{
	return volume->settings->shares_storage || volume->target.is_read_only;
}

static void
use_next_endpoint(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	if (volume->target.n_connections == 0 && may_change_endpoint(volume))
		pool->endpoint = (pool->endpoint + 1) % pool->n_endpoints;
}

/* A connection that holds ends the row of failures. */
static void
forgive(struct volume *volume)
{
	list_for_each(link, &volume->target.connections) {
		const struct connection *connection = container_of(
			link, struct connection, link);

		if (loop_now(volume->loop) - connection->since >= GOOD_LIFE)
			volume->pool.failures = 0;
	}
}

/* An attempt to connect has failed. */
static void
on_attempt_failed(struct volume *volume, const struct failure *failure)
{
	struct pool *pool = &volume->pool;
	struct log_subject about = { .volume = volume->name,
				     .endpoint = failure->endpoint };

	forgive(volume);
	pool->failures++;
	/* The first is news; more of the same are not. */
	log_write(pool->failures == 1 ? LOG_WARNING : LOG_DEBUG, &about, "%s",
		  failure_text(failure));
	failure_copy(&volume->target.last_failure, failure);
	if (volume->target.n_connections > 0)
		pool->grow_after = loop_now(volume->loop) + GROW_PAUSE;
	pool->wanted = volume->target.n_connections;
	use_next_endpoint(volume);
	volume_on_failure(volume, failure);
	if (!pool->is_closed)
		schedule_retry(volume);
}

static void
discard(struct volume *volume, struct connection *connection)
{
	move(volume, connection, NULL);
	connection_free(connection);
}

static void
check_closed(struct volume *volume)
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

static void
on_ready_lost(struct volume *volume, struct connection *connection,
	      const struct failure *failure)
{
	struct pool *pool = &volume->pool;
	struct log_subject about = subject(volume, connection, LOG_EVENT_LOST);

	forgive(volume);
	/* One that comes and goes is a failure too; several that go together
	 * are one. */
	if (!pool->retry.place &&
	    loop_now(volume->loop) - connection->since < GOOD_LIFE)
		pool->failures++;
	{
		SCOPED_LOCK(&volume->lock);
		target_remove_connection(&volume->target, connection);
	}
	log_write(LOG_WARNING, &about, "connection lost: %s",
		  failure_text(failure));
	connection_free(connection);
	failure_copy(&volume->target.last_failure, failure);
	pool->n_owed++;
	/* Begin with the preferred one again. */
	if (volume->target.n_connections == 0)
		pool->endpoint = 0;
	volume_on_failure(volume, failure);
	volume_update_state(volume);
	if (!pool->is_closed)
		schedule_retry(volume);
	check_closed(volume);
}

static void
on_lost(struct connection *connection, const struct failure *failure)
{
	struct volume *volume = connection->user;

	if (connection->step == STEP_READY) {
		on_ready_lost(volume, connection, failure);
		return;
	}
	volume->pool.n_connecting--;
	discard(volume, connection);
	on_attempt_failed(volume, failure);
}

static void
on_closed(struct connection *connection)
{
	struct volume *volume = connection->user;

	volume->pool.n_closing--;
	discard(volume, connection);
	check_closed(volume);
}

static void
close_politely(struct volume *volume, struct connection *connection)
{
	move(volume, connection, &volume->pool.closing);
	volume->pool.n_closing++;
	connection_close(connection);
}

/* Chooses among what the server lists; if it lists nothing, what everybody
 * has. */
static void
go(struct connection *connection)
{
	struct string_list *listed = &connection->listing.contexts;

	connection->step = STEP_GO;
	while (listed->n_items > MAX_SELECTED)
		free(listed->items[--listed->n_items]);
	if (listed->n_items == 0 && connection->protocol.structured_replies &&
	    string_list_append(listed, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0)
		log_warning("no memory: no block status on this connection");
	if (connection_option_go(connection, NULL, listed) < 0) {
		struct failure failure = { 0 };

		failure_set(&failure, nbd_get_errno() ? nbd_get_errno() : EIO,
			    FAILURE_SERVER_UNREACHABLE, "opening %s: %s",
			    connection->endpoint->uri, nbd_get_error());
		connection_lose(connection, &failure);
		failure_done(&failure);
	}
}

static void
on_negotiating(struct connection *connection)
{
	connection->step = STEP_LIST_CONTEXTS;
	if (!connection->protocol.structured_replies ||
	    connection_option_contexts(connection, NULL, NULL) < 0)
		go(connection);
}

static void
on_go_refused(struct connection *connection, int errnum)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum,
		    errnum == ENOENT ? FAILURE_UNKNOWN_EXPORT : FAILURE_NBD,
		    "%s: the server refuses to open the export: %s",
		    connection->endpoint->uri, strerror(errnum));
	if (errnum == ENOENT)
		failure_set_hint(&failure,
				 "List what the server has: nbdctl list URI.");
	failure_set_place(&failure, NULL, connection->endpoint->uri);
	connection_lose(connection, &failure);
	failure_done(&failure);
}

static void
on_option(struct connection *connection, int errnum)
{
	/* A server that cannot list contexts is none the worse. */
	if (connection->step == STEP_LIST_CONTEXTS)
		go(connection);
	else
		on_go_refused(connection, errnum);
}

/* The further connection and those there are show different exports. */
static void
refuse(struct volume *volume, struct connection *connection,
       const char *difference)
{
	struct failure failure = { 0 };

	failure_set(&failure, EPROTO, FAILURE_NBD,
		    "a further connection to %s is refused: its %s is not that "
		    "of the others",
		    connection->endpoint->uri, difference);
	failure_set_place(&failure, NULL, connection->endpoint->uri);
	close_politely(volume, connection);
	on_attempt_failed(volume, &failure);
	failure_done(&failure);
}

static int
adopt_export(struct volume *volume, const struct connection *connection,
	     const struct export_info *export)
{
	struct request_target *target = &volume->target;
	const char *difference = target->has_export
					 ? agreement_difference(&target->export,
								export)
					 : NULL;
	int r = target_set_export(target, export);

	if (r == 0 && difference) {
		struct log_subject about = subject(volume, connection,
						   LOG_EVENT_NONE);

		log_write(LOG_WARNING, &about,
			  "the export's %s is not what it was before",
			  difference);
	}
	if (r == 0) {
		SCOPED_LOCK(&volume->lock);
		r = export_info_copy(&volume->shown_export, export);
		volume->shows_export = r == 0;
		volume->shown_protocol = connection->protocol;
	}
	return r;
}

static void
join(struct volume *volume, struct connection *connection)
{
	struct log_subject about = subject(volume, connection,
					   LOG_EVENT_CONNECTED);

	connection->step = STEP_READY;
	connection->patience = volume->target.request_timeout;
	if (volume->pool.n_owed > 0) {
		volume->pool.n_owed--;
		volume->reconnects++;
	}
	{
		SCOPED_LOCK(&volume->lock);
		list_remove(&connection->link);
		target_add_connection(&volume->target, connection);
	}
	failure_done(&volume->target.last_failure);
	log_write(LOG_INFO, &about, "connected to %s, %u in use",
		  connection->endpoint->uri, volume->target.n_connections);
	volume_on_ready(volume);
	evaluate(volume);
}

static void
on_ready(struct connection *connection)
{
	struct volume *volume = connection->user;
	CLEANUP(export_info_done) struct export_info export = { 0 };
	const char *difference = NULL;

	if (connection_describe_export(connection, &export) < 0) {
		connection_lose(connection,
				&(struct failure){ .errnum = ENOMEM });
		return;
	}
	volume->pool.n_connecting--;
	if (volume->target.n_connections > 0)
		difference = agreement_difference(&volume->target.export,
						  &export);
	else if (adopt_export(volume, connection, &export) < 0)
		difference = "description (no memory for it)";
	if (difference)
		refuse(volume, connection, difference);
	else
		join(volume, connection);
}

static void
on_part(struct connection *connection, struct part *part,
	enum part_outcome outcome, const char *text)
{
	struct volume *volume = connection->user;

	target_on_part(&volume->target, part, outcome, text);
}

static const struct connection_owner owner = {
	.on_negotiating = on_negotiating,
	.on_option = on_option,
	.on_ready = on_ready,
	.on_part = on_part,
	.on_lost = on_lost,
	.on_closed = on_closed,
};

static void
fail_attempt(struct volume *volume, int errnum, const char *what)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum, FAILURE_SERVER_UNREACHABLE, "%s: %s",
		    what, strerror(errnum));
	on_attempt_failed(volume, &failure);
	failure_done(&failure);
}

static bool
connect_one(struct volume *volume)
{
	struct pool *pool = &volume->pool;
	uint64_t deadline = loop_now(volume->loop) + volume->connect_timeout;
	struct connection *connection;
	int r;

	if (pool->child) {
		r = child_start(pool->child);
		if (r < 0) {
			fail_attempt(volume, -r, "starting the server");
			return false;
		}
	}
	connection = connection_new(
		volume->loop, pool->endpoints[pool->endpoint], &owner, volume);
	if (!connection) {
		fail_attempt(volume, ENOMEM, "making a connection");
		return false;
	}
	if (volume->open_deadline && volume->open_deadline < deadline)
		deadline = volume->open_deadline;
	pool->n_connecting++;
	move(volume, connection, &pool->connecting);
	connection_start(connection, deadline);
	return true;
}

/* As many connections as are wanted, unless a pause must pass first. */
static void
evaluate(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	if (pool->retry.place)
		return;
	while (volume->target.n_connections + pool->n_connecting <
	       wanted(volume))
		if (!connect_one(volume))
			return;
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
	if (best && best->in_flight < GROW_LOAD)
		return;
	pool->wanted = volume->target.n_connections + 1;
	evaluate(volume);
}

/* Closes what has had nothing to do for long. */
static void
on_shrink(struct timer *timer)
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
		{
			SCOPED_LOCK(&volume->lock);
			target_remove_connection(&volume->target, connection);
		}
		close_politely(volume, connection);
		volume->pool.wanted = volume->target.n_connections;
	}
	volume_update_state(volume);
	loop_set_timer(volume->loop, timer, now + patience);
}

/* The server we run has ended: nobody answers on its socket. */
static void
on_child_exit(void *user, const char *how)
{
	struct volume *volume = user;
	struct failure failure = { 0 };

	if (!how) {
		/* Asked for, by check_closed(). */
		volume_on_disconnected(volume);
		return;
	}
	failure_set(&failure, ECONNRESET, FAILURE_SERVER_UNREACHABLE,
		    "the server '%s' %s", volume->settings->command.items[0],
		    how);
	failure_set_place(&failure, NULL, volume->pool.endpoints[0]->uri);
	list_for_each_safe(link, &volume->pool.connecting) {
		connection_lose(container_of(link, struct connection, link),
				&failure);
	}
	failure_done(&failure);
}

static char *
socket_path(const struct volume *volume)
{
	char *path;

	if (asprintf(&path, "%s/volume-%s.sock",
		     volume->daemon->runtime_directory, volume->name) < 0)
		return NULL;
	return path;
}

static int
init_socket(struct volume *volume)
{
	CLEANUP_FREE char *path = socket_path(volume);

	if (!path)
		return -ENOMEM;
	volume->pool.endpoints[0] = endpoint_new_socket(path);
	return volume->pool.endpoints[0] ? 0 : -ENOMEM;
}

static int
init_uris(struct volume *volume)
{
	const struct volume_settings *settings = volume->settings;
	struct pool *pool = &volume->pool;

	for (size_t i = 0; i < settings->uris.n_items; i++) {
		const char *uri = settings->uris.items[i];

		pool->endpoints[i] =
			volume->is_ad_hoc
				? endpoint_new_ad_hoc(uri,
						      volume->ad_hoc_transports)
				: endpoint_new_configured(uri, &settings->tls);
		if (!pool->endpoints[i])
			return -ENOMEM;
	}
	return 0;
}

int
pool_init(struct volume *volume)
{
	const struct volume_settings *settings = volume->settings;
	struct pool *pool = &volume->pool;
	bool has_command = settings->command.n_items > 0;

	list_init(&pool->connecting);
	list_init(&pool->closing);
	pool->retry.on_due = on_retry;
	pool->shrink.on_due = on_shrink;
	pool->wanted = settings->connections_min;
	pool->n_endpoints = has_command ? 1 : settings->uris.n_items;
	pool->endpoints = calloc(pool->n_endpoints, sizeof(struct endpoint *));
	if (!pool->endpoints)
		return -ENOMEM;
	return has_command ? init_socket(volume) : init_uris(volume);
}

int
pool_start(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	if (volume->settings->command.n_items > 0) {
		pool->child = child_new(volume->loop, volume->name,
					pool->endpoints[0]->socket_path,
					&volume->settings->command,
					on_child_exit, volume);
		if (!pool->child)
			return -errno;
	}
	loop_set_timer(volume->loop, &pool->shrink,
		       loop_now(volume->loop) + volume->settings->idle_timeout);
	evaluate(volume);
	return 0;
}

void
pool_close(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	pool->is_closed = true;
	loop_stop_timer(volume->loop, &pool->retry);
	loop_stop_timer(volume->loop, &pool->shrink);
	list_for_each_safe(link, &pool->connecting) {
		pool->n_connecting--;
		discard(volume, container_of(link, struct connection, link));
	}
	list_for_each_safe(link, &volume->target.connections) {
		struct connection *connection = container_of(
			link, struct connection, link);

		{
			SCOPED_LOCK(&volume->lock);
			target_remove_connection(&volume->target, connection);
		}
		close_politely(volume, connection);
	}
	check_closed(volume);
}

void
pool_done(struct volume *volume)
{
	struct pool *pool = &volume->pool;

	child_free(pool->child);
	for (size_t i = 0; i < pool->n_endpoints && pool->endpoints; i++)
		endpoint_unref(pool->endpoints[i]);
	free(pool->endpoints);
}
