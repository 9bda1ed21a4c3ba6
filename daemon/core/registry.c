/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The volumes by name: added, found, removed, and compared with a new
 * configuration. The lock guards the list only; a volume that leaves it shuts
 * down on its own loop.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/cleanup.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/log.h"
#include "daemon/core/volume_private.h"

#define AD_HOC_PREFIX "adhoc-"

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

/* Whoever opens a volume again after a restart wants the old name, so new ones
 * are not those of another life. */
static unsigned
life_number(void)
{
	uint16_t number = 0;

	/* Cannot fail for as few bytes; if it does, somebody may have to open
	 * under a new name. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		number = 0;
	return number;
}

void
daemon_name_ad_hoc(struct daemon *daemon, char *name, size_t size)
{
	SCOPED_LOCK(&daemon->lock);

	if (daemon->next_ad_hoc == 0)
		daemon->ad_hoc_life = life_number();
	do
		snprintf(name, size, AD_HOC_PREFIX "%04x-%llu",
			 daemon->ad_hoc_life,
			 (unsigned long long)++daemon->next_ad_hoc);
	while (name_is_taken(daemon, name));
}

int
daemon_check_ad_hoc_name(struct daemon *daemon, const char *name,
			 struct failure *failure)
{
	SCOPED_LOCK(&daemon->lock);

	if (!volume_name_is_valid(name) ||
	    strncmp(name, AD_HOC_PREFIX, strlen(AD_HOC_PREFIX)) != 0)
		return failure_set(failure, EINVAL, FAILURE_INVALID,
				   "a volume that is opened cannot be called "
				   "'%s': it is no name that one had",
				   name);
	if (name_is_taken(daemon, name))
		return failure_set(failure, EEXIST, FAILURE_INVALID,
				   "there is a volume '%s' already", name);
	return 0;
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
	struct volume *volume = volume_new(daemon, settings, NULL);

	if (!volume)
		return -errno;
	daemon_add_volume(daemon, volume);
	volume_start(volume);
	volume_unref(volume);
	return 0;
}

/* The old one finishes before the new one connects. */
static int
replace(struct daemon *daemon, struct volume *old,
	struct volume_settings *settings)
{
	struct volume *volume = volume_new(daemon, settings, NULL);

	if (!volume)
		return -errno;
	volume_start_after(volume, old);
	/* Behind the old one in the list, so that the name is never unknown. */
	daemon_add_volume(daemon, volume);
	daemon_remove_volume(daemon, old);
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
		r = replace(daemon, volume, settings);
		result->volumes_changed++;
	} else if (!volume_settings_are_equal(volume->access, settings)) {
		/* Only the main thread changes it, and that is us. */
		volume_set_access(volume, settings);
		result->volumes_changed++;
	}
	volume_unref(volume);
	return r;
}

static void
apply_slow_request(struct daemon *daemon,
		   const struct daemon_settings *settings)
{
	SCOPED_LOCK(&daemon->lock);

	list_for_each(link, &daemon->volumes)
		volume_set_slow_request(container_of(link, struct volume, link),
					settings);
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
	apply_slow_request(daemon, &configuration->daemon);
	return r;
}

static bool
is_any(const struct volume *volume, const void *what)
{
	(void)volume;
	(void)what;
	return true;
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

void
daemon_remove_all_volumes(struct daemon *daemon)
{
	remove_all(daemon, is_any, NULL);
}
