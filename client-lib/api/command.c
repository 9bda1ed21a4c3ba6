/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Synchronous commands: the asynchronous form, then waiting for that cookie.
 * Other commands in flight on the handle make progress meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>

#include "client-lib/api/begin_command.h"
#include "client-lib/api/guard.h"
#include "client-lib/api/wait.h"

/* 0 when the command that COOKIE stands for has succeeded. */
static int
finish(struct nbd_handle *h, int64_t cookie)
{
	return cookie < 0 ? -1 : wait_for_command(h, (uint64_t)cookie);
}

int
nbd_pread(struct nbd_handle *h, void *buf, size_t count, uint64_t offset,
	  uint32_t flags)
{
	API_CALL(call, h, "buf=<buf> count=%zu offset=%" PRIu64 " flags=0x%x",
		 count, offset, flags);
	struct range range = { count, offset, flags };

	return api_return(&call,
			  finish(h, begin_read(&call, buf, range, NULL, NULL)));
}

int
nbd_pread_structured(struct nbd_handle *h, void *buf, size_t count,
		     uint64_t offset, nbd_chunk_callback chunk_callback,
		     uint32_t flags)
{
	API_CALL(call, h,
		 "buf=<buf> count=%zu offset=%" PRIu64 " chunk=%s flags=0x%x",
		 count, offset, trace_closure(chunk_callback), flags);
	OWN_CLOSURE(chunk, chunk, chunk_callback);
	struct range range = { count, offset, flags };

	return api_return(
		&call, finish(h, begin_read(&call, buf, range, &chunk, NULL)));
}

int
nbd_pwrite(struct nbd_handle *h, const void *buf, size_t count, uint64_t offset,
	   uint32_t flags)
{
	API_CALL(call, h, "buf=%s count=%zu offset=%" PRIu64 " flags=0x%x",
		 trace_bytes(&call.trace, buf, count), count, offset, flags);
	struct range range = { count, offset, flags };

	return api_return(&call,
			  finish(h, begin_write(&call, buf, range, NULL)));
}

int
nbd_flush(struct nbd_handle *h, uint32_t flags)
{
	API_CALL(call, h, "flags=0x%x", flags);

	return api_return(&call, finish(h, begin_flush(&call, flags, NULL)));
}

int
nbd_trim(struct nbd_handle *h, uint64_t count, uint64_t offset, uint32_t flags)
{
	API_CALL(call, h, "count=%" PRIu64 " offset=%" PRIu64 " flags=0x%x",
		 count, offset, flags);
	struct range range = { count, offset, flags };

	return api_return(&call, finish(h, begin_trim(&call, range, NULL)));
}

int
nbd_cache(struct nbd_handle *h, uint64_t count, uint64_t offset, uint32_t flags)
{
	API_CALL(call, h, "count=%" PRIu64 " offset=%" PRIu64 " flags=0x%x",
		 count, offset, flags);
	struct range range = { count, offset, flags };

	return api_return(&call, finish(h, begin_cache(&call, range, NULL)));
}

int
nbd_zero(struct nbd_handle *h, uint64_t count, uint64_t offset, uint32_t flags)
{
	API_CALL(call, h, "count=%" PRIu64 " offset=%" PRIu64 " flags=0x%x",
		 count, offset, flags);
	struct range range = { count, offset, flags };

	return api_return(&call, finish(h, begin_zero(&call, range, NULL)));
}

int
nbd_block_status(struct nbd_handle *h, uint64_t count, uint64_t offset,
		 nbd_extent_callback extent_callback, uint32_t flags)
{
	API_CALL(call, h,
		 "count=%" PRIu64 " offset=%" PRIu64 " extent=%s flags=0x%x",
		 count, offset, trace_closure(extent_callback), flags);
	OWN_CLOSURE(extent, extent, extent_callback);
	struct range range = { count, offset, flags };

	return api_return(&call, finish(h, begin_block_status(&call, range,
							      &extent, NULL)));
}

int
nbd_block_status_64(struct nbd_handle *h, uint64_t count, uint64_t offset,
		    nbd_extent64_callback extent64_callback, uint32_t flags)
{
	API_CALL(call, h,
		 "count=%" PRIu64 " offset=%" PRIu64 " extent64=%s flags=0x%x",
		 count, offset, trace_closure(extent64_callback), flags);
	OWN_CLOSURE(extent64, extent64, extent64_callback);
	struct range range = { count, offset, flags };

	return api_return(&call,
			  finish(h, begin_block_status_64(&call, range,
							  &extent64, NULL)));
}

int
nbd_block_status_filter(struct nbd_handle *h, uint64_t count, uint64_t offset,
			char **contexts,
			nbd_extent64_callback extent64_callback, uint32_t flags)
{
	API_CALL(call, h,
		 "count=%" PRIu64 " offset=%" PRIu64
		 " contexts=%s extent64=%s flags=0x%x",
		 count, offset, trace_strings(&call.trace, contexts),
		 trace_closure(extent64_callback), flags);
	OWN_CLOSURE(extent64, extent64, extent64_callback);
	struct range range = { count, offset, flags };

	return api_return(&call, finish(h, begin_block_status_filter(
						   &call, range, contexts,
						   &extent64, NULL)));
}
