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
