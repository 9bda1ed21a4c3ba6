/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The number of pieces under way. */
#include "common/window.h"

#include <time.h>

/* A look at the clock every so many turns. */
#define TURNS 2
/* What is slower than this per turn is no matter of caches. */
#define QUICK_NS UINT64_C(4000000)

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void
window_init(struct window *window, unsigned int jobs, unsigned int first,
	    unsigned int max)
{
	unsigned int size = jobs ? jobs : first;

	if (size > max)
		size = max;
	*window = (struct window){
		.size = size,
		.max = jobs ? size : max,
		.since = now_ns(),
	};
}

void
window_resume(struct window *window)
{
	window->n_done = 0;
	window->since = now_ns();
}

void
window_adapt(struct window *window, uint64_t now)
{
	bool may_grow = window->size < window->max;

	if (may_grow && now - window->since > TURNS * QUICK_NS) {
		window->size = window->size * 2 < window->max ? window->size * 2
							      : window->max;
		window->is_slow = window->size == window->max;
	}
	window->n_done = 0;
	window->since = now;
}

void
window_add_done(struct window *window)
{
	if (++window->n_done >= TURNS * window->size)
		window_adapt(window, now_ns());
}
