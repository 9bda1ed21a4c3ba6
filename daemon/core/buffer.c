/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers that change hands. */
#include "daemon/core/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* What the holders of a shared buffer have in common. */
struct shared {
	atomic_uint holders;
	struct buffer buffer;
};

int
buffer_allocate(struct buffer *buffer, size_t size)
{
	void *data = malloc(size ? size : 1);

	if (!data)
		return -ENOMEM;
	*buffer = (struct buffer){
		.data = data,
		.size = size,
		.release = free,
		.owner = data,
	};
	return 0;
}

void
buffer_release(struct buffer *buffer)
{
	struct buffer taken = buffer_take(buffer);

	if (taken.release)
		taken.release(taken.owner);
}

struct buffer
buffer_take(struct buffer *from)
{
	struct buffer taken = *from;

	*from = (struct buffer){ 0 };
	return taken;
}

int
buffer_copy(struct buffer *buffer, const void *data, size_t size)
{
	int r = buffer_allocate(buffer, size);

	if (r == 0 && size > 0)
		memcpy(buffer->data, data, size);
	return r;
}

/* A walk over a part of a buffer, from piece to piece. */
struct walk {
	struct iovec whole;
	const struct iovec *piece, *end;
	uint64_t at;
	size_t left;
};

static void
walk_begin(struct walk *walk, const struct buffer *buffer, uint64_t at,
	   size_t length)
{
	walk->whole = (struct iovec){ buffer->data, buffer->size };
	walk->piece = buffer->data ? &walk->whole : buffer->pieces;
	walk->end = walk->piece + (buffer->data ? 1 : buffer->n_pieces);
	walk->at = at;
	walk->left = length;
}

/* False at the end; else *HERE is what comes next. */
static bool
walk_on(struct walk *walk, struct iovec *here)
{
	if (walk->left == 0)
		return false;
	for (; walk->at >= walk->piece->iov_len; walk->piece++) {
		walk->at -= walk->piece->iov_len;
		assert(walk->piece + 1 < walk->end);
	}
	here->iov_base = (char *)walk->piece->iov_base + walk->at;
	here->iov_len = walk->piece->iov_len - walk->at;
	if (here->iov_len > walk->left)
		here->iov_len = walk->left;
	walk->at += here->iov_len;
	walk->left -= here->iov_len;
	return true;
}

size_t
buffer_cut(const struct buffer *buffer, uint64_t at, size_t length,
	   struct iovec *vectors, size_t n_max)
{
	struct walk walk;
	struct iovec here;
	size_t n = 0;

	walk_begin(&walk, buffer, at, length);
	for (; walk_on(&walk, &here); n++)
		if (n < n_max)
			vectors[n] = here;
	return n;
}

void
buffer_read(const struct buffer *buffer, uint64_t at, size_t length, void *to)
{
	struct walk walk;
	struct iovec here;
	unsigned char *next = to;

	walk_begin(&walk, buffer, at, length);
	for (; walk_on(&walk, &here); next += here.iov_len)
		memcpy(next, here.iov_base, here.iov_len);
}

static void
release_shared(void *owner)
{
	struct shared *shared = owner;

	if (--shared->holders > 0)
		return;
	buffer_release(&shared->buffer);
	free(shared);
}

bool
buffer_is_shared(const struct buffer *buffer)
{
	return buffer->release == release_shared;
}

int
buffer_share(struct buffer *buffer)
{
	struct shared *shared;

	if (buffer_is_shared(buffer))
		return 0;
	shared = calloc(1, sizeof(*shared));
	if (!shared)
		return -ENOMEM;
	shared->holders = 1;
	shared->buffer = *buffer;
	buffer->release = release_shared;
	buffer->owner = shared;
	return 0;
}

struct buffer
buffer_ref(const struct buffer *shared)
{
	struct shared *common = shared->owner;

	common->holders++;
	return *shared;
}
