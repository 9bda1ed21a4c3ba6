/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for a lock. A waiter marks the word before it sleeps and takes the
 * lock with the mark on: it cannot know whether others wait, too, so that its
 * release wakes one in any case.
 */
#include "client-lib/base/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static void
futex(struct lock *lock, int operation, uint32_t value)
{
	int saved = errno;

	(void)syscall(SYS_futex, &lock->word, operation, value, NULL);
	errno = saved;
}

void
lock_wait(struct lock *lock)
{
	/* It returns at once if the word is not what it was. */
	while (atomic_exchange_explicit(&lock->word, LOCK_AWAITED,
					memory_order_acquire) != LOCK_FREE)
		futex(lock, FUTEX_WAIT_PRIVATE, LOCK_AWAITED);
}

/* The lock may be taken, released and freed by others meanwhile: the kernel is
 * given an address, nothing is read there. */
void
lock_wake(struct lock *lock)
{
	futex(lock, FUTEX_WAKE_PRIVATE, 1);
}
