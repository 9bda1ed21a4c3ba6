/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How calls end: replies and failures as statuses, all of them by way of
 * rpc_call_finish(). */
#include <errno.h>
#include <stdarg.h>

#include "daemon/core/failure.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/call.h"
#include "daemon/rpc/peer.h"
#include "daemon/rpc/server_private.h"
#include "daemon/rpc/status.h"
#include "proto/codec.h"

void
rpc_call_reply_bytes(struct rpc_call *call, grpc_byte_buffer *response)
{
	struct rpc_status status = { .code = GRPC_STATUS_OK };

	rpc_call_finish(call, &status, response);
}

void
rpc_call_reply(struct rpc_call *call, const void *response)
{
	rpc_call_reply_bytes(call, codec_encode(response));
}

void
rpc_call_finish_ok(struct rpc_call *call)
{
	rpc_call_reply_bytes(call, NULL);
}

void
rpc_call_fail_as(struct rpc_call *call, grpc_status_code code,
		 const struct failure *failure)
{
	struct rpc_status status = rpc_status_from_failure(code, failure);

	rpc_call_finish(call, &status, NULL);
}

void
rpc_call_fail(struct rpc_call *call, const struct failure *failure)
{
	rpc_call_fail_as(call, rpc_status_code(failure), failure);
}

void
rpc_call_fail_with_code(struct rpc_call *call, grpc_status_code code,
			const char *format, ...)
{
	struct rpc_status status;
	va_list args;

	va_start(args, format);
	status = rpc_status_with_text(code, format, args);
	va_end(args);
	rpc_call_finish(call, &status, NULL);
}

void
rpc_call_fail_decoding(struct rpc_call *call, int error)
{
	rpc_call_fail_with_code(call,
				error == -EBADMSG
					? GRPC_STATUS_INVALID_ARGUMENT
					: GRPC_STATUS_RESOURCE_EXHAUSTED,
				"cannot decode the request of %s: %s",
				call->method->path, codec_error_text(error));
}

bool
rpc_call_decode(struct rpc_call *call, grpc_byte_buffer *bytes, void *message)
{
	int error = codec_decode(call->method->request, bytes,
				 call->peer->rpc->max_message, message);

	if (error < 0)
		rpc_call_fail_decoding(call, error);
	return error == 0;
}

struct volume *
rpc_call_find_volume(struct rpc_call *call, const char *name)
{
	struct failure failure = { 0 };
	struct volume *volume = volume_find(rpc_call_daemon(call), name,
					    rpc_call_client(call));

	if (volume)
		return volume;
	failure_set(&failure, ENOENT, FAILURE_UNKNOWN_VOLUME,
		    "there is no volume \"%s\"", name);
	failure_set_hint(&failure, "nbdctl volume ls lists those there are.");
	rpc_call_fail(call, &failure);
	failure_done(&failure);
	return NULL;
}
