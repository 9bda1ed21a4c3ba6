/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of a read or write: a buffer with an owner that is told when it is
 * free again. The core does not know where the memory comes from (a message
 * slice, the heap, tomorrow a client's shared memory).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Zero bytes are "no buffer". */
struct buffer {
	/* NULL: the bytes lie in pieces, which the owner keeps alive with the
	 * bytes. Only what is written to a server may. */
	void *data;
	size_t size;
	const struct iovec *pieces;
	size_t n_pieces;
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

/* Copies LENGTH of its bytes, those from AT on, to TO. */
void buffer_read(const struct buffer *buffer, uint64_t at, size_t length,
		 void *to);

/* The same bytes as pieces, N_MAX at the most, to where VECTORS points: how
 * many they would be, also if that is more. With an N_MAX of 0 they are
 * counted. */
size_t buffer_cut(const struct buffer *buffer, uint64_t at, size_t length,
		  struct iovec *vectors, size_t n_max);

/* Makes the buffer one that several may hold; the owner is told when the last
 * of them releases it. 0, or -ENOMEM with the buffer as it was. */
int buffer_share(struct buffer *buffer);
bool buffer_is_shared(const struct buffer *buffer);
/* One more hold on a shared buffer, released like any other. */
struct buffer buffer_ref(const struct buffer *shared);
