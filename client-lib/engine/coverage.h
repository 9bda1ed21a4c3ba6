/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which bytes of a read have arrived. Replies in order cost a number; the
 * first chunk out of order turns to a bitmap of the request. So gaps and
 * overlaps are always found, at a cost bound by the request.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Zero bytes are "nothing has arrived". */
struct coverage {
	uint64_t covered; /* how many bytes; without a bitmap, the first ones */
	uint8_t *bitmap;
};

enum coverage_result {
	COVERAGE_OK,
	COVERAGE_OVERLAP, /* some of the bytes were there before */
	COVERAGE_NO_MEMORY,
};

/* For coverage_add(), and _done() if there is a bitmap. */
enum coverage_result coverage_add_elsewhere(struct coverage *coverage,
					    uint64_t at, uint64_t length,
					    uint64_t count);
void coverage_free_bitmap(struct coverage *coverage);

/* Marks [AT, AT + LENGTH), which lies in a request of COUNT bytes. */
static inline enum coverage_result
coverage_add(struct coverage *coverage, uint64_t at, uint64_t length,
	     uint64_t count)
{
	if (coverage->bitmap || at != coverage->covered)
		return coverage_add_elsewhere(coverage, at, length, count);
	coverage->covered += length;
	return COVERAGE_OK;
}

static inline bool
coverage_is_full(const struct coverage *coverage, uint64_t count)
{
	return coverage->covered == count;
}

static inline void
coverage_done(struct coverage *coverage)
{
	if (coverage->bitmap)
		coverage_free_bitmap(coverage);
	coverage->covered = 0;
}
