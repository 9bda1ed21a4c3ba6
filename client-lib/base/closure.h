/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The caller's callbacks: structs {callback, user_data, free} of seven types,
 * passed by value. Whoever holds one owns it: it calls free exactly once, or
 * hands the closure over with TAKE_CLOSURE(). All macros work on all types.
 */
#pragma once

#include <libnbd.h>
#include <stdbool.h>

#include "common/cleanup.h"

/* Was nothing given at all? A closure with only free is given. */
#define CLOSURE_IS_NULL(closure) (!(closure).callback && !(closure).free)

/* The callback's result, or 0 if there is none. */
#define CLOSURE_CALL(closure, ...)                                        \
	((closure).callback                                               \
		 ? (closure).callback((closure).user_data, ##__VA_ARGS__) \
		 : 0)

/* Ends the life of a closure; it is empty afterwards, so once is enough. */
#define closure_release(closure)                                    \
	do {                                                        \
		__typeof__(closure) *free_ = &(closure);            \
		__typeof__(closure) freed_ = *free_;                \
                                                                    \
		*free_ = (__typeof__(closure)){ .callback = NULL }; \
		if (freed_.free)                                    \
			freed_.free(freed_.user_data);              \
	} while (0)

/* The value of CLOSURE, which afterwards is empty: the caller owns it now. */
#define TAKE_CLOSURE(closure)                                            \
	({                                                               \
		__typeof__(closure) *take_from_ = &(closure);            \
		__typeof__(closure) taken_ = *take_from_;                \
		*take_from_ = (__typeof__(closure)){ .callback = NULL }; \
		taken_;                                                  \
	})

/* CLOSURE_TYPES(X): X(name) for each type nbd_<name>_callback. */
#define CLOSURE_TYPES(X) \
	X(chunk)         \
	X(completion)    \
	X(context)       \
	X(debug)         \
	X(extent)        \
	X(extent64)      \
	X(list)

#define CLOSURE_DEFINE_CLEANUP(name)                                      \
	static inline void cleanup_##name(nbd_##name##_callback *closure) \
	{                                                                 \
		closure_release(*closure);                                \
	}
CLOSURE_TYPES(CLOSURE_DEFINE_CLEANUP)
#undef CLOSURE_DEFINE_CLEANUP

/*
 * Declares LOCAL, which owns the closure that came as parameter PARAMETER
 * until the scope ends or TAKE_CLOSURE(LOCAL):
 *
 *	OWN_CLOSURE(completion, callback, completion_callback);
 */
#define OWN_CLOSURE(type, local, parameter) \
	CLEANUP(cleanup_##type)             \
	__attribute__((unused)) nbd_##type##_callback local = (parameter)
