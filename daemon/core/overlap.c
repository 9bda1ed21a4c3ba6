/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small ranges are counted page by page in a table, so that the list is only
 * walked when a page of the question is a page of some range. */
#include "daemon/core/overlap.h"

#define PAGE_SHIFT 12
/* More pages than this are a large range. */
#define MAX_PAGES 64

struct pages {
	uint64_t first;
	uint64_t n;
};

static struct pages
pages_of(uint64_t start, uint64_t end)
{
	uint64_t first = start >> PAGE_SHIFT;

	return (struct pages){ .first = first,
			       .n = ((end - 1) >> PAGE_SHIFT) - first + 1 };
}

static void
count(struct overlap *overlap, const struct range *range, int by)
{
	struct pages pages = pages_of(range->start, range->end);

	if (pages.n > MAX_PAGES) {
		overlap->n_large += (unsigned)by;
		return;
	}
	for (uint64_t i = 0; i < pages.n; i++)
		overlap->slots[(pages.first + i) % OVERLAP_SLOTS] +=
			(unsigned)by;
}

void
overlap_init(struct overlap *overlap)
{
	*overlap = (struct overlap){ 0 };
	list_init(&overlap->ranges);
}

void
overlap_add(struct overlap *overlap, struct range *range, uint64_t start,
	    uint64_t end)
{
	range->start = start;
	range->end = end;
	list_append(&overlap->ranges, &range->link);
	count(overlap, range, 1);
}

void
overlap_remove(struct overlap *overlap, struct range *range)
{
	if (range->end == 0)
		return;
	list_remove(&range->link);
	count(overlap, range, -1);
	*range = (struct range){ 0 };
}

/* False: certainly not. */
static bool
may_meet(const struct overlap *overlap, uint64_t start, uint64_t end)
{
	struct pages pages = pages_of(start, end);

	if (overlap->n_large > 0 || pages.n > MAX_PAGES)
		return true;
	for (uint64_t i = 0; i < pages.n; i++)
		if (overlap->slots[(pages.first + i) % OVERLAP_SLOTS])
			return true;
	return false;
}

bool
overlap_meets(const struct overlap *overlap, uint64_t start, uint64_t end)
{
	if (!may_meet(overlap, start, end))
		return false;
	list_for_each(link, &overlap->ranges) {
		const struct range *range = container_of(link, struct range,
							 link);

		if (start < range->end && range->start < end)
			return true;
	}
	return false;
}
