/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ownership made visible: what a scope owns it releases when it ends, unless
 * the owner hands it over with TAKE_PTR() or TAKE_FD().
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

static inline void
cleanup_free(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

static inline void
cleanup_close(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void
cleanup_unlock(pthread_mutex_t **lock)
{
	if (*lock)
		pthread_mutex_unlock(*lock);
}

static inline pthread_mutex_t *
cleanup_lock(pthread_mutex_t *lock)
{
	pthread_mutex_lock(lock);
	return lock;
}

#define CLEANUP_FREE  CLEANUP(cleanup_free)
#define CLEANUP_CLOSE CLEANUP(cleanup_close)

/* Holds LOCK, a pthread_mutex_t *, until the enclosing scope ends. */
#define CLEANUP_PASTE_(a, b) a##b
#define CLEANUP_PASTE(a, b)  CLEANUP_PASTE_(a, b)
#define SCOPED_LOCK(lock)                                       \
	CLEANUP(cleanup_unlock)                                 \
	__attribute__((unused)) pthread_mutex_t *CLEANUP_PASTE( \
		scoped_lock_, __LINE__) = cleanup_lock(lock)

/* The value of POINTER, which afterwards is NULL: the caller owns it now. */
#define TAKE_PTR(pointer)                                     \
	({                                                    \
		__typeof__(pointer) *take_from_ = &(pointer); \
		__typeof__(pointer) taken_ = *take_from_;     \
		*take_from_ = NULL;                           \
		taken_;                                       \
	})

/* The descriptor in FD, which afterwards is -1: the caller owns it now. */
#define TAKE_FD(fd)                       \
	({                                \
		int *take_from_ = &(fd);  \
		int taken_ = *take_from_; \
		*take_from_ = -1;         \
		taken_;                   \
	})
