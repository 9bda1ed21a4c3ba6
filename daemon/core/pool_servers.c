/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the connections of a pool go: URIs, or a program that we run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/pool_private.h"
#include "daemon/core/pool_return.h"

/* The server we run has ended: nobody answers on its socket. */
static void
on_child_exit(void *user, const char *how)
{
	struct volume *volume = user;
	struct failure failure = { 0 };

	if (!how) {
		/* Asked for, by pool_check_closed(). */
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
	pool->retry.on_due = pool_on_retry;
	pool->shrink.on_due = pool_on_shrink;
	pool->probe.on_due = pool_on_probe;
	pool->returning.on_due = pool_on_return;
	pool->wanted = settings->connections_min;
	pool->n_endpoints = has_command ? 1 : settings->uris.n_items;
	pool->endpoints = calloc(pool->n_endpoints, sizeof(struct endpoint *));
	if (!pool->endpoints ||
	    identity_init(&volume->identity, &settings->fingerprint,
			  pool->n_endpoints) < 0)
		return -ENOMEM;
	volume->target.identity = &volume->identity;
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
	if (volume->settings->probe_interval > 0)
		loop_set_timer(volume->loop, &pool->probe,
			       loop_now(volume->loop) +
				       volume->settings->probe_interval);
	pool->lost_at = loop_now(volume->loop);
	pool_evaluate(volume);
	return 0;
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
