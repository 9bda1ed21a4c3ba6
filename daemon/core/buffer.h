/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of a read or write: a buffer with an owner that is told when it is
 * free again. The core does not know where the memory comes from (a message
 * slice, the heap, tomorrow a client's shared memory).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Zero bytes are "no buffer". */
struct buffer {
	void *data;
	size_t size;
	/* Called once with OWNER, on any thread; NULL: nothing to do. */
	void (*release)(void *owner);
	void *owner;
};

/* 0, or -ENOMEM: SIZE bytes from the heap, not initialised. */
int buffer_allocate(struct buffer *buffer, size_t size);

/* Gives the buffer back to its owner; BUFFER is empty afterwards. Harmless on
 * an empty one. */
void buffer_release(struct buffer *buffer);

/* The buffer, which in FROM is empty afterwards: the caller owns it. */
struct buffer buffer_take(struct buffer *from);

/* 0, or -ENOMEM: SIZE bytes from the heap, a copy of DATA. */
int buffer_copy(struct buffer *buffer, const void *data, size_t size);

/* Makes the buffer one that several may hold; the owner is told when the last
 * of them releases it. 0, or -ENOMEM with the buffer as it was. */
int buffer_share(struct buffer *buffer);
bool buffer_is_shared(const struct buffer *buffer);
/* One more hold on a shared buffer, released like any other. */
struct buffer buffer_ref(const struct buffer *shared);
