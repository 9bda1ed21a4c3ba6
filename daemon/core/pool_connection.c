/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection of a pool: which options it goes through, whether it may join
 * the others, and what its loss means to the pool.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/agreement.h"
#include "daemon/core/log.h"
#include "daemon/core/orders.h"
#include "daemon/core/pool_identity.h"
#include "daemon/core/pool_private.h"
#include "daemon/core/pool_return.h"
#include "daemon/core/unflushed.h"

/* The most metadata contexts that we select; a server may list thousands. */
#define MAX_SELECTED 32

/* connection.step */
enum step {
	STEP_START,
	STEP_LIST_CONTEXTS,
	STEP_GO,
	STEP_READY,
};

static struct log_subject
subject(const struct volume *volume, const struct connection *connection,
	enum log_event event)
{
	return (struct log_subject){
		.volume = volume->name,
		.endpoint = connection->endpoint->uri,
		.connection = connection->id,
		.event = event,
	};
}

static void
on_ready_lost(struct volume *volume, struct connection *connection,
	      const struct failure *failure)
{
	struct pool *pool = &volume->pool;
	struct log_subject about = subject(volume, connection, LOG_EVENT_LOST);

	pool_forgive(volume);
	/* One that comes and goes is a failure too; several that go together
	 * are one. */
	if (!pool->retry.place &&
	    loop_now(volume->loop) - connection->since < POOL_GOOD_LIFE)
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
	if (volume->target.n_connections == 0) {
		/* Begin with the preferred one again. */
		pool->endpoint = 0;
		pool->lost_at = loop_now(volume->loop);
	}
	volume_on_failure(volume, failure);
	volume_update_state(volume);
	if (!pool->is_closed)
		pool_schedule_retry(volume);
	pool_check_closed(volume);
}

static void
on_lost(struct connection *connection, const struct failure *failure)
{
	struct volume *volume = connection->user;

	if (connection == volume->pool.scout) {
		pool_on_scout_lost(volume, failure);
		return;
	}
	if (connection->step == STEP_READY) {
		on_ready_lost(volume, connection, failure);
		return;
	}
	volume->pool.n_connecting--;
	pool_discard(volume, connection);
	pool_on_attempt_failed(volume, failure);
}

static void
on_closed(struct connection *connection)
{
	struct volume *volume = connection->user;

	volume->pool.n_closing--;
	pool_discard(volume, connection);
	orders_go_on(volume);
	pool_check_closed(volume);
}

/* Each option has a deadline of its own. */
static void
allow_time(struct connection *connection, const char *activity)
{
	const struct volume *volume = connection->user;

	/* A client that opens the volume has one for all of it. */
	if (!volume->open_deadline)
		connection_set_deadline(connection,
					loop_now(volume->loop) +
						volume->connect_timeout,
					activity);
}

/* Chooses among what the server lists; if it lists nothing, what everybody
 * has. */
static void
go(struct connection *connection)
{
	struct string_list *listed = &connection->listing.contexts;

	connection->step = STEP_GO;
	allow_time(connection, "opening the export of");
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
	allow_time(connection, "asking for the contexts of");
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
		    "a further connection to %s is refused: %s",
		    connection->endpoint->uri, difference);
	failure_set_place(&failure, NULL, connection->endpoint->uri);
	pool_close_politely(volume, connection);
	pool_on_attempt_failed(volume, &failure);
	failure_done(&failure);
}

int
pool_adopt_export(struct volume *volume, const struct connection *connection)
{
	const struct export_info *export = &connection->export;
	struct request_target *target = &volume->target;
	const char *difference = target->has_export
					 ? agreement_difference(&target->export,
								export)
					 : NULL;
	int r = target_set_export(target, export);

	if (r == 0)
		r = pool_adopt_identity(volume, connection);
	if (r == 0)
		unflushed_adopt_export(volume);
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

void
pool_join(struct volume *volume, struct connection *connection)
{
	struct log_subject about = subject(volume, connection,
					   LOG_EVENT_CONNECTED);

	connection->step = STEP_READY;
	connection->metrics = calloc(1, sizeof(*connection->metrics));
	if (!connection->metrics)
		log_error("no memory to count what a connection does");
	volume->pool.lost_at = 0;
	connection->patience = volume->target.request_timeout;
	if (volume->pool.n_owed > 0) {
		volume->pool.n_owed--;
		METRIC_ADD(&volume->metrics, reconnects, 1);
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
	pool_plan_return(volume);
	pool_evaluate(volume);
}

/* Among others, it must agree with them. */
static char *
difference_from_others(const struct volume *volume,
		       const struct connection *connection)
{
	const char *difference = agreement_difference(&volume->target.export,
						      &connection->export);
	char *text;

	if (!difference)
		return NULL;
	if (asprintf(&text, "its %s is not that of the others", difference) < 0)
		return strdup("it differs from the others");
	return text;
}

void
pool_on_identified(struct volume *volume, struct connection *connection)
{
	CLEANUP_FREE char *difference = pool_identity_difference(volume,
								 connection);
	bool is_first = volume->target.n_connections == 0;

	if (connection == volume->pool.scout) {
		pool_on_scout_ready(volume, difference);
		return;
	}
	volume->pool.n_connecting--;
	if (!difference && !is_first)
		difference = difference_from_others(volume, connection);
	/* Another copy that differs is left alone; the volume waits. */
	if (difference && is_first &&
	    !pool_is_for_reads(volume, connection->endpoint_number))
		pool_quarantine(volume, connection, difference);
	else if (difference)
		refuse(volume, connection, difference);
	else if (is_first && pool_adopt_export(volume, connection) < 0)
		refuse(volume, connection, "there is no memory for it");
	else
		pool_join(volume, connection);
}

static void
on_ready(struct connection *connection)
{
	if (connection_describe_export(connection, &connection->export) < 0)
		connection_lose(connection,
				&(struct failure){ .errnum = ENOMEM });
	else
		pool_identify(connection->user, connection);
}

static void
on_part(struct connection *connection, struct part *part,
	enum part_outcome outcome, const char *text)
{
	struct volume *volume = connection->user;

	if (part->on_answer)
		part->on_answer(part, outcome, text);
	else
		target_on_part(&volume->target, part, outcome, text);
}

const struct connection_owner pool_connection_owner = {
	.on_negotiating = on_negotiating,
	.on_option = on_option,
	.on_ready = on_ready,
	.on_part = on_part,
	.on_lost = on_lost,
	.on_closed = on_closed,
};
