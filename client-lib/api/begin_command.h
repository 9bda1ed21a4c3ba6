/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the synchronous and the asynchronous form of a command share. The
 * closures come as pointers to what the caller owns: a command that was
 * queued has taken them, one that was not has left them.
 */
#pragma once

#include <libnbd.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "client-lib/api/guard.h"

/* The range of a command and its flags. */
struct range {
	uint64_t count;
	uint64_t offset;
	uint32_t flags;
};

/* Does the strict mode allow FLAGS for a function that ACCEPTS some? If not,
 * EINVAL is recorded. For commands the engine does not see; it checks the
 * others itself. */
bool api_command_flags_are_valid(const struct nbd_handle *h, uint32_t flags,
				 uint32_t accepts);

/* All check the state and the arguments; the cookie (at least 1), or -1 with
 * the error recorded. Closures may be NULL pointers if the form has none. */
int64_t begin_read(const struct api_call *call, void *buf, struct range range,
		   nbd_chunk_callback *chunk,
		   nbd_completion_callback *completion);
int64_t begin_write(const struct api_call *call, const void *buf,
		    struct range range, nbd_completion_callback *completion);
int64_t begin_write_pieces(const struct api_call *call,
			   const struct iovec *pieces, size_t n_pieces,
			   uint64_t offset, uint32_t flags,
			   nbd_completion_callback *completion);
int64_t begin_flush(const struct api_call *call, uint32_t flags,
		    nbd_completion_callback *completion);
int64_t begin_trim(const struct api_call *call, struct range range,
		   nbd_completion_callback *completion);
int64_t begin_cache(const struct api_call *call, struct range range,
		    nbd_completion_callback *completion);
int64_t begin_zero(const struct api_call *call, struct range range,
		   nbd_completion_callback *completion);
int64_t begin_block_status(const struct api_call *call, struct range range,
			   nbd_extent_callback *extent,
			   nbd_completion_callback *completion);
int64_t begin_block_status_64(const struct api_call *call, struct range range,
			      nbd_extent64_callback *extent64,
			      nbd_completion_callback *completion);
int64_t begin_block_status_filter(const struct api_call *call,
				  struct range range, char **contexts,
				  nbd_extent64_callback *extent64,
				  nbd_completion_callback *completion);
