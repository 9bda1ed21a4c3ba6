/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Payloads are gRPC slices taken apart: owner is the slice's reference count.
 * Slices without one hold their few bytes inside themselves and are copied into
 * slices that have one, so that a payload's bytes never move.
 */
#include "proto/payload.h"

#include <grpc/slice.h>
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

grpc_slice
payload_take_slice(struct payload *payload)
{
	grpc_slice slice;

	if (!payload->owner)
		return grpc_empty_slice();
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
