/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks a disk extent by extent, asking for more when it must, so that a copy
 * can skip what reads as zeroes. A disk that cannot tell is one extent of
 * data.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct disk;
struct disk_extent;

struct extent_walk {
	struct disk *disk;
	/* Where the walk is, and where it ends. */
	uint64_t offset;
	uint64_t end;
	bool can_ask;
	/* Extents that are known and ahead; the first begins at OFFSET. */
	struct disk_extent *extents;
	size_t n_extents;
	size_t capacity;
	size_t next;
	/* Up to here the daemon or server has told. */
	uint64_t told;
};

/* At OFFSET of DISK, to go LENGTH far. */
void extent_walk_init(struct extent_walk *walk, struct disk *disk,
		      uint64_t offset, uint64_t length);
void extent_walk_done(struct extent_walk *walk);

/* The run at the walk's offset: its *LENGTH, 0 at the end, and whether it
 * reads as zeroes. EXIT_OK, or the code of a recorded failure. */
int extent_walk_look(struct extent_walk *walk, uint64_t *length, bool *is_zero);

/* Goes LENGTH further, perhaps over several extents. */
void extent_walk_advance(struct extent_walk *walk, uint64_t length);
