/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snapshots of what is counted. Names are looked up under the locks that guard
 * them; the numbers need none, because whoever counts never waits.
 */
#include "daemon/core/metrics_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/volume_private.h"

static void
subject_free(struct metrics_subject *subject)
{
	free(subject->volume);
	free(subject->endpoint);
	free(subject);
}

void
metrics_report_done(struct metrics_report *report)
{
	for (size_t i = 0; i < report->n; i++)
		subject_free(report->subjects[i]);
	free(report->subjects);
	*report = (struct metrics_report){ 0 };
}

/* An empty one more; NULL without memory. */
static struct metrics_subject *
add_subject(struct metrics_report *report, enum metric_scope scope,
	    const char *volume)
{
	struct metrics_subject **grown = reallocarray(
		report->subjects, report->n + 1, sizeof(*grown));
	struct metrics_subject *subject;

	if (!grown)
		return NULL;
	report->subjects = grown;
	subject = calloc(1, sizeof(*subject));
	if (!subject)
		return NULL;
	subject->scope = scope;
	grown[report->n++] = subject;
	return string_replace(&subject->volume, volume) < 0 ? NULL : subject;
}

static int
collect_volume(struct volume *volume, struct metrics_report *report)
{
	struct metrics_subject *subject = add_subject(report, METRIC_VOLUME,
						      volume->name);

	if (!subject)
		return -ENOMEM;
	subject->is_up = volume->state == VOLUME_READY;
	subject->n_connections = volume->n_ready;
	metrics_add(&subject->values, &volume->metrics);
	return 0;
}

static int
collect_connection(const struct volume *volume,
		   const struct connection *connection,
		   struct metrics_report *report)
{
	struct metrics_subject *subject = add_subject(report, METRIC_CONNECTION,
						      volume->name);

	if (!subject ||
	    string_replace(&subject->endpoint, connection->endpoint->uri) < 0)
		return -ENOMEM;
	subject->id = connection->id;
	subject->round_trip = connection->round_trip;
	metrics_add(&subject->values, connection->metrics);
	return 0;
}

/* A connection leaves the list under this lock before it goes. */
static int
collect_connections(struct volume *volume, uint64_t id,
		    struct metrics_report *report)
{
	SCOPED_LOCK(&volume->lock);

	list_for_each(link, &volume->target.connections) {
		const struct connection *connection = container_of(
			link, struct connection, link);

		if (!connection->metrics || (id && id != connection->id))
			continue;
		if (collect_connection(volume, connection, report) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int
collect_volumes(struct daemon *daemon, const struct client *viewer,
		const struct metrics_query *query,
		struct metrics_report *report)
{
	struct volume **volumes;
	size_t n;
	int r = volumes_list(daemon, viewer, &volumes, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++) {
		if (query->volume &&
		    strcmp(query->volume, volumes[i]->name) != 0)
			continue;
		if (query->scopes & METRIC_VOLUME)
			r = collect_volume(volumes[i], report);
		if (r == 0 && (query->scopes & METRIC_CONNECTION))
			r = collect_connections(volumes[i], query->id, report);
	}
	volumes_unref(volumes, n);
	return r;
}

static int
collect_client(const struct client *client, struct metrics_report *report)
{
	struct metrics_subject *subject = add_subject(report, METRIC_CLIENT,
						      NULL);

	if (!subject)
		return -ENOMEM;
	subject->id = client->id;
	subject->uid = client->uid;
	subject->pid = (uint32_t)client->pid;
	client_add_metrics(client, &subject->values);
	return 0;
}

static int
collect_clients(struct daemon *daemon, const struct client *viewer,
		const struct metrics_query *query,
		struct metrics_report *report)
{
	SCOPED_LOCK(&daemon->lock);

	list_for_each(link, &daemon->clients) {
		const struct client *client = container_of(link, struct client,
							   link);

		if (query->id && query->id != client->id)
			continue;
		if (viewer && !viewer->is_admin && viewer != client)
			continue;
		if (collect_client(client, report) < 0)
			return -ENOMEM;
	}
	return 0;
}

int
metrics_collect(struct daemon *daemon, const struct client *viewer,
		const struct metrics_query *query,
		struct metrics_report *report)
{
	int r = 0;

	*report = (struct metrics_report){ 0 };
	if (query->scopes & (METRIC_VOLUME | METRIC_CONNECTION))
		r = collect_volumes(daemon, viewer, query, report);
	if (r == 0 && (query->scopes & METRIC_CLIENT))
		r = collect_clients(daemon, viewer, query, report);
	if (r < 0)
		metrics_report_done(report);
	return r;
}
