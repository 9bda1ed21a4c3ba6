/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk in memory that answers in the worst order, counts what it is asked
 * for, and fails where it is told to. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/disk.h"

struct memory_disk {
	struct disk disk;
	unsigned char *bytes;
	/* The extents of it, joined and in order, ending with length 0. */
	const struct disk_extent *extents;
	struct list pending;
	size_t n_reads;
	size_t n_writes;
	size_t n_zeroes;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t bytes_zeroed;
	/* Every offset and length was a multiple of this. */
	uint64_t smallest_unit;
	/* Where the next write to a pipe has to be. */
	uint64_t next_offset;
	bool is_out_of_order;
	/* Writes from here on fail; UINT64_MAX: none. */
	uint64_t fails_at;
};

void memory_disk_init(struct memory_disk *memory, const struct options *options,
		      uint64_t size);
void memory_disk_done(struct memory_disk *memory);
