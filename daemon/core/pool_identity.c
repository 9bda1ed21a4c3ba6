/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the fingerprint of an export, and the quarantine of a volume. */
#include "daemon/core/pool_identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/dispatch.h"
#include "daemon/core/log.h"
#include "daemon/core/orders.h"
#include "daemon/core/pool_private.h"
#include "daemon/core/split.h"

static struct identity_view
view_of(const struct volume *volume, const struct connection *connection)
{
	const struct fingerprint_settings *settings =
		&volume->settings->fingerprint;
	const unsigned char *bytes = connection->fingerprint.data;

	return (struct identity_view){
		.export = &connection->export,
		.endpoint = connection->endpoint_number,
		.fingerprint = settings->length > 0 ? bytes : NULL,
	};
}

char *
pool_identity_difference(const struct volume *volume,
			 const struct connection *connection)
{
	struct identity_view view = view_of(volume, connection);

	return identity_difference(&volume->identity, &view);
}

int
pool_adopt_identity(struct volume *volume, const struct connection *connection)
{
	struct identity_view view = view_of(volume, connection);

	return volume->identity.is_known
		       ? identity_learn(&volume->identity, &view)
		       : identity_adopt(&volume->identity, &view);
}

static void
lose(struct connection *connection, int errnum, const char *what,
     const char *why)
{
	struct failure failure = { 0 };

	failure_set(&failure, errnum, FAILURE_NBD, "%s: %s%s%s",
		    connection->endpoint->uri, what, why ? ": " : "",
		    why ? why : "");
	failure_set_place(&failure, NULL, connection->endpoint->uri);
	connection_lose(connection, &failure);
	failure_done(&failure);
}

static void
on_fingerprint(struct part *part, enum part_outcome outcome, const char *text)
{
	struct connection *connection = part->connection;
	struct volume *volume = connection->user;
	int errnum = part->errnum;

	target_give_part(&volume->target, part);
	switch (outcome) {
	case PART_DONE:
		pool_on_identified(volume, connection);
		break;
	case PART_FAILED:
		lose(connection, errnum,
		     "the bytes of Fingerprint= cannot be read", text);
		break;
	case PART_LOST:
		/* on_lost follows, or nobody wants to know. */
		break;
	}
}

/* START and END become the whole blocks that the fingerprint lies in. */
static bool
find_fingerprint(const struct volume *volume,
		 const struct connection *connection, uint64_t *start,
		 uint64_t *end)
{
	const struct fingerprint_settings *settings =
		&volume->settings->fingerprint;

	*start = settings->offset;
	*end = settings->offset + settings->length;
	if (*end > connection->export.size)
		return false;
	split_widen(&connection->export, start, end);
	return true;
}

static void
read_fingerprint(struct volume *volume, struct connection *connection)
{
	struct buffer *buffer = &connection->fingerprint;
	uint64_t start, end;
	struct part *part;

	if (!find_fingerprint(volume, connection, &start, &end)) {
		/* A known volume was not as small: that will be found. */
		if (volume->identity.is_known) {
			pool_on_identified(volume, connection);
			return;
		}
		lose(connection, ERANGE,
		     "the export ends before the bytes of Fingerprint=", NULL);
		return;
	}
	part = target_take_part(&volume->target);
	if (!part || buffer_allocate(buffer, end - start) < 0) {
		if (part)
			target_give_part(&volume->target, part);
		lose(connection, ENOMEM, "reading the fingerprint",
		     strerror(ENOMEM));
		return;
	}
	part->command = REQUEST_READ;
	part->offset = start;
	part->length = end - start;
	part->data = buffer->data;
	part->on_answer = on_fingerprint;
	buffer->data = (unsigned char *)buffer->data +
		       (volume->settings->fingerprint.offset - start);
	connection->patience = volume->connect_timeout;
	connection_send(connection, part);
}

void
pool_identify(struct volume *volume, struct connection *connection)
{
	if (volume->settings->fingerprint.length > 0)
		read_fingerprint(volume, connection);
	else
		pool_on_identified(volume, connection);
}

void
pool_quarantine(struct volume *volume, struct connection *connection,
		const char *difference)
{
	struct log_subject about = {
		.volume = volume->name,
		.endpoint = connection->endpoint->uri,
		.event = LOG_EVENT_QUARANTINED,
	};
	struct identity_view view = view_of(volume, connection);
	CLEANUP(failure_done) struct failure why = { 0 };

	/* What an operator accepts is this, and nothing that comes later. */
	identity_done(&volume->strange_identity);
	if (identity_init(&volume->strange_identity,
			  &volume->settings->fingerprint,
			  volume->pool.n_endpoints) < 0 ||
	    identity_adopt(&volume->strange_identity, &view) < 0)
		volume->strange_identity.is_known = false;
	failure_set(&why, ESTALE, FAILURE_IDENTITY,
		    "the export at %s is not the one that was there before: "
		    "%s",
		    connection->endpoint->uri, difference);
	failure_set_hint(&why, "Make sure that this is the right server. Then "
			       "nbdctl volume accept takes it as it is, or "
			       "nbdctl volume reconnect looks again.");
	failure_set_place(&why, volume->name, connection->endpoint->uri);
	log_write(LOG_ERR, &about, "%s; no more I/O until it is accepted",
		  failure_text(&why));
	pool_close_politely(volume, connection);
	volume_stop(volume, VOLUME_QUARANTINED, &why);
}
