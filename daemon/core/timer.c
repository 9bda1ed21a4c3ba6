/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A binary heap of timers that know their place in it. */
#include "daemon/core/timer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static void
put(struct timers *timers, size_t at, struct timer *timer)
{
	timers->heap[at] = timer;
	timer->place = at + 1;
}

static void
sift_up(struct timers *timers, struct timer *timer, size_t at)
{
	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (timers->heap[parent]->due <= timer->due)
			break;
		put(timers, at, timers->heap[parent]);
		at = parent;
	}
	put(timers, at, timer);
}

static void
sift_down(struct timers *timers, struct timer *timer, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= timers->n)
			break;
		if (child + 1 < timers->n &&
		    timers->heap[child + 1]->due < timers->heap[child]->due)
			child++;
		if (timer->due <= timers->heap[child]->due)
			break;
		put(timers, at, timers->heap[child]);
		at = child;
	}
	put(timers, at, timer);
}

/* Puts TIMER where it belongs, starting from AT, which is vacant. */
static void
settle(struct timers *timers, struct timer *timer, size_t at)
{
	if (at > 0 && timer->due < timers->heap[(at - 1) / 2]->due)
		sift_up(timers, timer, at);
	else
		sift_down(timers, timer, at);
}

static int
reserve(struct timers *timers)
{
	size_t capacity = timers->capacity ? timers->capacity * 2 : 16;
	struct timer **heap;

	if (timers->n < timers->capacity)
		return 0;
	heap = reallocarray(timers->heap, capacity, sizeof(struct timer *));
	if (!heap)
		return -ENOMEM;
	timers->heap = heap;
	timers->capacity = capacity;
	return 0;
}

int
timer_set(struct timers *timers, struct timer *timer, uint64_t due)
{
	int r;

	if (timer->place) {
		timer->due = due;
		settle(timers, timer, timer->place - 1);
		return 0;
	}
	r = reserve(timers);
	if (r < 0)
		return r;
	timer->due = due;
	sift_up(timers, timer, timers->n++);
	return 0;
}

void
timer_stop(struct timers *timers, struct timer *timer)
{
	struct timer *last;
	size_t at;

	if (!timer->place)
		return;
	at = timer->place - 1;
	timer->place = 0;
	last = timers->heap[--timers->n];
	if (last != timer)
		settle(timers, last, at);
}

uint64_t
timers_next(const struct timers *timers)
{
	return timers->n > 0 ? timers->heap[0]->due : UINT64_MAX;
}

void
timers_run(struct timers *timers, uint64_t now)
{
	while (timers->n > 0 && timers->heap[0]->due <= now) {
		struct timer *timer = timers->heap[0];

		timer_stop(timers, timer);
		timer->on_due(timer);
	}
}

void
timers_done(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){ 0 };
}
