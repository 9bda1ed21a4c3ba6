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

static serving_status
volume_status(struct rpc_call *call, struct volume *volume)
{
	struct volume_description description;
	serving_status status = STATUS(UNKNOWN);

	if (volume_describe(volume, rpc_call_client(call), &description) < 0)
		return status;
	status = status_of_state(description.state);
	volume_description_done(&description);
	return status;
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
		response.status = volume_status(call, volume);
		volume_unref(volume);
	}
	rpc_call_reply(call, &response);
}

const struct rpc_handler rpc_handler_HEALTH_CHECK = {
	.size = sizeof(struct rpc_call),
	.on_message = on_check,
};

/* Watch */

struct health_watch {
	struct rpc_call call;
	/* NULL: a service, or nothing that is known. */
	struct volume *volume;
	struct volume_watcher watcher;

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

/* On the volume's I/O thread. */
static void
on_change(struct volume_watcher *watcher, enum volume_state state)
{
	set_status(watcher->user, status_of_state(state));
}

static void
on_start(struct rpc_call *call)
{
	struct health_watch *watch = watch_of(call);

	pthread_mutex_init(&watch->lock, NULL);
}

/* Watching begins before the first look, so that no change is missed. A name
 * that nobody knows stays unknown until the client asks again. */
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
	watch->volume = volume_find(rpc_call_daemon(call), message->service,
				    rpc_call_client(call));
	if (!watch->volume) {
		set_status(watch, STATUS(SERVICE_UNKNOWN));
		return;
	}
	watch->watcher.on_change = on_change;
	watch->watcher.user = watch;
	volume_watch(watch->volume, &watch->watcher);
	set_status(watch, volume_status(call, watch->volume));
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

	if (watch->volume)
		volume_unwatch(watch->volume, &watch->watcher);
}

static void
on_free(struct rpc_call *call)
{
	struct health_watch *watch = watch_of(call);

	volume_unref(watch->volume);
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
