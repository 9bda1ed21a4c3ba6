/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Payloads are gRPC slices taken apart: owner is the slice's reference count.
 * Slices without one hold their few bytes inside themselves and are copied into
 * slices that have one, so that a payload's bytes never move.
 */
#include "proto/payload.h"

#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <string.h>

#include "proto/payload_slice.h"

struct payload
payload_from_slice(grpc_slice slice)
{
	size_t length = GRPC_SLICE_LENGTH(slice);
	grpc_slice held = slice;

	if (length == 0) {
		grpc_slice_unref(slice);
		return PAYLOAD_EMPTY;
	}
	if (!slice.refcount) {
		held = grpc_slice_malloc_large(length);
		memcpy(GRPC_SLICE_START_PTR(held), GRPC_SLICE_START_PTR(slice),
		       length);
	}
	return (struct payload){ .bytes = GRPC_SLICE_START_PTR(held),
				 .length = length,
				 .owner = held.refcount };
}

/* What keeps a payload in pieces alive. A slice's few bytes may be inside the
 * slice itself, so they are looked for in ours. */
struct scattered {
	size_t n;
	grpc_slice *slices;
	struct iovec pieces[];
};

static void
release_scattered(void *user)
{
	struct scattered *scattered = user;

	for (size_t i = 0; i < scattered->n; i++)
		grpc_slice_unref(scattered->slices[i]);
	gpr_free(scattered->slices);
	gpr_free(scattered);
}

struct payload
payload_from_slices(grpc_slice *slices, size_t n, size_t length)
{
	struct scattered *scattered = gpr_malloc(
		sizeof(*scattered) + n * sizeof(scattered->pieces[0]));
	grpc_slice owner = grpc_slice_new_with_user_data(
		scattered, length, release_scattered, scattered);

	scattered->n = n;
	scattered->slices = slices;
	for (size_t i = 0; i < n; i++)
		scattered->pieces[i] = (struct iovec){
			.iov_base = GRPC_SLICE_START_PTR(slices[i]),
			.iov_len = GRPC_SLICE_LENGTH(slices[i]),
		};
	return (struct payload){ .length = length,
				 .owner = owner.refcount,
				 .pieces = scattered->pieces,
				 .n_pieces = n };
}

static grpc_slice
slice_of(const struct payload *payload)
{
	grpc_slice slice = { .refcount = payload->owner };

	/* gRPC's slices have no const, but nobody writes to them. */
	memcpy(&slice.data.refcounted.bytes, &payload->bytes,
	       sizeof(slice.data.refcounted.bytes));
	slice.data.refcounted.length = payload->length;
	return slice;
}

void
payload_join(struct payload *payload)
{
	grpc_slice joined;
	uint8_t *to;

	if (!payload->pieces)
		return;
	/* A large slice is never one that holds its bytes inside. */
	joined = grpc_slice_malloc_large(payload->length);
	to = joined.data.refcounted.bytes;
	for (size_t i = 0; i < payload->n_pieces; i++) {
		const struct iovec *piece = &payload->pieces[i];

		memcpy(to, piece->iov_base, piece->iov_len);
		to += piece->iov_len;
	}
	payload_release(payload);
	*payload = payload_from_slice(joined);
}

grpc_slice
payload_take_slice(struct payload *payload)
{
	grpc_slice slice;

	if (!payload->owner)
		return grpc_empty_slice();
	payload_join(payload);
	slice = slice_of(payload);
	*payload = PAYLOAD_EMPTY;
	return slice;
}

struct payload
payload_wrap(const void *bytes, size_t length, void (*release)(void *user),
	     void *user)
{
	void *start;

	memcpy(&start, &bytes, sizeof(start));
	return payload_from_slice(
		grpc_slice_new_with_user_data(start, length, release, user));
}

struct payload
payload_allocate(size_t length, void **bytes)
{
	grpc_slice slice = grpc_slice_malloc_large(length);

	*bytes = GRPC_SLICE_START_PTR(slice);
	return payload_from_slice(slice);
}

struct payload
payload_ref(const struct payload *payload)
{
	if (payload->owner)
		grpc_slice_ref(slice_of(payload));
	return *payload;
}

void
payload_release(struct payload *payload)
{
	if (payload->owner)
		grpc_slice_unref(slice_of(payload));
	*payload = PAYLOAD_EMPTY;
}

struct payload
payload_take(struct payload *payload)
{
	struct payload taken = *payload;

	*payload = PAYLOAD_EMPTY;
	return taken;
}
