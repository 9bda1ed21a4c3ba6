/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a connection begins and ends. */
#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/connection_private.h"
#include "daemon/core/connector.h"
#include "daemon/core/log.h"

/* How long a server may take to hang up after our goodbye. */
#define GOODBYE_PATIENCE 1000000000ull

static atomic_ullong next_id = 1;

static void
on_release(struct message *message)
{
	struct connection *connection = container_of(message, struct connection,
						     release);

	loop_message_cancel(&connection->settle);
	free(connection->metrics);
	listing_done(&connection->listing);
	export_info_done(&connection->export);
	buffer_release(&connection->fingerprint);
	endpoint_unref(connection->endpoint);
	free(connection);
}

struct connection *
connection_new(struct loop *loop, struct endpoint *endpoint,
	       const struct connection_owner *owner, void *user)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->id = next_id++;
	connection->loop = loop;
	connection->endpoint = endpoint_ref(endpoint);
	connection->owner = owner;
	connection->user = user;
	connection->activity = "connecting to";
	connection->since = loop_now(loop);
	connection->watch = (struct watch){ .fd = -1,
					    .on_ready = connection_on_events };
	connection->timer.on_due = connection_on_timer;
	list_init(&connection->link);
	list_init(&connection->parts);
	list_init(&connection->answered);
	loop_message_init(&connection->settle, connection_settle);
	loop_message_init(&connection->release, on_release);
	return connection;
}

static void
on_connector_done(struct connect_job *job)
{
	struct connection *connection = job->user;

	connection->job = NULL;
	connection->nbd = TAKE_PTR(job->nbd);
	if (job->result < 0)
		connection_lose_with_text(connection, "connecting to",
					  job->text ? job->text : "failed",
					  job->errnum);
	else
		connection_settle(&connection->settle);
}

static void
start_here(struct connection *connection)
{
	/* A failure shows in the handle's state. */
	if (endpoint_connect(connection->endpoint, connection->nbd) < 0 &&
	    nbd_aio_is_created(connection->nbd) > 0) {
		connection_lose_by_library(connection, "connecting to");
		return;
	}
	connection_settle(&connection->settle);
}

static void
on_start(struct message *message)
{
	struct connection *connection = container_of(message, struct connection,
						     settle);

	connection->settle.run = connection_settle;
	if (connection->phase == PHASE_GONE)
		return;
	connection->nbd = nbd_create();
	if (!connection->nbd ||
	    endpoint_prepare(connection->endpoint, connection->nbd) < 0) {
		connection_lose_by_library(connection, "preparing to reach");
		return;
	}
	if (!endpoint_needs_lookup(connection->endpoint)) {
		start_here(connection);
		return;
	}
	connection->job = connector_start(connection->loop,
					  connection->endpoint, connection->nbd,
					  on_connector_done, connection);
	if (!connection->job)
		connection_lose_with_text(connection,
					  "starting a thread to look up",
					  strerror(errno), errno);
	else
		connection->nbd = NULL;
}

void
connection_start(struct connection *connection, uint64_t deadline)
{
	connection_set_deadline(connection, deadline, "connecting to");
	connection->settle.run = on_start;
	loop_run_later(connection->loop, &connection->settle);
}

void
connection_set_deadline(struct connection *connection, uint64_t deadline,
			const char *activity)
{
	connection->activity = activity;
	if (loop_set_timer(connection->loop, &connection->timer, deadline) < 0)
		log_error("no memory for a timer: a deadline is not kept");
}

void
connection_clear_deadline(struct connection *connection)
{
	loop_stop_timer(connection->loop, &connection->timer);
}

void
connection_close(struct connection *connection)
{
	int r = -1;

	if (connection->phase == PHASE_DATA)
		r = nbd_aio_disconnect(connection->nbd, 0);
	else if (connection->phase == PHASE_NEGOTIATING)
		r = nbd_aio_opt_abort(connection->nbd);
	connection_set_phase(connection, PHASE_CLOSING);
	connection_set_deadline(
		connection,
		r < 0 ? 0 : loop_now(connection->loop) + GOODBYE_PATIENCE,
		"closing");
	connection_touch(connection);
}

void
connection_free(struct connection *connection)
{
	if (!connection)
		return;
	if (connection->phase != PHASE_GONE)
		connection_close_handle(connection);
	connection_forget_parts(connection);
	loop_run_later(connection->loop, &connection->release);
}
