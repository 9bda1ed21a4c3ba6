/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon object: its loops, drain, and signs of life. The
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
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/core/access.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon_private.h"

/* A group that nobody is in. */
#define NO_GROUP ((gid_t)-1)

struct loop *
daemon_choose_loop(struct daemon *daemon)
{
	SCOPED_LOCK(&daemon->lock);

	return daemon->loops[daemon->next_loop++ % daemon->n_loops];
}

struct loop *
daemon_loop_of(const struct daemon *daemon, const struct client *client)
{
	return daemon->loops[client->id % daemon->n_loops];
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

	daemon->events = events_new();
	if (!daemon->events)
		return -ENOMEM;
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
	list_init(&daemon->users);
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

void
daemon_drain(struct daemon *daemon, uint64_t deadline,
	     void (*on_drained)(void *user), void *user)
{
	daemon->drain_deadline = deadline;
	daemon->is_draining = true;
	daemon_remove_all_volumes(daemon);
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
	events_free(daemon->events);
	pthread_mutex_destroy(&daemon->lock);
	free(daemon);
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

struct events *
daemon_events(const struct daemon *daemon)
{
	return daemon->events;
}

uint64_t
daemon_started_at(const struct daemon *daemon)
{
	return daemon->started_at;
}

uint64_t
daemon_resident_memory(void)
{
	unsigned long total, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%lu %lu", &total, &resident) != 2)
		resident = 0;
	fclose(file);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
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
