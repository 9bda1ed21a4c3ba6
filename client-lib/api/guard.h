/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The frame of every public function. API_CALL() opens it: it takes the lock,
 * names the function in this thread's errors and traces the arguments. When
 * the scope ends, on whatever path, the new state is published for lock-free
 * readers, a failure is traced and the lock released.
 *
 *	int
 *	nbd_set_opt_mode(struct nbd_handle *h, bool enable)
 *	{
 *		API_CALL(call, h, "enable=%s", trace_bool(enable));
 *
 *		if (!api_permit(&call, CREATED))
 *			return -1;
 *		h->config.opt_mode = enable;
 *		return api_return(&call, 0);
 *	}
 *
 * Closures that come as parameters are owned with OWN_CLOSURE() right after
 * API_CALL(), so that every return releases them, still under the lock.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "client-lib/api/patience.h"
#include "client-lib/api/trace.h"
#include "client-lib/base/closure.h"
#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/states.h"
#include "common/cleanup.h"
#include "common/hints.h"

enum {
	HANDLE_MAGIC = 0x4e424468, /* "NBDh" */
};

/* The states a function is permitted in: a bit for each public state, but the
 * two of a connection are one to the caller. */
enum permitted {
	CREATED = 1 << PUBLIC_CREATED,
	CONNECTING = 1 << PUBLIC_CONNECTING,
	NEGOTIATING = 1 << PUBLIC_NEGOTIATING,
	CONNECTED = 1 << PUBLIC_READY | 1 << PUBLIC_PROCESSING,
	CLOSED = 1 << PUBLIC_CLOSED,
	DEAD = 1 << PUBLIC_DEAD,
};

struct api_call {
	struct nbd_handle *h;
	const char *outer_context; /* of the call whose callback we are in */
	bool has_returned;         /* known while debugging */
	struct trace trace;
};

#define API_CALL(call, handle, ...)                          \
	CLEANUP(api_end) struct api_call call;               \
	api_begin(&(call), handle, __func__);                \
	if (__builtin_expect((call).h->debug.is_enabled, 0)) \
	api_trace_enter(&(call), "enter:" __VA_OPT__(" ") __VA_ARGS__)

/* For functions that take no lock: only a sane handle is asked for. */
#define API_CALL_UNLOCKED(handle) api_check_handle(handle)

/* Record what they refuse: false. */
COLD bool api_refuse_state(struct nbd_handle *h, unsigned states);
COLD bool api_refuse_null(const char *name);

/* Is the handle in one of STATES? If not, the error is recorded. */
static inline bool
api_permit(const struct api_call *call, unsigned states)
{
	if (states & CONNECTED && call->h->state == STATE_TRANSFER)
		return true;
	return 1U << engine_public_state(call->h) & states ||
	       api_refuse_state(call->h, states);
}

/* RESULT, traced: "return api_return(&call, 0);". -1 counts as a failure
 * whose error is recorded. */
#define api_return(call, result)                              \
	({                                                    \
		__typeof__(result) result_ = (result);        \
		api_has_returned((call), (int64_t)(result_)); \
		result_;                                      \
	})

/* The same for a string that is static or lives in the handle; NULL counts
 * as a failure whose error is recorded. */
const char *api_return_text(struct api_call *call, const char *text);

/* A copy of TEXT for the caller, or NULL with the error recorded; NULL counts
 * as a failure whose error is recorded. */
char *api_return_copy(struct api_call *call, const char *text);

/* Is ARGUMENT something? If not, EFAULT is recorded; NAME is its name. */
static inline bool
api_is_given(const void *argument, const char *name)
{
	return argument || api_refuse_null(name);
}
#define API_GIVEN(argument) api_is_given((argument), #argument)
#define API_GIVEN_CLOSURE(closure) \
	api_is_given(CLOSURE_IS_NULL(closure) ? NULL : &(closure), #closure)

/* Are all bits of FLAGS in MASK? If not, EINVAL is recorded. */
bool api_flags_are_valid(uint32_t flags, uint32_t mask, const char *name);

/* Is VALUE below N, the number of values an enum has? Else EINVAL. */
bool api_enum_is_valid(int value, int n, const char *name);

/* A handle that is none is a mistake no errno can mend: aborts. */
static inline void
api_check_handle(const struct nbd_handle *h)
{
	assert(h && h->magic == HANDLE_MAGIC);
}

/* What lock-free readers see: h->published, taken apart. */
enum public_state api_published_state(struct nbd_handle *h);
unsigned api_published_direction(struct nbd_handle *h);

/* Makes the state of H visible to lock-free readers. */
void api_publish(struct nbd_handle *h);

/* For the macros above. */
void api_end(struct api_call *call);
COLD void api_trace_return(struct api_call *call, int64_t result);
COLD void api_trace_enter(struct api_call *call, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline void
api_begin(struct api_call *call, struct nbd_handle *h, const char *function)
{
	api_check_handle(h);
	lock_take(&h->lock);
	if (__builtin_expect(h->patience.is_limited, 0))
		patience_begin(h);
	call->h = h;
	call->outer_context = error_enter_context(function);
	call->has_returned = false;
	call->trace.n_texts = 0;
}

static inline void
api_has_returned(struct api_call *call, int64_t result)
{
	if (__builtin_expect(call->h->debug.is_enabled, 0))
		api_trace_return(call, result);
}
