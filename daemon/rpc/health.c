/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * grpc.health.v1: how the daemon as a whole (""), a service of the contract, or
 * a volume is doing. A volume serves while a connection is ready.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/list.h"
#include "daemon/core/daemon.h"
#include "daemon/core/events.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/handlers.h"
#include "grpc/health/v1/health.pb-c.h"
#include "proto/codec.h"

#define STATUS(name) \
	GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##name

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

static bool
is_service(const char *name)
{
	if (name[0] == '\0')
		return true;
	for (size_t i = 0; i < RPC_N_METHODS; i++)
		if (strcmp(rpc_methods[i].service, name) == 0)
			return true;
	return false;
}

static serving_status
service_status(struct rpc_call *call)
{
	return daemon_is_draining(rpc_call_daemon(call)) ? STATUS(NOT_SERVING)
							 : STATUS(SERVING);
}

static serving_status
status_of_state(enum volume_state state)
{
	return state == VOLUME_READY ? STATUS(SERVING) : STATUS(NOT_SERVING);
}

/* Check */

static void
on_check(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Grpc__Health__V1__HealthCheckRequest *message = NULL;
	Grpc__Health__V1__HealthCheckResponse response =
		GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	if (!rpc_call_decode(call, bytes, &message))
		return;
	if (is_service(message->service)) {
		response.status = service_status(call);
	} else {
		struct volume *volume = rpc_call_find_volume(call,
							     message->service);

		if (!volume)
			return;
		response.status = status_of_state(volume_state(volume));
		volume_unref(volume);
	}
	rpc_call_reply(call, &response);
}

const struct rpc_handler rpc_handler_HEALTH_CHECK = {
	.size = sizeof(struct rpc_call),
	.on_message = on_check,
};

/*
 * Watch. A name is followed, not a volume: when the volume closes, because a
 * reload made it anew or removed it, the next one of that name is looked for
 * whenever something has happened.
 */

struct health_watch {
	struct rpc_call call;
	/* Of a volume; NULL: a service. */
	char *name;
	/* A reference, or NULL: there is none of that name. Only on_event()
	 * changes it. */
	struct volume *volume;
	struct volume_watcher watcher;
	struct events_watcher events_watcher;
	atomic_bool is_closing;

	/* Taken before the call's own lock. */
	pthread_mutex_t lock;
	/* What is so, and what the client was told last. */
	serving_status status;
	serving_status told;
	bool has_told;
	bool is_sending;
	bool is_draining;
};

static struct health_watch *
watch_of(struct rpc_call *call)
{
	return container_of(call, struct health_watch, call);
}

/* Tells the client what it does not know yet; changes that come while a message
 * is being sent are told as one. With the lock held. */
static void
tell(struct health_watch *watch)
{
	Grpc__Health__V1__HealthCheckResponse response =
		GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	if (watch->is_sending)
		return;
	if (watch->has_told && watch->told == watch->status) {
		if (watch->is_draining)
			rpc_call_finish_ok(&watch->call);
		return;
	}
	response.status = watch->told = watch->status;
	watch->has_told = true;
	watch->is_sending = rpc_call_send(&watch->call,
					  codec_encode(&response));
}

static void
set_status(struct health_watch *watch, serving_status status)
{
	SCOPED_LOCK(&watch->lock);

	if (!watch->is_draining)
		watch->status = status;
	tell(watch);
}

/* On the volume's I/O thread, under the volume's lock. */
static void
on_change(struct volume_watcher *watcher, enum volume_state state)
{
	struct health_watch *watch = watcher->user;

	if (state == VOLUME_DRAINING)
		watch->is_closing = true;
	set_status(watch, status_of_state(state));
}

/* Watching begins before the first look, so that no change is missed, and that
 * look is under the lock, so that a change is not told before it. VOLUME is
 * taken. */
static void
watch_volume(struct health_watch *watch, struct volume *volume)
{
	if (watch->volume)
		volume_unwatch(watch->volume, &watch->watcher);
	volume_unref(watch->volume);
	watch->volume = volume;
	watch->is_closing = false;
	volume_watch(volume, &watch->watcher);

	SCOPED_LOCK(&watch->lock);
	if (!watch->is_draining)
		watch->status = status_of_state(volume_state(volume));
	tell(watch);
}

/* Looks for the volume of the name, unless there is one already. */
static void
look(struct health_watch *watch)
{
	struct volume *found;

	if (watch->volume && !watch->is_closing)
		return;
	found = volume_find(rpc_call_daemon(&watch->call), watch->name,
			    rpc_call_client(&watch->call));
	if (!found)
		set_status(watch, STATUS(SERVICE_UNKNOWN));
	else if (found == watch->volume)
		volume_unref(found);
	else
		watch_volume(watch, found);
}

/* Something has happened, perhaps to a volume. */
static void
on_event(struct events_watcher *watcher)
{
	look(container_of(watcher, struct health_watch, events_watcher));
}

static void
on_start(struct rpc_call *call)
{
	struct health_watch *watch = watch_of(call);

	pthread_mutex_init(&watch->lock, NULL);
	list_init(&watch->events_watcher.link);
	watch->events_watcher.on_event = on_event;
	watch->watcher.on_change = on_change;
	watch->watcher.user = watch;
}

static void
on_watch(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Grpc__Health__V1__HealthCheckRequest *message = NULL;
	struct health_watch *watch = watch_of(call);

	if (!rpc_call_decode(call, bytes, &message))
		return;
	if (is_service(message->service)) {
		set_status(watch, service_status(call));
		return;
	}
	watch->name = strdup(message->service);
	if (!watch->name) {
		rpc_call_fail_with_code(call, GRPC_STATUS_RESOURCE_EXHAUSTED,
					"no memory to watch a volume");
		return;
	}
	/* Which also looks for the first time. */
	events_watch(daemon_events(rpc_call_daemon(call)),
		     &watch->events_watcher);
}

static void
on_sent(struct rpc_call *call)
{
	struct health_watch *watch = watch_of(call);

	SCOPED_LOCK(&watch->lock);
	watch->is_sending = false;
	tell(watch);
}

static void
on_drain(struct rpc_call *call)
{
	struct health_watch *watch = watch_of(call);

	SCOPED_LOCK(&watch->lock);
	watch->is_draining = true;
	watch->status = STATUS(NOT_SERVING);
	tell(watch);
}

/* No change is reported after this, so the call may go. */
static void
on_end(struct rpc_call *call)
{
	struct health_watch *watch = watch_of(call);

	events_unwatch(daemon_events(rpc_call_daemon(call)),
		       &watch->events_watcher);
	if (watch->volume)
		volume_unwatch(watch->volume, &watch->watcher);
}

static void
on_free(struct rpc_call *call)
{
	struct health_watch *watch = watch_of(call);

	volume_unref(watch->volume);
	free(watch->name);
	pthread_mutex_destroy(&watch->lock);
}

const struct rpc_handler rpc_handler_HEALTH_WATCH = {
	.size = sizeof(struct health_watch),
	.on_start = on_start,
	.on_message = on_watch,
	.on_sent = on_sent,
	.on_end = on_end,
	.on_drain = on_drain,
	.on_free = on_free,
};
