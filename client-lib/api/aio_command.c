/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asynchronous commands: they return the cookie of what they queued.
 */
#include <errno.h>
#include <inttypes.h>
#include <libnbd-ext.h>

#include "client-lib/api/begin_command.h"
#include "client-lib/api/guard.h"
#include "client-lib/engine/command.h"
#include "common/hints.h"

HOT int64_t
nbd_aio_pread(struct nbd_handle *h, void *buf, size_t count, uint64_t offset,
	      nbd_completion_callback completion_callback, uint32_t flags)
{
	API_CALL(call, h,
		 "buf=<buf> count=%zu offset=%" PRIu64
		 " completion=%s flags=0x%x",
		 count, offset, trace_closure(completion_callback), flags);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct range range = { count, offset, flags };

	return api_return(&call,
			  begin_read(&call, buf, range, NULL, &completion));
}

int64_t
nbd_aio_pread_structured(struct nbd_handle *h, void *buf, size_t count,
			 uint64_t offset, nbd_chunk_callback chunk_callback,
			 nbd_completion_callback completion_callback,
			 uint32_t flags)
{
	API_CALL(call, h,
		 "buf=<buf> count=%zu offset=%" PRIu64
		 " chunk=%s completion=%s flags=0x%x",
		 count, offset, trace_closure(chunk_callback),
		 trace_closure(completion_callback), flags);
	OWN_CLOSURE(chunk, chunk, chunk_callback);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct range range = { count, offset, flags };

	return api_return(&call,
			  begin_read(&call, buf, range, &chunk, &completion));
}

HOT int64_t
nbd_aio_pwrite(struct nbd_handle *h, const void *buf, size_t count,
	       uint64_t offset, nbd_completion_callback completion_callback,
	       uint32_t flags)
{
	API_CALL(call, h,
		 "buf=%s count=%zu offset=%" PRIu64 " completion=%s flags=0x%x",
		 trace_bytes(&call.trace, buf, count), count, offset,
		 trace_closure(completion_callback), flags);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct range range = { count, offset, flags };

	return api_return(&call, begin_write(&call, buf, range, &completion));
}

HOT int64_t
nbd_ext_aio_pwritev(struct nbd_handle *h, const struct iovec *pieces,
		    size_t n_pieces, uint64_t offset,
		    nbd_completion_callback completion_callback, uint32_t flags)
{
	API_CALL(call, h,
		 "pieces=<pieces> n_pieces=%zu offset=%" PRIu64
		 " completion=%s flags=0x%x",
		 n_pieces, offset, trace_closure(completion_callback), flags);
	OWN_CLOSURE(completion, completion, completion_callback);

	return api_return(&call,
			  begin_write_pieces(&call, pieces, n_pieces, offset,
					     flags, &completion));
}

int64_t
nbd_aio_flush(struct nbd_handle *h, nbd_completion_callback completion_callback,
	      uint32_t flags)
{
	API_CALL(call, h, "completion=%s flags=0x%x",
		 trace_closure(completion_callback), flags);
	OWN_CLOSURE(completion, completion, completion_callback);

	return api_return(&call, begin_flush(&call, flags, &completion));
}

int64_t
nbd_aio_trim(struct nbd_handle *h, uint64_t count, uint64_t offset,
	     nbd_completion_callback completion_callback, uint32_t flags)
{
	API_CALL(call, h,
		 "count=%" PRIu64 " offset=%" PRIu64
		 " completion=%s flags=0x%x",
		 count, offset, trace_closure(completion_callback), flags);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct range range = { count, offset, flags };

	return api_return(&call, begin_trim(&call, range, &completion));
}

int64_t
nbd_aio_cache(struct nbd_handle *h, uint64_t count, uint64_t offset,
	      nbd_completion_callback completion_callback, uint32_t flags)
{
	API_CALL(call, h,
		 "count=%" PRIu64 " offset=%" PRIu64
		 " completion=%s flags=0x%x",
		 count, offset, trace_closure(completion_callback), flags);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct range range = { count, offset, flags };

	return api_return(&call, begin_cache(&call, range, &completion));
}

int64_t
nbd_aio_zero(struct nbd_handle *h, uint64_t count, uint64_t offset,
	     nbd_completion_callback completion_callback, uint32_t flags)
{
	API_CALL(call, h,
		 "count=%" PRIu64 " offset=%" PRIu64
		 " completion=%s flags=0x%x",
		 count, offset, trace_closure(completion_callback), flags);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct range range = { count, offset, flags };

	return api_return(&call, begin_zero(&call, range, &completion));
}

int64_t
nbd_aio_block_status(struct nbd_handle *h, uint64_t count, uint64_t offset,
		     nbd_extent_callback extent_callback,
		     nbd_completion_callback completion_callback,
		     uint32_t flags)
{
	API_CALL(call, h,
		 "count=%" PRIu64 " offset=%" PRIu64
		 " extent=%s completion=%s flags=0x%x",
		 count, offset, trace_closure(extent_callback),
		 trace_closure(completion_callback), flags);
	OWN_CLOSURE(extent, extent, extent_callback);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct range range = { count, offset, flags };

	return api_return(
		&call, begin_block_status(&call, range, &extent, &completion));
}

int64_t
nbd_aio_block_status_64(struct nbd_handle *h, uint64_t count, uint64_t offset,
			nbd_extent64_callback extent64_callback,
			nbd_completion_callback completion_callback,
			uint32_t flags)
{
	API_CALL(call, h,
		 "count=%" PRIu64 " offset=%" PRIu64
		 " extent64=%s completion=%s flags=0x%x",
		 count, offset, trace_closure(extent64_callback),
		 trace_closure(completion_callback), flags);
	OWN_CLOSURE(extent64, extent64, extent64_callback);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct range range = { count, offset, flags };

	return api_return(&call, begin_block_status_64(&call, range, &extent64,
						       &completion));
}

int64_t
nbd_aio_block_status_filter(struct nbd_handle *h, uint64_t count,
			    uint64_t offset, char **contexts,
			    nbd_extent64_callback extent64_callback,
			    nbd_completion_callback completion_callback,
			    uint32_t flags)
{
	API_CALL(call, h,
		 "count=%" PRIu64 " offset=%" PRIu64
		 " contexts=%s extent64=%s completion=%s flags=0x%x",
		 count, offset, trace_strings(&call.trace, contexts),
		 trace_closure(extent64_callback),
		 trace_closure(completion_callback), flags);
	OWN_CLOSURE(extent64, extent64, extent64_callback);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct range range = { count, offset, flags };

	return api_return(&call,
			  begin_block_status_filter(&call, range, contexts,
						    &extent64, &completion));
}

int
nbd_aio_disconnect(struct nbd_handle *h, uint32_t flags)
{
	API_CALL(call, h, "flags=0x%x", flags);

	if (!api_permit(&call, CONNECTED))
		return -1;
	if (!api_command_flags_are_valid(h, flags, 0))
		return -1;
	return api_return(&call, engine_disconnect(h));
}
