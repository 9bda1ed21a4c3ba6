/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Timers of one thread, in a binary heap. A timer is embedded in what it
 * belongs to; setting, moving and stopping one costs O(log n) and, for times
 * that mostly grow, much less. Nothing here knows a clock.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Zero bytes, apart from on_due, are a stopped timer. */
struct timer {
	/* Called by timers_run() when the time has come; the timer is stopped
	 * then and may be set again or freed. */
	void (*on_due)(struct timer *timer);
	uint64_t due;
	/* Place in the heap plus one; 0: stopped. */
	size_t place;
};

/* Zero bytes are an empty heap. */
struct timers {
	struct timer **heap;
	size_t n;
	size_t capacity;
};

/* 0 or -ENOMEM: TIMER is due at DUE, whether it ran before or not. */
int timer_set(struct timers *timers, struct timer *timer, uint64_t due);
/* Harmless on a stopped timer. */
void timer_stop(struct timers *timers, struct timer *timer);

/* When the next timer is due; UINT64_MAX if there is none. */
uint64_t timers_next(const struct timers *timers);
/* Runs what is due at NOW, in order. */
void timers_run(struct timers *timers, uint64_t now);
void timers_done(struct timers *timers);
