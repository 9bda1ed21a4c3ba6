/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk extent by extent. */
#include "cli/extents.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/disk.h"
#include "cli/errors.h"

/* How far one question reaches: far enough to be rare, and below 32 bits. */
#define ASK_LENGTH (UINT64_C(1) << 30)

static bool
can_tell(const struct disk *disk)
{
	for (size_t i = 0; i < disk->export->n_contexts; i++)
		if (strcmp(disk->export->contexts[i], "base:allocation") == 0)
			return true;
	return false;
}

void
extent_walk_init(struct extent_walk *walk, struct disk *disk, uint64_t offset,
		 uint64_t length)
{
	*walk = (struct extent_walk){
		.disk = disk,
		.offset = offset,
		.end = offset + length,
		.told = offset,
		.can_ask = can_tell(disk),
	};
}

void
extent_walk_done(struct extent_walk *walk)
{
	free(walk->extents);
	walk->extents = NULL;
}

static bool
reads_as_zero(const struct disk_extent *extent)
{
	return extent->flags & DISK_EXTENT_ZERO;
}

/* One that continues the last is joined with it. */
static int
add_extent(struct extent_walk *walk, const struct disk_extent *extent)
{
	struct disk_extent *extents = walk->extents;

	if (walk->n_extents > walk->next &&
	    reads_as_zero(&extents[walk->n_extents - 1]) ==
		    reads_as_zero(extent)) {
		extents[walk->n_extents - 1].length += extent->length;
		return 0;
	}
	if (walk->n_extents == walk->capacity) {
		size_t capacity = walk->capacity ? walk->capacity * 2 : 64;

		extents = reallocarray(extents, capacity, sizeof(*extents));
		if (!extents)
			return fail_errno(ENOMEM, "no memory for extents");
		walk->extents = extents;
		walk->capacity = capacity;
	}
	walk->extents[walk->n_extents++] = *extent;
	return 0;
}

static void
on_extents(struct disk_request *request, const char *context, uint64_t offset,
	   const struct disk_extent *extents, size_t n_extents)
{
	struct extent_walk *walk = request->extents_user;

	/* What does not join on is not believed: it is asked for again. */
	if (strcmp(context, "base:allocation") != 0 || offset != walk->told)
		return;
	for (size_t i = 0; i < n_extents && walk->told < walk->end; i++) {
		struct disk_extent extent = extents[i];

		/* A server may tell of more than was asked for. */
		if (extent.length > walk->end - walk->told)
			extent.length = walk->end - walk->told;
		if (extent.length == 0 || add_extent(walk, &extent) != 0)
			return;
		walk->told += extent.length;
	}
}

static int
ask(struct extent_walk *walk)
{
	uint64_t left = walk->end - walk->offset;
	struct disk_request request = {
		.command = DISK_BLOCK_STATUS,
		.offset = walk->offset,
		.length = left < ASK_LENGTH ? left : ASK_LENGTH,
		.on_extents = on_extents,
		.extents_user = walk,
	};
	int status;

	walk->next = 0;
	walk->n_extents = 0;
	walk->told = walk->offset;
	attempt("ask for the extents of %" PRIu64 " bytes at offset %" PRIu64
		" of %s",
		request.length, request.offset, walk->disk->name);
	status = disk_run(walk->disk, &request);
	if (status == EXIT_OK)
		status = (int)failure_code();
	if (status == EXIT_OK && walk->n_extents == 0)
		status = fail(EXIT_NBD, EPROTO, NULL,
			      "the answer held no extents");
	return status;
}

int
extent_walk_look(struct extent_walk *walk, uint64_t *length, bool *is_zero)
{
	*length = walk->end - walk->offset;
	*is_zero = false;
	if (*length == 0 || !walk->can_ask)
		return EXIT_OK;
	if (walk->next == walk->n_extents) {
		int status = ask(walk);

		if (status != EXIT_OK)
			return status;
	}
	*length = walk->extents[walk->next].length;
	*is_zero = reads_as_zero(&walk->extents[walk->next]);
	return EXIT_OK;
}

void
extent_walk_advance(struct extent_walk *walk, uint64_t length)
{
	walk->offset += length;
	/* What is not known yet is asked for from the new offset. */
	while (length > 0 && walk->next < walk->n_extents) {
		struct disk_extent *extent = &walk->extents[walk->next];
		uint64_t step = length < extent->length ? length
							: extent->length;

		extent->length -= step;
		length -= step;
		if (extent->length == 0)
			walk->next++;
	}
}
