/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Service Volumes: what administrators tell a volume to do. */
#include <errno.h>

#include "daemon/core/failure.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/admin.h"
#include "daemon/rpc/convert.h"
#include "daemon/rpc/handlers.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/codec_free.h"

static void
reply(struct rpc_call *call, struct volume *volume)
{
	struct volume_message message = { 0 };
	struct failure failure = { 0 };

	if (volume_message_init(&message, volume, rpc_call_client(call)) < 0) {
		failure_set(&failure, ENOMEM, FAILURE_NONE,
			    "it is done, but the daemon has no memory to "
			    "describe the volume");
		rpc_call_fail(call, &failure);
		failure_done(&failure);
		return;
	}
	rpc_call_reply(call, &message.volume);
	volume_message_done(&message);
}

/* On an I/O thread, or from within volume_give_order(). */
static void
on_carried_out(void *user, struct volume *volume, const struct failure *failure)
{
	struct rpc_call *call = user;

	if (failure)
		rpc_call_fail(call, failure);
	else
		reply(call, volume);
	rpc_call_unref(call);
}

static void
give_order(struct rpc_call *call, const char *name, enum volume_order order,
	   const char *what)
{
	struct volume *volume;

	if (!admin_is_allowed(call, what))
		return;
	volume = rpc_call_find_volume(call, name);
	if (!volume)
		return;
	/* until on_carried_out */
	rpc_call_ref(call);
	volume_give_order(volume, order, on_carried_out, call);
	volume_unref(volume);
}

#define ORDER(lower, Upper, UPPER)                                             \
	static void on_##lower(struct rpc_call *call, grpc_byte_buffer *bytes) \
	{                                                                      \
		CLEANUP_MESSAGE Nbdclientd__V1__##Upper##VolumeRequest         \
			*message = NULL;                                       \
                                                                               \
		if (rpc_call_decode(call, bytes, &message))                    \
			give_order(call, message->name, VOLUME_##UPPER,        \
				   #lower " a volume");                        \
	}                                                                      \
	const struct rpc_handler rpc_handler_VOLUMES_##UPPER##_VOLUME = {      \
		.size = sizeof(struct rpc_call),                               \
		.on_message = on_##lower,                                      \
	}

ORDER(accept, Accept, ACCEPT);
ORDER(pause, Pause, PAUSE);
ORDER(resume, Resume, RESUME);
ORDER(reconnect, Reconnect, RECONNECT);
