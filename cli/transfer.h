/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves a range of one disk to another with many requests in flight. What
 * reads as zeroes at the source is not read: it is zeroed at the destination,
 * or skipped where that reads as zeroes already. Payloads are handed on
 * without being copied.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct disk;
struct options;
struct progress;

/* One piece is what a unix socket takes at once, as kernels set it up: then a
 * server hands it over whole and goes on with the next one. And few enough bytes
 * that all pieces under way stay in the processor's cache. */
#define TRANSFER_CHUNK (UINT64_C(192) << 10)

/* Where the daemon copies, which makes pieces of that size itself: as much as it
 * takes for one message; and what it may have to do at once, which is waited for
 * when the user interrupts. */
#define TRANSFER_OFFLOADED_CHUNK (21 * TRANSFER_CHUNK)
#define TRANSFER_OFFLOADED_MAX   (UINT64_C(32) << 20)

struct transfer {
	const struct options *options;
	struct disk *source;
	struct disk *destination;
	uint64_t source_offset;
	uint64_t destination_offset;
	/* DISK_SIZE_UNKNOWN: to the end of the source, a pipe. */
	uint64_t length;
	/* Flags of the writes: FUA. */
	uint32_t write_flags;
	/* The destination reads as zeroes: zeroes need not be written. */
	bool skip_zeroes;
	/* Blocks of data that are all zero count as zeroes, too. */
	bool find_zeroes;
	/* Zeroes are to be allocated. */
	bool no_holes;
	/* What is done is no use before all is: a failure stays what it is. */
	bool leaves_nothing;
	/* Requests in flight; 0: as many as it needs to be quick. */
	unsigned int jobs;
	/* Bytes a second, 0: as fast as it goes. */
	uint64_t rate;
	struct progress *progress;

	/* What was done: bytes that went through us, bytes that were zeroed,
	 * bytes that needed nothing. */
	uint64_t copied;
	uint64_t zeroed;
	uint64_t skipped;
};

/*
 * Does it; every request is answered when it returns. EXIT_OK, or the code of a
 * recorded failure, which says how far it came; EXIT_PARTIAL if that was
 * further than nowhere.
 */
int transfer_run(struct transfer *transfer);
