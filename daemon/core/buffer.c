/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Buffers that change hands. */
#include "daemon/core/buffer.h"

#include <errno.h>
#include <stdlib.h>

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
