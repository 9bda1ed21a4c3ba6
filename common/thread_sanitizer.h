/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells the thread sanitizer of objects that one thread gives to another
 * through code which is not built for it, and which it therefore cannot see:
 * gRPC's completion queues. Without that sanitizer these are nothing.
 */
#pragma once

#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define THREADS_ARE_WATCHED
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define THREADS_ARE_WATCHED
#endif

#ifdef THREADS_ARE_WATCHED
#include <sanitizer/tsan_interface.h>
#endif

/* OBJECT is about to be given away: what this thread has done until now
 * happens before the other thread's received(OBJECT). */
static inline void
handing_over(void *object)
{
#ifdef THREADS_ARE_WATCHED
	__tsan_release(object);
#else
	(void)object;
#endif
}

/* OBJECT was given to this thread. */
static inline void
received(void *object)
{
#ifdef THREADS_ARE_WATCHED
	__tsan_acquire(object);
#else
	(void)object;
#endif
}
