/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a volume on its loop: start, ready, lost and found again, shut.
 * Two references keep it: one of the registry of names, and one of its own,
 * from start to gone. It is freed on its loop, behind every message to it.
 */
#include "daemon/core/volume.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/core/client.h"
#include "daemon/core/daemon_private.h"
#include "daemon/core/log.h"
#include "daemon/core/orders.h"
#include "daemon/core/pool_private.h"
#include "daemon/core/pool_return.h"
#include "daemon/core/unflushed.h"

static void
tell_watchers(struct volume *volume, enum volume_state state)
{
	SCOPED_LOCK(&volume->lock);

	list_for_each_safe(link, &volume->watchers) {
		struct volume_watcher *watcher = container_of(
			link, struct volume_watcher, link);

		watcher->on_change(watcher, state);
	}
}

void
volume_update_state(struct volume *volume)
{
	enum volume_state state = VOLUME_CONNECTING;

	volume->n_ready = volume->target.n_connections;
	if (volume->is_shutting)
		state = VOLUME_DRAINING;
	else if (volume->is_stopped)
		state = volume->stopped_state;
	else if (volume->is_paused)
		state = VOLUME_PAUSED;
	else if (volume->target.n_connections > 0)
		state = VOLUME_READY;
	else if (volume->target.has_export)
		state = VOLUME_RECOVERING;
	if (volume->state == (int)state)
		return;
	volume->state = (int)state;
	tell_watchers(volume, state);
}

static void
answer_open(struct volume *volume, const struct failure *failure)
{
	if (!volume->on_open)
		return;
	volume->open_deadline = 0;
	if (failure)
		volume->on_open(volume->on_open_user, NULL, failure);
	else
		volume->on_open(volume->on_open_user, volume_ref(volume), NULL);
	volume->on_open = NULL;
}

void
volume_on_ready(struct volume *volume)
{
	volume_update_state(volume);
	answer_open(volume, NULL);
}

void
volume_on_failure(struct volume *volume, const struct failure *failure)
{
	bool is_opening = volume->on_open && !volume->target.has_export;

	{
		SCOPED_LOCK(&volume->lock);
		if (string_replace(&volume->last_error, failure_text(failure)) <
		    0)
			log_debug("no memory to keep an error");
		volume->last_error_at = loop_now(volume->loop);
	}
	if (!is_opening)
		return;
	answer_open(volume, failure);
	daemon_remove_volume(volume->daemon, volume);
}

static void
on_dispatched(struct request_target *target)
{
	struct volume *volume = container_of(target, struct volume, target);

	unflushed_consider(volume);
	orders_go_on(volume);
	pool_go_on_returning(volume);
	pool_consider_growth(volume);
}

static void
disconnect(struct volume *volume)
{
	if (volume->is_disconnecting)
		return;
	volume->is_disconnecting = true;
	loop_stop_timer(volume->loop, &volume->shut_timer);
	unflushed_done(volume);
	pool_close(volume);
}

static void
on_flushed(struct request *request)
{
	struct volume *volume = request->user;

	if (request->failure.errnum) {
		struct log_subject about = { .volume = volume->name };

		log_write(LOG_ERR, &about, "not flushed before closing: %s",
			  failure_text(&request->failure));
	}
	request_done(request);
	/* The target calls on_idle next, which disconnects. */
}

/* Everything is answered: one last flush, if something was written. */
void
volume_go_on_shutting(struct volume *volume)
{
	struct request_target *target = &volume->target;

	if (!volume->is_shutting || volume->has_predecessor ||
	    !target_is_idle(target))
		return;
	if (volume->is_flushing || !unflushed_is_any(volume) ||
	    !target->export.can_flush) {
		disconnect(volume);
		return;
	}
	volume->is_flushing = true;
	volume->flush = (struct request){
		.command = REQUEST_FLUSH,
		.deadline = volume->shut_deadline,
		.on_done = on_flushed,
		.user = volume,
	};
	target_admit(target, &volume->flush);
}

static void
on_idle(struct request_target *target)
{
	volume_go_on_shutting(container_of(target, struct volume, target));
}

static void
on_release_request(struct request_target *target)
{
	volume_unref(container_of(target, struct volume, target));
}

static void
set_closed_because(struct failure *why, const struct volume *volume)
{
	failure_set(why, ESHUTDOWN, FAILURE_BUSY, "volume %s is being closed",
		    volume->name);
	failure_set_place(why, volume->name, NULL);
}

static void
on_shut_deadline(struct timer *timer)
{
	struct volume *volume = container_of(timer, struct volume, shut_timer);
	struct failure why = { 0 };

	set_closed_because(&why, volume);
	target_fail_all(&volume->target, &why);
	failure_done(&why);
	disconnect(volume);
}

static void
on_shut(struct message *message)
{
	struct volume *volume = container_of(message, struct volume, shut);
	struct failure why = { 0 };

	volume->is_shutting = true;
	volume_update_state(volume);
	set_closed_because(&why, volume);
	target_close(&volume->target, &why);
	answer_open(volume, &why);
	failure_done(&why);
	/* Without a connection nothing will be answered in time; what was
	 * acknowledged is worth waiting for one. */
	if (volume->target.n_connections == 0 && !volume->has_predecessor &&
	    (!unflushed_is_any(volume) || volume->is_stopped ||
	     volume->hands_over))
		volume->shut_deadline = 0;
	/* Nobody can resume it now. */
	volume->target.is_paused = false;
	if (volume->is_paused && !volume->is_stopped)
		pool_release(volume);
	orders_fail(volume);
	loop_set_timer(volume->loop, &volume->shut_timer,
		       volume->shut_deadline);
	volume_go_on_shutting(volume);
}

void
volume_on_disconnected(struct volume *volume)
{
	struct daemon *daemon = volume->daemon;

	log_write(volume->is_ad_hoc ? LOG_DEBUG : LOG_INFO,
		  &(struct log_subject){ .volume = volume->name,
					 .event = LOG_EVENT_VOLUME_CLOSED },
		  "closed");
	if (volume->opener)
		volume->opener->ad_hoc_volumes--;
	volume_start_successor(volume);
	volume_unref(volume);
	daemon_release(daemon);
}

static void
volume_free(struct volume *volume)
{
	pool_done(volume);
	identity_done(&volume->identity);
	identity_done(&volume->strange_identity);
	target_done(&volume->target);
	journal_done(&volume->estate);
	volume_settings_unref(volume->settings);
	volume_settings_unref(volume->access);
	client_unref(volume->opener);
	export_info_done(&volume->shown_export);
	free(volume->last_error);
	free(volume->name);
	pthread_mutex_destroy(&volume->lock);
	free(volume);
}

static void
on_release(struct message *message)
{
	volume_free(container_of(message, struct volume, release));
}

static uint64_t
or_default(uint64_t value, uint64_t otherwise)
{
	return value ? value : otherwise;
}

void
volume_set_slow_request(struct volume *volume,
			const struct daemon_settings *defaults)
{
	volume->target.slow_request = or_default(volume->access->slow_request,
						 defaults->slow_request);
}

static int
volume_init(struct volume *volume, const struct configuration *configuration)
{
	const struct volume_settings *settings = volume->settings;
	const struct daemon_settings *defaults = &configuration->daemon;

	if (string_replace(&volume->name, settings->name) < 0)
		return -ENOMEM;
	target_init(&volume->target, volume->loop, volume->name);
	volume->target.metrics = &volume->metrics;
	volume->target.retries_parts = true;
	volume->target.is_read_only = settings->is_read_only;
	volume->target.is_single_writer = settings->is_single_writer;
	volume->target.in_flight_limit = settings->in_flight;
	volume->target.request_timeout = or_default(settings->request_timeout,
						    defaults->request_timeout);
	volume_set_slow_request(volume, defaults);
	volume->target.on_dispatched = on_dispatched;
	volume->target.on_idle = on_idle;
	volume->target.on_release = on_release_request;
	volume->connect_timeout = or_default(settings->connect_timeout,
					     defaults->connect_timeout);
	volume->start.run = volume_on_start;
	volume->shut.run = on_shut;
	volume->release.run = on_release;
	volume->shut_timer.on_due = on_shut_deadline;
	unflushed_init(volume);
	journal_init(&volume->estate);
	list_init(&volume->link);
	list_init(&volume->orders);
	list_init(&volume->watchers);
	return 0;
}

struct volume *
volume_new(struct daemon *daemon, struct volume_settings *settings,
	   const struct client *opener)
{
	struct volume *volume = calloc(1, sizeof(*volume));
	struct configuration *configuration;
	int r;

	if (!volume)
		return NULL;
	/* The caller's, and its own. */
	volume->references = 2;
	volume->daemon = daemon;
	volume->loop = opener ? daemon_loop_of(daemon, opener)
			      : daemon_choose_loop(daemon);
	volume->settings = volume_settings_ref(settings);
	volume->access = volume_settings_ref(settings);
	pthread_mutex_init(&volume->lock, NULL);
	configuration = daemon_configuration(daemon);
	r = volume_init(volume, configuration);
	configuration_unref(configuration);
	if (r < 0) {
		volume_settings_unref(volume->settings);
		volume_settings_unref(volume->access);
		pthread_mutex_destroy(&volume->lock);
		free(volume);
		errno = -r;
		return NULL;
	}
	daemon_hold(daemon);
	return volume;
}

void
volume_shut(struct volume *volume, uint64_t deadline)
{
	if (atomic_exchange(&volume->is_shut, true))
		return;
	volume->shut_deadline = deadline;
	loop_send(volume->loop, &volume->shut);
}

struct volume *
volume_ref(struct volume *volume)
{
	volume->references++;
	return volume;
}

void
volume_unref(struct volume *volume)
{
	if (volume && --volume->references == 0)
		loop_send(volume->loop, &volume->release);
}
