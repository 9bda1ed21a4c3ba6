/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Payloads as gRPC slices, for code that speaks to gRPC. */
#pragma once

#include <grpc/slice.h>

#include "proto/payload.h"

/* A payload over the bytes of SLICE, whose reference is taken. Few bytes
 * inside the slice itself are copied. */
struct payload payload_from_slice(grpc_slice slice);

/* A payload over the bytes of N slices, one behind the other, LENGTH together
 * and not none. Their references are taken, and the array, which is of
 * gpr_malloc(). */
struct payload payload_from_slices(grpc_slice *slices, size_t n, size_t length);

/* The payload's reference as a slice, for the caller to unref; PAYLOAD is empty
 * afterwards. One that lies in pieces is joined. */
grpc_slice payload_take_slice(struct payload *payload);
