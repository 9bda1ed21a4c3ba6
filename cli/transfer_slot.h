/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pieces that a transfer is made of. A slot goes round: free, reading,
 * ready, writing. Its sequence number is its place in the order of offsets,
 * which matters to pipes only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cli/disk.h"
#include "cli/extents.h"
#include "cli/transfer.h"
#include "common/window.h"

enum slot_state {
	SLOT_FREE,
	SLOT_READING,
	SLOT_READY,
	SLOT_WRITING,
};

struct slot {
	struct run *run;
	enum slot_state state;
	uint64_t sequence;
	/* Relative to the range. */
	uint64_t offset;
	bool is_zero;
	struct disk_request request;
};

struct run {
	struct transfer *transfer;
	struct extent_walk walk;
	struct slot *slots;
	unsigned int n_slots;
	unsigned int n_busy;
	/* Bytes that the destination is to take from the source. */
	uint64_t bytes_offloaded;
	struct window window;
	uint64_t next_sequence;
	/* The sequence number that a pipe takes next. */
	uint64_t next_to_write;
	/* Bytes in a piece, and where the way is very long. */
	uint64_t chunk;
	uint64_t slow_chunk;
	/* Both disks want multiples of this. */
	uint64_t alignment;
	uint64_t started_at;
	/* Data does not pass through us. */
	bool is_offloaded;
	bool is_at_end;
	bool is_failed;
};

/* Begin with the LENGTH bytes at the walk's offset: read them, or make them
 * zero. A slot is free. */
void slot_start_read(struct run *run, uint64_t length);
void slot_start_zero(struct run *run, uint64_t length);
/* The same, where the destination itself takes the bytes from the source. */
void slot_start_copy(struct run *run, uint64_t length);
