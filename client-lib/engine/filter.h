/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The filter of a BLOCK_STATUS: which of the negotiated contexts it asks
 * about. It travels as the payload of the request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbd_handle;

/* Zero bytes are "no filter". */
struct filter {
	uint8_t *payload; /* the length to describe, then the contexts' ids */
	size_t n_contexts;
};

/* Makes the filter for COUNT bytes out of CONTEXTS, NULL-terminated names;
 * one that is named twice counts once. 0, or -1 with the error recorded:
 * EINVAL if one of them was not negotiated. */
int filter_build(struct filter *filter, const struct nbd_handle *h,
		 uint64_t count, char *const *contexts);

/* How many bytes of payload it is; 0 for no filter. */
size_t filter_size(const struct filter *filter);

/* Does it ask about the context with this id? No filter asks about all. */
bool filter_has(const struct filter *filter, uint32_t id);

void filter_done(struct filter *filter);
