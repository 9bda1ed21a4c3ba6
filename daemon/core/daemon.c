/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon object: loops, the registry of volumes, reload and drain. The
 * lock guards names and counts only; whatever a volume does it does on its
 * loop.
 */
#include "daemon/core/daemon.h"

#include <errno.h>
#include <grp.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/access.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/log.h"
#include "daemon/core/volume_private.h"

/* A group that nobody is in. */
#define NO_GROUP ((gid_t)-1)

struct loop *
daemon_choose_loop(struct daemon *daemon)
{
	SCOPED_LOCK(&daemon->lock);

	return daemon->loops[daemon->next_loop++ % daemon->n_loops];
}

void
daemon_hold(struct daemon *daemon)
{
	SCOPED_LOCK(&daemon->lock);

	daemon->n_alive++;
}

/* The drain's end, if this was it. Under the lock. */
static void
take_drained(struct daemon *daemon, void (**on_drained)(void *), void **user)
{
	*on_drained = NULL;
	*user = daemon->on_drained_user;
	if (daemon->n_alive == 0) {
		*on_drained = daemon->on_drained;
		daemon->on_drained = NULL;
	}
}

void
daemon_release(struct daemon *daemon)
{
	void (*on_drained)(void *user);
	void *user;

	{
		SCOPED_LOCK(&daemon->lock);
		daemon->n_alive--;
		take_drained(daemon, &on_drained, &user);
	}
	if (on_drained)
		on_drained(user);
}

static uint64_t
shut_deadline(struct daemon *daemon)
{
	if (daemon->is_draining)
		return daemon->drain_deadline;
	return clock_now() + daemon->configuration->daemon.drain_timeout;
}

void
daemon_add_volume(struct daemon *daemon, struct volume *volume)
{
	SCOPED_LOCK(&daemon->lock);

	volume_ref(volume);
	volume->is_listed = true;
	list_for_each(link, &daemon->volumes) {
		if (strcmp(container_of(link, struct volume, link)->name,
			   volume->name) > 0) {
			list_append(link, &volume->link);
			return;
		}
	}
	list_append(&daemon->volumes, &volume->link);
}

void
daemon_remove_volume(struct daemon *daemon, struct volume *volume)
{
	uint64_t deadline;

	{
		SCOPED_LOCK(&daemon->lock);
		if (!volume->is_listed)
			return;
		volume->is_listed = false;
		list_remove(&volume->link);
		deadline = shut_deadline(daemon);
	}
	volume_shut(volume, deadline);
	volume_unref(volume);
}

static bool
name_is_taken(const struct daemon *daemon, const char *name)
{
	list_for_each(link, &daemon->volumes) {
		if (strcmp(container_of(link, struct volume, link)->name,
			   name) == 0)
			return true;
	}
	return configuration_find_volume(daemon->configuration, name);
}

void
daemon_name_ad_hoc(struct daemon *daemon, char *name, size_t size)
{
	SCOPED_LOCK(&daemon->lock);

	do
		snprintf(name, size, "adhoc-%llu",
			 (unsigned long long)++daemon->next_ad_hoc);
	while (name_is_taken(daemon, name));
}

/* A reference to a listed volume that CHOOSE says yes to, or NULL. */
static struct volume *
pick(struct daemon *daemon,
     bool (*choose)(const struct volume *volume, const void *what),
     const void *what)
{
	SCOPED_LOCK(&daemon->lock);

	list_for_each(link, &daemon->volumes) {
		struct volume *volume = container_of(link, struct volume, link);

		if (choose(volume, what))
			return volume_ref(volume);
	}
	return NULL;
}

static unsigned
remove_all(struct daemon *daemon,
	   bool (*choose)(const struct volume *volume, const void *what),
	   const void *what)
{
	struct volume *volume;
	unsigned n = 0;

	while ((volume = pick(daemon, choose, what))) {
		daemon_remove_volume(daemon, volume);
		volume_unref(volume);
		n++;
	}
	return n;
}

static bool
is_opened_by(const struct volume *volume, const void *client)
{
	return volume->opener && volume->opener == client;
}

void
daemon_close_ad_hoc(struct daemon *daemon, const struct client *client)
{
	remove_all(daemon, is_opened_by, client);
}

static int
add_configured(struct daemon *daemon, struct volume_settings *settings)
{
	struct volume *volume = volume_new(daemon, settings);

	if (!volume)
		return -errno;
	daemon_add_volume(daemon, volume);
	volume_start(volume);
	volume_unref(volume);
	return 0;
}

static bool
is_not_configured(const struct volume *volume, const void *configuration)
{
	return !volume->is_ad_hoc &&
	       !configuration_find_volume(configuration, volume->name);
}

static bool
has_name(const struct volume *volume, const void *name)
{
	return strcmp(volume->name, name) == 0;
}

static int
apply_volume(struct daemon *daemon, struct volume_settings *settings,
	     struct reload_result *result)
{
	struct volume *volume = pick(daemon, has_name, settings->name);
	int r = 0;

	if (!volume) {
		r = add_configured(daemon, settings);
		result->volumes_added++;
	} else if (!volume_settings_same_connections(volume->settings,
						     settings)) {
		/* The old one finishes while the new one connects. */
		daemon_remove_volume(daemon, volume);
		r = add_configured(daemon, settings);
		result->volumes_changed++;
	} else if (!volume_settings_are_equal(volume->access, settings)) {
		/* Only the main thread changes it, and that is us. */
		volume_set_access(volume, settings);
		result->volumes_changed++;
	}
	volume_unref(volume);
	return r;
}

int
daemon_apply(struct daemon *daemon, struct configuration *configuration,
	     struct reload_result *result)
{
	struct configuration *old;
	int r = 0;

	{
		SCOPED_LOCK(&daemon->lock);
		old = daemon->configuration;
		daemon->configuration = configuration_ref(configuration);
	}
	configuration_unref(old);
	log_set_level(configuration->daemon.log_level);
	result->volumes_removed = remove_all(daemon, is_not_configured,
					     configuration);
	for (size_t i = 0; i < configuration->n_volumes && r == 0; i++)
		r = apply_volume(daemon, configuration->volumes[i], result);
	return r;
}

static gid_t
find_admin_group(void)
{
	const struct group *entry = getgrnam(ACCESS_ADMIN_GROUP);

	return entry ? entry->gr_gid : NO_GROUP;
}

static char *
choose_runtime_directory(const struct daemon_settings *settings)
{
	const char *slash;

	if (settings->runtime_directory)
		return strdup(settings->runtime_directory);
	slash = settings->listen ? strrchr(settings->listen, '/') : NULL;
	if (!slash)
		return strdup(".");
	if (slash == settings->listen)
		return strdup("/");
	return strndup(settings->listen, (size_t)(slash - settings->listen));
}

static int
start_loops(struct daemon *daemon, unsigned n)
{
	daemon->loops = calloc(n, sizeof(struct loop *));
	daemon->signs = calloc(n, sizeof(*daemon->signs));
	if (!daemon->loops || !daemon->signs)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		daemon->loops[i] = loop_new(i);
		if (!daemon->loops[i])
			return -errno;
		daemon->n_loops++;
	}
	return 0;
}

static int
daemon_start(struct daemon *daemon, struct configuration *configuration)
{
	struct reload_result result = { 0 };
	int r;

	daemon->runtime_directory = choose_runtime_directory(
		&configuration->daemon);
	if (!daemon->runtime_directory)
		return -ENOMEM;
	r = start_loops(daemon, configuration->daemon.io_threads);
	if (r < 0)
		return r;
	return daemon_apply(daemon, configuration, &result);
}

struct daemon *
daemon_new(struct configuration *configuration)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int r;

	if (!daemon)
		return NULL;
	daemon->started_at = clock_now();
	daemon->admin_group = find_admin_group();
	pthread_mutex_init(&daemon->lock, NULL);
	list_init(&daemon->volumes);
	list_init(&daemon->clients);
	r = daemon_start(daemon, configuration);
	if (r < 0) {
		daemon_drain(daemon, 0, NULL, NULL);
		daemon_free(daemon);
		errno = -r;
		return NULL;
	}
	return daemon;
}

void
daemon_set_control(struct daemon *daemon, const struct daemon_control *control)
{
	SCOPED_LOCK(&daemon->lock);

	daemon->control = *control;
}

static bool
is_any(const struct volume *volume, const void *what)
{
	(void)volume;
	(void)what;
	return true;
}

void
daemon_drain(struct daemon *daemon, uint64_t deadline,
	     void (*on_drained)(void *user), void *user)
{
	daemon->drain_deadline = deadline;
	daemon->is_draining = true;
	remove_all(daemon, is_any, NULL);
	{
		SCOPED_LOCK(&daemon->lock);
		daemon->on_drained = on_drained;
		daemon->on_drained_user = user;
		take_drained(daemon, &on_drained, &user);
	}
	if (on_drained)
		on_drained(user);
}

void
daemon_free(struct daemon *daemon)
{
	if (!daemon)
		return;
	for (unsigned i = 0; i < daemon->n_loops; i++)
		loop_free(daemon->loops[i]);
	free(daemon->loops);
	free(daemon->signs);
	configuration_unref(daemon->configuration);
	free(daemon->runtime_directory);
	pthread_mutex_destroy(&daemon->lock);
	free(daemon);
}

void
daemon_count_volumes(struct daemon *daemon, unsigned *n_volumes,
		     unsigned *n_ready)
{
	SCOPED_LOCK(&daemon->lock);

	*n_volumes = 0;
	*n_ready = 0;
	list_for_each(link, &daemon->volumes) {
		++*n_volumes;
		if (container_of(link, struct volume, link)->state ==
		    VOLUME_READY)
			++*n_ready;
	}
}

static void
on_sign(struct message *message)
{
	container_of(message, struct sign_of_life, message)->is_given = true;
}

bool
daemon_is_alive(struct daemon *daemon)
{
	bool all = true;

	for (unsigned i = 0; i < daemon->n_loops; i++) {
		struct sign_of_life *sign = &daemon->signs[i];

		if (sign->is_asked && !sign->is_given) {
			all = false;
			continue;
		}
		sign->is_asked = true;
		sign->is_given = false;
		sign->message.run = on_sign;
		loop_send(daemon->loops[i], &sign->message);
	}
	return all;
}

void
daemon_request_reload(struct daemon *daemon,
		      void (*on_done)(void *user,
				      const struct reload_result *result),
		      void *user)
{
	daemon->control.reload(daemon->control.context, on_done, user);
}

void
daemon_request_drain(struct daemon *daemon)
{
	daemon->control.drain(daemon->control.context);
}

bool
daemon_is_draining(const struct daemon *daemon)
{
	return daemon->is_draining;
}

uint64_t
daemon_started_at(const struct daemon *daemon)
{
	return daemon->started_at;
}

static char library_version[64];

static void
read_library_version(void)
{
	struct nbd_handle *nbd = nbd_create();

	if (!nbd)
		return;
	snprintf(library_version, sizeof(library_version), "%s %s",
		 nbd_get_package_name(nbd), nbd_get_version(nbd));
	nbd_close(nbd);
}

const char *
daemon_library_version(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, read_library_version);
	return library_version;
}

struct configuration *
daemon_configuration(struct daemon *daemon)
{
	SCOPED_LOCK(&daemon->lock);

	return configuration_ref(daemon->configuration);
}
