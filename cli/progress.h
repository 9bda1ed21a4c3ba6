/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How far long work has come, on standard error: a bar that redraws itself on
 * a terminal, JSON lines, or "N/100" lines on a descriptor, as the user asked.
 */
#pragma once

#include <stdint.h>

struct options;

struct progress {
	const struct options *options;
	/* Nothing is shown. */
	int is_silent;
	uint64_t total;
	uint64_t done;
	/* CLOCK_MONOTONIC milliseconds. */
	uint64_t started_at;
	uint64_t shown_at;
	int last_percent;
};

/* Begins with nothing of TOTAL bytes done. */
void progress_start(struct progress *progress, const struct options *options,
		    uint64_t total);

/* BYTES more are done. Shows it ten times a second at most. */
void progress_add(struct progress *progress, uint64_t bytes);

/* Shows the end, whether all is done or not, and leaves the line. */
void progress_finish(struct progress *progress);

/* Writes "42 % 1.3/3.0 GiB 512 MiB/s ETA 3 s" to TEXT: DONE bytes of TOTAL
 * after ELAPSED_MS. */
void progress_format(char *text, unsigned long size, uint64_t done,
		     uint64_t total, uint64_t elapsed_ms);

/* CLOCK_MONOTONIC in milliseconds. */
uint64_t progress_now(void);
