/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The contract's commands are the protocol's numbers plus one; the core's are
 * its own. */
#include "daemon/rpc/io_command.h"

#include <errno.h>

#include "daemon/core/daemon.h"
#include "daemon/core/failure.h"
#include "daemon/core/loop.h"
#include "daemon/rpc/convert.h"
#include "proto/rpc_limits.h"

static bool
translate_command(uint32_t from, enum request_command *to)
{
	switch (from) {
#define COMMAND(name, core)                           \
	case NBDCLIENTD__V1__COMMAND__COMMAND_##name: \
		*to = REQUEST_##core;                 \
		return true
		COMMAND(READ, READ);
		COMMAND(WRITE, WRITE);
		COMMAND(FLUSH, FLUSH);
		COMMAND(TRIM, TRIM);
		COMMAND(CACHE, CACHE);
		COMMAND(WRITE_ZEROES, ZERO);
		COMMAND(BLOCK_STATUS, BLOCK_STATUS);
#undef COMMAND
	}
	return false;
}

uint64_t
io_command_size(const struct io_request *from)
{
	if (from->command == NBDCLIENTD__V1__COMMAND__COMMAND_READ ||
	    from->source)
		return from->length < RPC_WRITE_MAX ? from->length
						    : RPC_WRITE_MAX;
	return from->data.length;
}

int
io_command_fill(struct request *request, struct io_request *from,
		struct failure *failure)
{
	if (!translate_command(from->command, &request->command))
		return failure_set(failure, EINVAL, FAILURE_INVALID,
				   "%u is no command", from->command);
	if (request->command == REQUEST_READ && from->length > RPC_WRITE_MAX)
		return failure_set(failure, EINVAL, FAILURE_INVALID,
				   "one read on a stream may ask for %u bytes "
				   "at the most, and this one asks for %lu",
				   RPC_WRITE_MAX, (unsigned long)from->length);
	if (request->command != REQUEST_WRITE && from->data.length > 0)
		return failure_set(failure, EINVAL, FAILURE_INVALID,
				   "only writes carry data");
	if (from->source)
		return failure_set(failure, EINVAL, FAILURE_INVALID,
				   "only writes of a channel have a source");
	request->flags = from->flags;
	request->offset = from->offset;
	request->length = from->length;
	if (from->timeout_ms > 0)
		request->deadline = clock_now() +
				    (uint64_t)from->timeout_ms * 1000000u;
	request->payload = buffer_from_payload(&from->data);
	request->contexts = from->contexts;
	from->contexts = (struct string_list){ 0 };
	request->is_partial_ok = true;
	return 0;
}
