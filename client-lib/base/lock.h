/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock of a handle: a mutex in one word. Every public call takes and
 * releases it, nearly always uncontended, which costs one atomic instruction
 * each here and fifty instructions together in a pthread mutex. Who has to
 * wait sleeps in futex(2).
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "common/hints.h"

enum {
	LOCK_FREE,
	LOCK_HELD,
	LOCK_AWAITED, /* held, and somebody may sleep until it is free */
};

/* Zero bytes are a free lock; there is nothing to release in the end. */
struct lock {
	_Atomic uint32_t word;
};

/* For the two below. */
COLD void lock_wait(struct lock *lock);
COLD void lock_wake(struct lock *lock);

/* Waits until the lock is free, and holds it. The thread must not hold it. */
static inline void
lock_take(struct lock *lock)
{
	uint32_t expected = LOCK_FREE;

	if (!atomic_compare_exchange_strong_explicit(
		    &lock->word, &expected, LOCK_HELD, memory_order_acquire,
		    memory_order_relaxed))
		lock_wait(lock);
}

/* The thread holds it. */
static inline void
lock_release(struct lock *lock)
{
	if (atomic_exchange_explicit(&lock->word, LOCK_FREE,
				     memory_order_release) == LOCK_AWAITED)
		lock_wake(lock);
}
