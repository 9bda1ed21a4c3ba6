/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers that change hands. */
#include "daemon/core/buffer.h"

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

size_t
buffer_cut(const struct buffer *buffer, uint64_t at, size_t length,
	   struct iovec *vectors, size_t n_max)
{
	const struct iovec whole = { buffer->data, buffer->size };
	const struct iovec *piece = buffer->data ? &whole : buffer->pieces;
	size_t n = 0;

	for (; length > 0; piece++) {
		size_t here;

		if (at >= piece->iov_len) {
			at -= piece->iov_len;
			continue;
		}
		here = piece->iov_len - at;
		if (here > length)
			here = length;
		if (n < n_max)
			vectors[n] = (struct iovec){
				.iov_base = (char *)piece->iov_base + at,
				.iov_len = here,
			};
		n++;
		length -= here;
		at = 0;
	}
	return n;
}

void
buffer_read(const struct buffer *buffer, uint64_t at, size_t length, void *to)
{
	const struct iovec whole = { buffer->data, buffer->size };
	const struct iovec *piece = buffer->data ? &whole : buffer->pieces;
	unsigned char *next = to;

	for (; length > 0; piece++) {
		size_t here;

		if (at >= piece->iov_len) {
			at -= piece->iov_len;
			continue;
		}
		here = piece->iov_len - at;
		if (here > length)
			here = length;
		memcpy(next, (const char *)piece->iov_base + at, here);
		next += here;
		length -= here;
		at = 0;
	}
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
