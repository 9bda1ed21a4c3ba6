/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ranges of bytes that are in use, and the question whether another one meets
 * any of them. NBD §Ordering: a server may carry out what it has in any order,
 * so a write must not be sent while another one to the same bytes is
 * unanswered. Nearly always the answer is no and costs a few look-ups.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"

#define OVERLAP_SLOTS 1024

/* Embedded in whatever uses the bytes. Zero bytes are no range. */
struct range {
	struct list link;
	uint64_t start;
	uint64_t end;
};

struct overlap {
	struct list ranges;
	/* Ranges that touch a page whose number falls into the slot. */
	unsigned slots[OVERLAP_SLOTS];
	/* Ranges of too many pages to be counted there. */
	unsigned n_large;
};

void overlap_init(struct overlap *overlap);

/* RANGE is [START, END), and in use until it is removed. */
void overlap_add(struct overlap *overlap, struct range *range, uint64_t start,
		 uint64_t end);
/* Harmless for a range that is in no use. */
void overlap_remove(struct overlap *overlap, struct range *range);

/* Is any byte of [START, END) in use? */
bool overlap_meets(const struct overlap *overlap, uint64_t start, uint64_t end);
