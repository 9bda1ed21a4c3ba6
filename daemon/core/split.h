/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a request becomes commands that a server takes: the arithmetic alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/request.h"

struct export_info;

/* NBD §Block size constraints: what a server that says nothing surely takes. */
#define SPLIT_DEFAULT_PAYLOAD (32u << 20)

/* Every command's length is below this: 32 bits, and a multiple of the largest
 * minimum block there is. */
#define SPLIT_MAX_LENGTH (UINT32_MAX - 65535u)

/* The most that one read or write may carry on the wire. */
uint32_t split_max_payload(const struct export_info *export);

/* How long the next command of a range that goes on from OFFSET to END is. */
uint64_t split_next(enum request_command command,
		    const struct export_info *export, uint64_t offset,
		    uint64_t end);

/* The smallest range around [*START, *END) that is a multiple of the server's
 * minimum block, but does not pass the end of the export. */
void split_widen(const struct export_info *export, uint64_t *start,
		 uint64_t *end);

/* The largest range in [*START, *END) that is one; perhaps an empty one. */
void split_narrow(const struct export_info *export, uint64_t *start,
		  uint64_t *end);

/* Are offset and length multiples of the minimum block? */
bool split_is_aligned(const struct export_info *export, uint64_t offset,
		      uint64_t length);
