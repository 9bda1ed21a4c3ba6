/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Service Volumes: what the daemon serves, and volumes of a client's own. */
#include <errno.h>

#include "common/list.h"
#include "daemon/core/daemon.h"
#include "daemon/core/failure.h"
#include "daemon/core/loop.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handlers.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/codec_free.h"

#define NS_PER_MS 1000000u

static void
fail_without_memory(struct rpc_call *call)
{
	struct failure failure = { 0 };

	failure_set(&failure, ENOMEM, FAILURE_NONE,
		    "the daemon has no memory to describe its volumes");
	rpc_call_fail(call, &failure);
	failure_done(&failure);
}

static void
reply_with_volume(struct rpc_call *call, struct volume *volume)
{
	struct volume_message message = { 0 };

	if (volume_message_init(&message, volume, rpc_call_client(call)) < 0) {
		fail_without_memory(call);
		return;
	}
	rpc_call_reply(call, &message.volume);
	volume_message_done(&message);
}

static void
on_list_volumes(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ListVolumesRequest *message = NULL;
	Nbdclientd__V1__ListVolumesResponse response =
		NBDCLIENTD__V1__LIST_VOLUMES_RESPONSE__INIT;
	struct volume_messages volumes;

	if (!rpc_call_decode(call, bytes, &message))
		return;
	if (volume_messages_init(&volumes, rpc_call_daemon(call),
				 rpc_call_client(call)) < 0) {
		fail_without_memory(call);
		return;
	}
	response.volumes = volumes.pointers;
	response.n_volumes = volumes.n;
	rpc_call_reply(call, &response);
	volume_messages_done(&volumes);
}

static void
on_get_volume(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__GetVolumeRequest *message = NULL;
	struct volume *volume;

	if (!rpc_call_decode(call, bytes, &message))
		return;
	volume = rpc_call_find_volume(call, message->name);
	if (volume)
		reply_with_volume(call, volume);
	volume_unref(volume);
}

/* The caller did not wait for the volume's name, so only we know it. */
static void
close_unclaimed(struct rpc_call *call, struct volume *volume)
{
	struct failure failure = { 0 };

	/* It may be gone already, together with the client. */
	(void)volume_close(rpc_call_daemon(call), rpc_call_client(call),
			   volume_name(volume), &failure);
	failure_done(&failure);
}

/* On an I/O thread, or from within volume_open_ad_hoc(). */
static void
on_open(void *user, struct volume *volume, const struct failure *failure)
{
	struct rpc_call *call = user;

	if (!volume)
		rpc_call_fail(call, failure);
	else if (rpc_call_is_over(call))
		close_unclaimed(call, volume);
	else
		reply_with_volume(call, volume);
	volume_unref(volume);
	rpc_call_unref(call);
}

/* The earlier of the call's own deadline and the request's. */
static uint64_t
open_deadline(const struct rpc_call *call, uint32_t timeout_ms)
{
	uint64_t deadline;

	if (timeout_ms == 0)
		return call->deadline;
	deadline = clock_now() + (uint64_t)timeout_ms * NS_PER_MS;
	return call->deadline > 0 && call->deadline < deadline ? call->deadline
							       : deadline;
}

static void
on_open_volume(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__OpenVolumeRequest *message = NULL;
	struct ad_hoc_options options;

	if (!rpc_call_decode(call, bytes, &message))
		return;
	options = (struct ad_hoc_options){
		.uri = message->uri,
		.name = message->name,
		.connections = message->connections,
		.is_read_only = message->read_only,
		.deadline = open_deadline(call, message->timeout_ms),
	};
	/* until on_open */
	rpc_call_ref(call);
	volume_open_ad_hoc(rpc_call_daemon(call), rpc_call_client(call),
			   &options, on_open, call);
}

static void
on_close_volume(struct rpc_call *call, grpc_byte_buffer *bytes)
{
	CLEANUP_MESSAGE Nbdclientd__V1__CloseVolumeRequest *message = NULL;
	Nbdclientd__V1__CloseVolumeResponse response =
		NBDCLIENTD__V1__CLOSE_VOLUME_RESPONSE__INIT;
	struct failure failure = { 0 };

	if (!rpc_call_decode(call, bytes, &message))
		return;
	if (volume_close(rpc_call_daemon(call), rpc_call_client(call),
			 message->name, &failure) < 0)
		rpc_call_fail(call, &failure);
	else
		rpc_call_reply(call, &response);
	failure_done(&failure);
}

#define VOLUMES_HANDLER(id, function)                         \
	const struct rpc_handler rpc_handler_VOLUMES_##id = { \
		.size = sizeof(struct rpc_call),              \
		.on_message = function,                       \
	}

VOLUMES_HANDLER(LIST_VOLUMES, on_list_volumes);
VOLUMES_HANDLER(GET_VOLUME, on_get_volume);
VOLUMES_HANDLER(OPEN_VOLUME, on_open_volume);
VOLUMES_HANDLER(CLOSE_VOLUME, on_close_volume);
