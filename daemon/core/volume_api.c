/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes as callers on any thread see them: by name, with requests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/checked.h"
#include "common/cleanup.h"
#include "daemon/core/access.h"
#include "daemon/core/check.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/user.h"
#include "daemon/core/volume_private.h"

bool
volume_is_visible(struct volume *volume, const struct client *client)
{
	SCOPED_LOCK(&volume->lock);

	if (volume->is_ad_hoc)
		return !client || client == volume->opener;
	return access_may_read(volume->access, client);
}

struct volume *
volume_find(struct daemon *daemon, const char *name,
	    const struct client *client)
{
	SCOPED_LOCK(&daemon->lock);

	list_for_each(link, &daemon->volumes) {
		struct volume *volume = container_of(link, struct volume, link);

		if (strcmp(volume->name, name) == 0)
			return volume_is_visible(volume, client)
				       ? volume_ref(volume)
				       : NULL;
	}
	return NULL;
}

int
volumes_list(struct daemon *daemon, const struct client *client,
	     struct volume ***volumes, size_t *n)
{
	struct volume **found = NULL;
	size_t n_found = 0;

	SCOPED_LOCK(&daemon->lock);

	list_for_each(link, &daemon->volumes) {
		struct volume *volume = container_of(link, struct volume, link);
		struct volume **grown;

		if (!volume_is_visible(volume, client))
			continue;
		grown = reallocarray(found, n_found + 1, sizeof(*found));
		if (!grown) {
			volumes_unref(found, n_found);
			return -ENOMEM;
		}
		found = grown;
		found[n_found++] = volume_ref(volume);
	}
	*volumes = found;
	*n = n_found;
	return 0;
}

void
volumes_unref(struct volume **volumes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		volume_unref(volumes[i]);
	free(volumes);
}

const char *
volume_name(const struct volume *volume)
{
	return volume->name;
}

enum volume_state
volume_state(const struct volume *volume)
{
	return (enum volume_state)volume->state;
}

bool
volume_has_range(struct volume *volume, uint64_t offset, uint64_t length)
{
	SCOPED_LOCK(&volume->lock);

	return !volume->shows_export ||
	       checked_range(offset, length, volume->shown_export.size);
}

uint64_t
volume_request_timeout(const struct volume *volume)
{
	return volume->target.request_timeout;
}

bool
volume_may_write(struct volume *volume, const struct client *client)
{
	SCOPED_LOCK(&volume->lock);

	return access_may_write(volume->access, client);
}

static void
on_request(struct message *message)
{
	struct request *request = container_of(message, struct request,
					       message);
	struct volume *volume = container_of(request->target, struct volume,
					     target);

	/* The request may end, and be freed, from within. */
	target_submit(&volume->target, request);
}

/* What a thread may send to a server for another without being missed. */
#define QUICK_BELOW (64u << 10)

/* A large payload takes its time on the way to the server, and a request may
 * lead to another connection, and that to the start of a server. */
static bool
is_quick(const struct volume *volume, const struct request *request)
{
	return request->payload.size < QUICK_BELOW &&
	       volume->settings->command.n_items == 0;
}

void
volume_submit(struct volume *volume, struct request *request)
{
	request->target = &volume->target;
	request->times = (struct request_times){ .arrived = clock_now() };
	request->n_parts = 0;
	request->message.run = on_request;
	if (request_command_writes(request->command) &&
	    !volume_may_write(volume, request->client)) {
		failure_set(&request->failure, EPERM, FAILURE_PERMISSION,
			    "%s: volume %s is read-only for this caller",
			    request_command_name(request->command),
			    volume->name);
		failure_set_place(&request->failure, volume->name, NULL);
		buffer_release(&request->payload);
		request->on_done(request);
		return;
	}
	if (user_charge(request) < 0) {
		failure_set_place(&request->failure, volume->name, NULL);
		buffer_release(&request->payload);
		request->on_done(request);
		return;
	}
	request->holds_owner = true;
	volume_ref(volume);
	if (is_quick(volume, request))
		loop_send_quick(volume->loop, &request->message);
	else
		loop_send(volume->loop, &request->message);
}

void
volume_set_access(struct volume *volume, struct volume_settings *settings)
{
	SCOPED_LOCK(&volume->lock);

	volume_settings_unref(volume->access);
	volume->access = volume_settings_ref(settings);
}

void
volume_watch(struct volume *volume, struct volume_watcher *watcher)
{
	SCOPED_LOCK(&volume->lock);

	list_append(&volume->watchers, &watcher->link);
}

void
volume_unwatch(struct volume *volume, struct volume_watcher *watcher)
{
	SCOPED_LOCK(&volume->lock);

	list_remove(&watcher->link);
}

static struct volume_settings *
ad_hoc_settings(const struct ad_hoc_options *options, const char *name)
{
	struct volume_settings *settings = volume_settings_new(name);

	if (!settings)
		return NULL;
	if (string_list_append(&settings->uris, options->uri) < 0) {
		volume_settings_unref(settings);
		return NULL;
	}
	settings->connections_min = 1;
	settings->connections_max = options->connections ? options->connections
							 : 1;
	if (settings->connections_max > AD_HOC_MAX_CONNECTIONS)
		settings->connections_max = AD_HOC_MAX_CONNECTIONS;
	settings->is_read_only = options->is_read_only;
	settings->unflushed_limit = AD_HOC_UNFLUSHED_LIMIT;
	return settings;
}

static bool
is_named(const struct ad_hoc_options *options)
{
	return options->name && options->name[0];
}

static int
may_open(struct daemon *daemon, struct client *client,
	 const struct ad_hoc_options *options,
	 const struct configuration *configuration, struct failure *failure)
{
	const struct daemon_settings *settings = &configuration->daemon;

	if (!access_may_open_ad_hoc(settings, client)) {
		failure_set(failure, EPERM, FAILURE_PERMISSION,
			    "user %d may not name NBD servers by URI",
			    (int)client->uid);
		failure_set_hint(failure, "An administrator can allow it with "
					  "AdHocUsers=.");
		return -EPERM;
	}
	if (is_named(options) &&
	    daemon_check_ad_hoc_name(daemon, options->name, failure) < 0)
		return -failure->errnum;
	/* The count may briefly be too high, and then another is refused. */
	if (client->ad_hoc_volumes++ >= settings->max_ad_hoc_volumes) {
		client->ad_hoc_volumes--;
		return failure_set(failure, EUSERS, FAILURE_LIMIT,
				   "%u volumes are open already, which is all "
				   "that one client may have",
				   settings->max_ad_hoc_volumes);
	}
	return 0;
}

static struct volume *
make_ad_hoc(struct daemon *daemon, struct client *client,
	    const struct ad_hoc_options *options,
	    const struct configuration *configuration)
{
	struct volume_settings *settings;
	struct volume *volume;
	char name[32];

	if (!is_named(options))
		daemon_name_ad_hoc(daemon, name, sizeof(name));
	settings = ad_hoc_settings(options,
				   is_named(options) ? options->name : name);
	if (!settings)
		return NULL;
	volume = volume_new(daemon, settings, client);
	volume_settings_unref(settings);
	if (!volume)
		return NULL;
	volume->is_ad_hoc = true;
	volume->opener = client_ref(client);
	volume->ad_hoc_transports = configuration->daemon.ad_hoc_transports;
	volume->open_deadline =
		options->deadline
			? options->deadline
			: clock_now() + configuration->daemon.request_timeout;
	return volume;
}

void
volume_open_ad_hoc(struct daemon *daemon, struct client *client,
		   const struct ad_hoc_options *options,
		   void (*on_open)(void *user, struct volume *volume,
				   const struct failure *failure),
		   void *user)
{
	struct configuration *configuration = daemon_configuration(daemon);
	CLEANUP(failure_done) struct failure failure = { 0 };
	struct volume *volume = NULL;

	if (daemon->is_draining)
		failure_set(&failure, ESHUTDOWN, FAILURE_BUSY,
			    "the daemon is shutting down");
	else if (may_open(daemon, client, options, configuration, &failure) ==
		 0) {
		volume = make_ad_hoc(daemon, client, options, configuration);
		if (!volume) {
			client->ad_hoc_volumes--;
			failure_set(&failure, ENOMEM, FAILURE_LIMIT,
				    "out of memory");
		}
	}
	configuration_unref(configuration);
	if (!volume) {
		on_open(user, NULL, &failure);
		return;
	}
	volume->on_open = on_open;
	volume->on_open_user = user;
	daemon_add_volume(daemon, volume);
	volume_start(volume);
	volume_unref(volume);
	/* It may have hung up while we were at it. */
	if (client->is_gone || daemon->is_draining)
		daemon_close_ad_hoc(daemon, client);
}

int
volume_close(struct daemon *daemon, struct client *client, const char *name,
	     struct failure *failure)
{
	struct volume *volume = volume_find(daemon, name, client);

	if (!volume) {
		failure_set(failure, ENOENT, FAILURE_UNKNOWN_VOLUME,
			    "there is no volume '%s'", name);
		return -ENOENT;
	}
	if (!volume->is_ad_hoc) {
		volume_unref(volume);
		failure_set(failure, EBUSY, FAILURE_INVALID,
			    "volume %s comes from the configuration, and only "
			    "a volume that was opened can be closed",
			    name);
		return -EBUSY;
	}
	daemon_remove_volume(daemon, volume);
	volume_unref(volume);
	return 0;
}
