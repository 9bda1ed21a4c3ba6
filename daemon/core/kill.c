/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection belongs to its volume's I/O thread. So the volume is found
 * first, under the locks that let others look at lists of connections, and the
 * connection is looked for once more where it lives.
 */
#include "daemon/core/kill.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/volume_private.h"

struct kill {
	struct message message;
	/* A reference. */
	struct volume *volume;
	uint64_t id;
	char *by;
	void (*on_done)(void *user, bool was_there);
	void *user;
};

static struct connection *
find_in(const struct list *connections, uint64_t id)
{
	list_for_each(link, connections) {
		struct connection *connection = container_of(
			link, struct connection, link);

		if (connection->id == id)
			return connection;
	}
	return NULL;
}

/* Those that are closing need no help. On the loop, or under the lock. */
static struct connection *
find_connection(const struct volume *volume, uint64_t id)
{
	struct connection *found = find_in(&volume->target.connections, id);

	return found ? found : find_in(&volume->pool.connecting, id);
}

static void
lose(struct connection *connection, const char *by)
{
	struct failure failure = { 0 };

	failure_set(&failure, ECONNABORTED, FAILURE_SERVER_UNREACHABLE,
		    "connection %" PRIu64 " to %s was closed by %s",
		    connection->id, connection->endpoint->uri, by);
	failure_set_place(&failure, NULL, connection->endpoint->uri);
	connection_lose(connection, &failure);
	failure_done(&failure);
}

static void
kill_free(struct kill *kill)
{
	volume_unref(kill->volume);
	free(kill->by);
	free(kill);
}

static void
on_kill(struct message *message)
{
	struct kill *kill = container_of(message, struct kill, message);
	struct connection *connection = find_connection(kill->volume, kill->id);

	if (connection)
		lose(connection, kill->by);
	kill->on_done(kill->user, connection);
	kill_free(kill);
}

static bool
has_connection(struct volume *volume, uint64_t id)
{
	SCOPED_LOCK(&volume->lock);

	return find_connection(volume, id);
}

/* A reference to the volume whose connection it is, or NULL. */
static struct volume *
find_volume(struct daemon *daemon, uint64_t id)
{
	SCOPED_LOCK(&daemon->lock);

	list_for_each(link, &daemon->volumes) {
		struct volume *volume = container_of(link, struct volume, link);

		if (has_connection(volume, id))
			return volume_ref(volume);
	}
	return NULL;
}

void
connection_kill(struct daemon *daemon, uint64_t id, const char *by,
		void (*on_done)(void *user, bool was_there), void *user)
{
	struct volume *volume = find_volume(daemon, id);
	struct kill *kill = volume ? calloc(1, sizeof(*kill)) : NULL;

	if (!kill) {
		volume_unref(volume);
		on_done(user, false);
		return;
	}
	*kill = (struct kill){
		.message.run = on_kill,
		.volume = volume,
		.id = id,
		.by = strdup(by),
		.on_done = on_done,
		.user = user,
	};
	if (!kill->by) {
		kill_free(kill);
		on_done(user, false);
		return;
	}
	loop_send(volume->loop, &kill->message);
}
