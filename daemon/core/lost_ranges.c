/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranges of bytes that may be lost. */
#include "daemon/core/lost_ranges.h"

#include <errno.h>
#include <inttypes.h>

#include "common/cleanup.h"
#include "common/strings.h"

bool
lost_ranges_is_empty(const struct lost_ranges *lost)
{
	return lost->n == 0;
}

/* Makes one of ranges[I] and those it has grown into. */
static void
join_from(struct lost_ranges *lost, unsigned i)
{
	for (unsigned j = 0; j < lost->n; j++) {
		if (j == i || lost->ranges[j].start > lost->ranges[i].end ||
		    lost->ranges[i].start > lost->ranges[j].end)
			continue;
		if (lost->ranges[j].start < lost->ranges[i].start)
			lost->ranges[i].start = lost->ranges[j].start;
		if (lost->ranges[j].end > lost->ranges[i].end)
			lost->ranges[i].end = lost->ranges[j].end;
		lost->ranges[j] = lost->ranges[--lost->n];
		/* The last one has moved; look at all of them again. */
		join_from(lost, i == lost->n ? j : i);
		return;
	}
}

void
lost_ranges_add(struct lost_ranges *lost, uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < lost->n; i++) {
		if (start > lost->ranges[i].end || lost->ranges[i].start > end)
			continue;
		if (start < lost->ranges[i].start)
			lost->ranges[i].start = start;
		if (end > lost->ranges[i].end)
			lost->ranges[i].end = end;
		join_from(lost, i);
		return;
	}
	if (lost->n == LOST_RANGES_MAX) {
		lost->n_more++;
		return;
	}
	lost->ranges[lost->n].start = start;
	lost->ranges[lost->n].end = end;
	lost->n++;
}

void
lost_ranges_tell(const struct lost_ranges *lost, const char *what,
		 struct failure *failure)
{
	struct string_builder list = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	for (unsigned i = 0; i < lost->n; i++)
		string_builder_printf(&list, "%s%" PRIu64 "+%" PRIu64,
				      i > 0 ? ", " : "", lost->ranges[i].start,
				      lost->ranges[i].end -
					      lost->ranges[i].start);
	if (lost->n_more > 0)
		string_builder_printf(&list, " and %" PRIu64 " more",
				      lost->n_more);
	text = string_builder_take(&list);
	failure_set(failure, EIO, FAILURE_DATA_LOSS,
		    "%s: writes that were acknowledged may be lost, at "
		    "(offset+length) %s",
		    what,
		    text ? text : "places that no memory is left to list");
	failure_set_hint(failure, "Write these bytes again, then flush.");
}
