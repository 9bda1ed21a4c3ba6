/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arguments become a request, which the engine checks and queues. The order
 * of checks is part of the interface: the state, the arguments as declared,
 * then flags and whatever strict mode asks for, which is the engine's.
 */
#include "client-lib/api/begin_command.h"

#include <errno.h>
#include <string.h>

#include "client-lib/engine/command.h"
#include "client-lib/wire/protocol.h"
#include "common/checked.h"

bool
api_command_flags_are_valid(const struct nbd_handle *h, uint32_t flags,
			    uint32_t accepts)
{
	bool is_strict = h->config.strict & LIBNBD_STRICT_FLAGS;

	/* The protocol has room for 16 bits whatever the mode. */
	return api_flags_are_valid(flags, is_strict ? accepts : UINT16_MAX,
				   "flags");
}

/* A request for RANGE with the flags that the calling function ACCEPTS. */
static struct command_request
request_for(uint16_t type, struct range range, uint32_t accepts,
	    nbd_completion_callback *completion)
{
	return (struct command_request){
		.type = type,
		.flags = range.flags,
		.accepts = accepts,
		.offset = range.offset,
		.count = range.count,
		.completion = completion,
	};
}

int64_t
begin_read(const struct api_call *call, void *buf, struct range range,
	   nbd_chunk_callback *chunk, nbd_completion_callback *completion)
{
	struct nbd_handle *h = call->h;
	struct command_request request = request_for(
		NBD_CMD_READ, range, chunk ? LIBNBD_CMD_FLAG_DF : 0,
		completion);

	/* Before any check, so that no failure leaves stale data behind. */
	if (buf) {
		ahead_vacate(h, buf, range.count);
		if (h->config.pread_initialize)
			memset(buf, 0, range.count);
	}
	if (!api_permit(call, CONNECTED) || !API_GIVEN(buf))
		return -1;
	if (chunk &&
	    !api_is_given(CLOSURE_IS_NULL(*chunk) ? NULL : chunk, "chunk"))
		return -1;

	request.buffer = buf;
	request.chunk = chunk;
	return command_submit(h, &request);
}

int64_t
begin_write(const struct api_call *call, const void *buf, struct range range,
	    nbd_completion_callback *completion)
{
	struct command_request request = request_for(
		NBD_CMD_WRITE, range,
		LIBNBD_CMD_FLAG_FUA | LIBNBD_CMD_FLAG_PAYLOAD_LEN, completion);

	if (!api_permit(call, CONNECTED) || !API_GIVEN(buf))
		return -1;
	request.payload = buf;
	return command_submit(call->h, &request);
}

/* 0, or -1 with the error recorded: there is no memory, or too much. */
static int
add_up(const struct iovec *pieces, size_t n_pieces, uint64_t *count)
{
	size_t sum = 0;

	for (size_t i = 0; i < n_pieces; i++) {
		if (!pieces[i].iov_base && pieces[i].iov_len > 0)
			return fail(EFAULT, "pieces: piece %zu is NULL", i);
		if (!checked_add_size(sum, pieces[i].iov_len, &sum))
			return fail(ERANGE,
				    "pieces: together they are more than "
				    "memory could hold");
	}
	*count = sum;
	return 0;
}

int64_t
begin_write_pieces(const struct api_call *call, const struct iovec *pieces,
		   size_t n_pieces, uint64_t offset, uint32_t flags,
		   nbd_completion_callback *completion)
{
	struct range range = { .offset = offset, .flags = flags };
	struct command_request request;

	if (!api_permit(call, CONNECTED) || !API_GIVEN(pieces) ||
	    add_up(pieces, n_pieces, &range.count) == -1)
		return -1;
	request = request_for(NBD_CMD_WRITE, range,
			      LIBNBD_CMD_FLAG_FUA | LIBNBD_CMD_FLAG_PAYLOAD_LEN,
			      completion);
	request.pieces = pieces;
	request.n_pieces = n_pieces;
	return command_submit(call->h, &request);
}

int64_t
begin_flush(const struct api_call *call, uint32_t flags,
	    nbd_completion_callback *completion)
{
	struct range nothing = { .flags = flags };
	struct command_request request = request_for(NBD_CMD_FLUSH, nothing, 0,
						     completion);

	if (!api_permit(call, CONNECTED))
		return -1;
	return command_submit(call->h, &request);
}

int64_t
begin_trim(const struct api_call *call, struct range range,
	   nbd_completion_callback *completion)
{
	struct command_request request = request_for(
		NBD_CMD_TRIM, range, LIBNBD_CMD_FLAG_FUA, completion);

	if (!api_permit(call, CONNECTED))
		return -1;
	return command_submit(call->h, &request);
}

int64_t
begin_cache(const struct api_call *call, struct range range,
	    nbd_completion_callback *completion)
{
	struct command_request request = request_for(NBD_CMD_CACHE, range, 0,
						     completion);

	if (!api_permit(call, CONNECTED))
		return -1;
	return command_submit(call->h, &request);
}

int64_t
begin_zero(const struct api_call *call, struct range range,
	   nbd_completion_callback *completion)
{
	struct command_request request = request_for(
		NBD_CMD_WRITE_ZEROES, range,
		LIBNBD_CMD_FLAG_FUA | LIBNBD_CMD_FLAG_NO_HOLE |
			LIBNBD_CMD_FLAG_FAST_ZERO,
		completion);

	if (!api_permit(call, CONNECTED))
		return -1;
	return command_submit(call->h, &request);
}

int64_t
begin_block_status(const struct api_call *call, struct range range,
		   nbd_extent_callback *extent,
		   nbd_completion_callback *completion)
{
	struct command_request request = request_for(
		NBD_CMD_BLOCK_STATUS, range, LIBNBD_CMD_FLAG_REQ_ONE,
		completion);

	if (!api_permit(call, CONNECTED))
		return -1;
	if (!api_is_given(CLOSURE_IS_NULL(*extent) ? NULL : extent, "extent"))
		return -1;
	request.extent = extent;
	return command_submit(call->h, &request);
}

/* What both 64-bit forms share. */
static int64_t
begin_status_64(const struct api_call *call, struct command_request *request,
		nbd_extent64_callback *extent64)
{
	if (!api_is_given(CLOSURE_IS_NULL(*extent64) ? NULL : extent64,
			  "extent64"))
		return -1;
	request->extent64 = extent64;
	return command_submit(call->h, request);
}

int64_t
begin_block_status_64(const struct api_call *call, struct range range,
		      nbd_extent64_callback *extent64,
		      nbd_completion_callback *completion)
{
	struct command_request request = request_for(
		NBD_CMD_BLOCK_STATUS, range, LIBNBD_CMD_FLAG_REQ_ONE,
		completion);

	if (!api_permit(call, CONNECTED))
		return -1;
	return begin_status_64(call, &request, extent64);
}

int64_t
begin_block_status_filter(const struct api_call *call, struct range range,
			  char **contexts, nbd_extent64_callback *extent64,
			  nbd_completion_callback *completion)
{
	struct command_request request = request_for(
		NBD_CMD_BLOCK_STATUS, range,
		LIBNBD_CMD_FLAG_REQ_ONE | LIBNBD_CMD_FLAG_PAYLOAD_LEN,
		completion);

	if (!api_permit(call, CONNECTED) || !API_GIVEN(contexts))
		return -1;
	request.contexts = contexts;
	return begin_status_64(call, &request, extent64);
}
