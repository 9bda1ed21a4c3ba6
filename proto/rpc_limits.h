/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes that both ends of the RPC keep to, in bytes. */
#pragma once

#define MIB (1024u * 1024u)

/* The daemon refuses larger messages with RESOURCE_EXHAUSTED. */
#define RPC_REQUEST_MAX (4 * MIB)

/* The most that one Read may ask for. */
#define RPC_READ_MAX (64 * MIB)

/* A client takes messages up to this size: RPC_READ_MAX and the fields around
 * it. */
#define RPC_RESPONSE_MAX (RPC_READ_MAX + 64 * 1024u)

/* The most bytes gathered into one Channel message before it leaves, in either
 * direction. */
#define RPC_BATCH_MAX (2 * MIB)

/* The most payload one write may carry: the request's other fields, with a
 * volume name and contexts of full length, fit beside it. */
#define RPC_WRITE_MAX (RPC_REQUEST_MAX - 64 * 1024u)
