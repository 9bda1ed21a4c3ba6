/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies of a channel: a write that names another volume as its source. The
 * daemon reads the bytes there and writes them from the memory in which they
 * came, so that the client sends and receives but a few bytes for each piece.
 * One struct request serves first as the read, then as the write.
 */
#include "daemon/rpc/channel.h"

#include <errno.h>

#include "common/cleanup.h"
#include "daemon/core/failure.h"
#include "daemon/core/loop.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/peer.h"
#include "proto/rpc_limits.h"

/*
 * The read is back, on the source's loop. From here on the copy is not
 * cancelled when the client goes: a write that has begun is carried out.
 */
static void
on_read(struct request *request)
{
	struct channel_request *of = request->user;
	struct volume *destination = of->channel->opening.volume;
	struct request write = {
		.command = REQUEST_WRITE,
		.flags = of->copy_flags,
		.offset = of->copy_offset,
		.deadline = request->deadline,
		.client = request->client,
		.on_done = channel_on_request_done,
		.user = of,
	};

	volume_unref(TAKE_PTR(of->source));
	if (request->failure.errnum != 0) {
		channel_on_request_done(request);
		return;
	}
	channel_take_back(of);
	write.payload = buffer_take(&request->payload);
	write.length = write.payload.size;
	request_done(request);
	*request = write;
	volume_submit(destination, request);
}

static bool
check(const struct io_request *from, struct failure *failure)
{
	if (from->command != NBDCLIENTD__V1__COMMAND__COMMAND_WRITE ||
	    from->data.length > 0)
		return failure_set(failure, EINVAL, FAILURE_INVALID,
				   "only a write without data has a source") ==
		       0;
	if (from->length == 0 || from->length > RPC_WRITE_MAX)
		return failure_set(failure, EINVAL, FAILURE_INVALID,
				   "one copy may be of 1 to %u bytes, and this "
				   "one is of %lu",
				   RPC_WRITE_MAX,
				   (unsigned long)from->length) == 0;
	return true;
}

bool
channel_copy_prepare(struct channel_request *of, const struct io_request *from,
		     struct failure *failure)
{
	struct rpc_call *call = &of->channel->call;

	if (!check(from, failure))
		return false;
	of->source = volume_find(rpc_call_daemon(call), from->source,
				 rpc_call_client(call));
	if (!of->source)
		return failure_set(failure, ENOENT, FAILURE_UNKNOWN_VOLUME,
				   "there is no volume \"%s\" to copy from",
				   from->source) == 0;
	of->copy_offset = from->offset;
	of->copy_flags = from->flags;
	of->request.command = REQUEST_READ;
	of->request.offset = from->source_offset;
	of->request.length = from->length;
	of->request.on_done = on_read;
	if (from->timeout_ms > 0)
		of->request.deadline = clock_now() +
				       (uint64_t)from->timeout_ms * 1000000u;
	return true;
}
