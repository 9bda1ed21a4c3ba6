/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of a read or write on their way through the RPC, by reference: a
 * struct payload holds one reference to memory that does not change and is
 * released when the last reference goes. The memory is contiguous, but for a
 * large payload that was asked for as it came, in pieces. It names no gRPC
 * type, so that code that knows no gRPC can carry it.
 */
#pragma once

#include <stddef.h>
#include <sys/uio.h>

struct payload {
	const void *bytes;
	size_t length;
	/* What keeps the bytes alive; not to be touched. */
	void *owner;
	/* Where the bytes are if BYTES is NULL; kept alive likewise. */
	const struct iovec *pieces;
	size_t n_pieces;
};

#define PAYLOAD_EMPTY    \
	(struct payload) \
	{                \
		0        \
	}

/*
 * A payload over the caller's memory, which must stay as it is until RELEASE
 * is called with USER: once, when the last reference has gone, on whatever
 * thread that happens, possibly inside a call into gRPC. So RELEASE must not
 * wait for locks held around such calls.
 */
struct payload payload_wrap(const void *bytes, size_t length,
			    void (*release)(void *user), void *user);

/* A payload over LENGTH fresh bytes, to be filled through *BYTES before it is
 * used. Aborts without memory, as all of gRPC does. */
struct payload payload_allocate(size_t length, void **bytes);

/* One more reference to the same bytes. */
struct payload payload_ref(const struct payload *payload);

/* Gives the reference back; PAYLOAD is empty afterwards. Harmless on an empty
 * one. */
void payload_release(struct payload *payload);

/* The reference in PAYLOAD, which is empty afterwards: the caller owns it. */
struct payload payload_take(struct payload *payload);

/* Copies a payload that lies in pieces into one; any other stays as it is.
 * Aborts without memory. */
void payload_join(struct payload *payload);

#define CLEANUP_PAYLOAD __attribute__((cleanup(payload_release)))
