/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Byte buffers of tests: made, cut into pieces, damaged. */
#pragma once

#include <grpc/byte_buffer.h>
#include <stddef.h>
#include <stdint.h>

/* A buffer with a copy of the bytes in one slice. */
grpc_byte_buffer *bytes_of(const void *bytes, size_t length);

/* The same bytes in slices of PIECE bytes. BYTES stays the caller's. */
grpc_byte_buffer *bytes_cut(grpc_byte_buffer *bytes, size_t piece);

/* A copy in plain memory, which the caller frees. */
uint8_t *bytes_flatten(grpc_byte_buffer *bytes, size_t *length);

/* A copy with one to four bytes changed, as *SEED says; the caller frees it. */
uint8_t *bytes_mutate(const uint8_t *bytes, size_t length, uint32_t *seed);
