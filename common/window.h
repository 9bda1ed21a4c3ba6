/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many pieces of a transfer are under way at once. Few are best where they
 * pass quickly: their buffers stay in the processor's cache. Where a turn of
 * all of them takes long, because the way is long or the server slow, there
 * have to be more: the window doubles until it covers the delay.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct window {
	unsigned int size;
	unsigned int max;
	/* It has grown to the most: so much delay is better covered by larger
	 * pieces, too. */
	bool is_slow;
	/* Pieces done since then, CLOCK_MONOTONIC, ns. */
	unsigned int n_done;
	uint64_t since;
};

/* JOBS pieces at once, or 0: as many as it needs, FIRST to begin with; MAX at
 * the most. */
void window_init(struct window *window, unsigned int jobs, unsigned int first,
		 unsigned int max);

/* After a time in which nothing was to be done, and which is no delay. */
void window_resume(struct window *window);

/* A piece is done. */
void window_add_done(struct window *window);

/* So many are that it is time to think, at NOW. */
void window_adapt(struct window *window, uint64_t now);
