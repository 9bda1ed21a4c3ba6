/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Snapshots of volumes and connections, for anybody who asks. */
#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/access.h"
#include "daemon/core/split.h"
#include "daemon/core/unflushed.h"
#include "daemon/core/volume_private.h"

/* Requests of one command that ended well. */
static uint64_t
n_done(const struct metrics *metrics, enum request_command command)
{
	return metrics->requests[command] - metrics->errors[command];
}

static void
describe_counters(const struct metrics *metrics,
		  struct volume_counters *counters)
{
	*counters = (struct volume_counters){
		.reads = n_done(metrics, REQUEST_READ),
		.writes = n_done(metrics, REQUEST_WRITE),
		.bytes_read = metrics->read_bytes,
		.bytes_written = metrics->written_bytes,
		.reconnects = metrics->reconnects,
		.retries = metrics->retries,
		.replayed = metrics->replayed,
		.early_flushes = metrics->early_flushes,
	};
	for (int i = 0; i < REQUEST_N_COMMANDS; i++) {
		counters->errors += metrics->errors[i];
		if (i != REQUEST_READ && i != REQUEST_WRITE)
			counters->others += n_done(metrics, i);
	}
}

static void
describe_numbers(const struct volume *volume,
		 struct volume_description *description)
{
	const struct volume_settings *settings = volume->settings;

	description->state = (enum volume_state)volume->state;
	description->is_ad_hoc = volume->is_ad_hoc;
	description->connections_ready = volume->n_ready;
	description->connections_min = settings->connections_min;
	description->connections_max = settings->connections_max;
	description->in_flight_limit = settings->in_flight;
	description->in_flight = volume->target.n_running;
	description->waiting = volume->target.n_waiting;
	description->unflushed = unflushed_text(volume);
	description->unflushed_bytes = volume->target.journal.bytes;
	description->unflushed_limit = settings->unflushed_limit;
	describe_counters(&volume->metrics, &description->counters);
}

static int
describe_endpoints(const struct volume *volume, struct string_list *endpoints)
{
	const struct pool *pool = &volume->pool;

	for (size_t i = 0; i < pool->n_endpoints; i++)
		if (pool->endpoints[i] &&
		    string_list_append(endpoints, pool->endpoints[i]->uri) < 0)
			return -ENOMEM;
	return 0;
}

static int
describe_locked(struct volume *volume, const struct client *client,
		struct volume_description *description)
{
	SCOPED_LOCK(&volume->lock);

	description->is_read_only = !access_may_write(volume->access, client);
	description->has_export = volume->shows_export;
	if (volume->last_error) {
		if (string_replace(&description->last_error,
				   volume->last_error) < 0)
			return -ENOMEM;
		description->last_error_age_ns = clock_now() -
						 volume->last_error_at;
	}
	if (!volume->shows_export)
		return 0;
	description->protocol = volume->shown_protocol;
	description->max_payload = split_max_payload(&volume->shown_export);
	return export_info_copy(&description->export, &volume->shown_export);
}

int
volume_describe(struct volume *volume, const struct client *client,
		struct volume_description *description)
{
	*description = (struct volume_description){ 0 };
	describe_numbers(volume, description);
	if (string_replace(&description->name, volume->name) < 0 ||
	    describe_endpoints(volume, &description->endpoints) < 0 ||
	    describe_locked(volume, client, description) < 0) {
		volume_description_done(description);
		return -ENOMEM;
	}
	return 0;
}

void
volume_description_done(struct volume_description *description)
{
	free(description->name);
	string_list_done(&description->endpoints);
	export_info_done(&description->export);
	free(description->last_error);
	*description = (struct volume_description){ 0 };
}

/* Room for one more, all zero; NULL without memory. */
static struct connection_description *
append(struct connection_description **descriptions, size_t *n,
       const struct volume *volume, const char *endpoint)
{
	struct connection_description *grown = reallocarray(
		*descriptions, *n + 1, sizeof(*grown));
	struct connection_description *added;

	if (!grown)
		return NULL;
	*descriptions = grown;
	added = &grown[*n];
	*added = (struct connection_description){ 0 };
	++*n;
	if (string_replace(&added->volume, volume->name) < 0 ||
	    string_replace(&added->endpoint, endpoint) < 0)
		return NULL;
	return added;
}

static enum connection_state
state_of(const struct connection *connection)
{
	switch ((enum connection_phase)connection->public_phase) {
	case PHASE_CONNECTING:
	case PHASE_NEGOTIATING:
	case PHASE_OPTION:
		return CONNECTION_CONNECTING;
	case PHASE_DATA:
		return connection->in_flight > 0 ? CONNECTION_BUSY
						 : CONNECTION_IDLE;
	case PHASE_CLOSING:
	case PHASE_GONE:
		break;
	}
	return CONNECTION_DRAINING;
}

static int
describe_list(const struct volume *volume, const struct list *connections,
	      uint64_t now, struct connection_description **descriptions,
	      size_t *n)
{
	list_for_each(link, connections) {
		const struct connection *connection = container_of(
			link, struct connection, link);
		struct connection_description *added = append(
			descriptions, n, volume, connection->endpoint->uri);

		if (!added)
			return -ENOMEM;
		added->id = connection->id;
		added->state = state_of(connection);
		added->age_ns = now - connection->since;
		added->tls = volume->shown_protocol.tls;
		added->in_flight = connection->in_flight;
		added->bytes_sent = connection->bytes_sent;
		added->bytes_received = connection->bytes_received;
		added->round_trip_ns = connection->round_trip;
		added->answer_ns = connection->answer_time;
	}
	return 0;
}

int
volume_describe_connections(struct volume *volume,
			    struct connection_description **descriptions,
			    size_t *n)
{
	const struct pool *pool = &volume->pool;
	uint64_t now = clock_now();
	struct connection_description *added;

	SCOPED_LOCK(&volume->lock);

	if (describe_list(volume, &volume->target.connections, now,
			  descriptions, n) < 0 ||
	    describe_list(volume, &pool->connecting, now, descriptions, n) <
		    0 ||
	    describe_list(volume, &pool->closing, now, descriptions, n) < 0)
		return -ENOMEM;
	if (!pool->retry_at)
		return 0;
	added = append(descriptions, n, volume, pool->endpoints[0]->uri);
	if (!added)
		return -ENOMEM;
	added->state = CONNECTION_BACKING_OFF;
	added->retry_in_ns = pool->retry_at > now ? pool->retry_at - now : 0;
	return 0;
}

void
connection_descriptions_done(struct connection_description *descriptions,
			     size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(descriptions[i].volume);
		free(descriptions[i].endpoint);
	}
	free(descriptions);
}
