/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fuzzer's bytes as a message that gRPC has received, in slices. */
#pragma once

#include <grpc/byte_buffer.h>
#include <stddef.h>
#include <stdint.h>

/* LENGTH bytes in slices of PIECE bytes (0: one). The caller destroys it. */
grpc_byte_buffer *slices_of(const uint8_t *bytes, size_t length, size_t piece);

/* All bytes of BUFFER in memory of their own, which the caller frees. */
uint8_t *slices_join(grpc_byte_buffer *buffer, size_t *length);
