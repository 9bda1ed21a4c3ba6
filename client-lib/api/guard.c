/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guard around public functions. One word of atomic memory, written here
 * and nowhere else, tells lock-free readers the public state and the poll
 * direction; so they see the handle as the last completed call left it.
 */
#include "client-lib/api/guard.h"

#include <errno.h>
#include <libnbd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/strings.h"

/* The layout of h->published. */
enum {
	PUBLISHED_STATE_BITS = 8,
	PUBLISHED_STATE_MASK = (1 << PUBLISHED_STATE_BITS) - 1,
};

void
api_publish(struct nbd_handle *h)
{
	enum public_state state = engine_public_state(h);
	unsigned direction = engine_direction(h);
	uint32_t word = (uint32_t)state | direction << PUBLISHED_STATE_BITS;

	if (state != PUBLIC_READY && state != PUBLIC_PROCESSING)
		h->wished_to_write = false;
	else if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		h->wished_to_write = true;
	atomic_store_explicit(&h->published, word, memory_order_release);
}

enum public_state
api_published_state(struct nbd_handle *h)
{
	return atomic_load_explicit(&h->published, memory_order_acquire) &
	       PUBLISHED_STATE_MASK;
}

unsigned
api_published_direction(struct nbd_handle *h)
{
	return atomic_load_explicit(&h->published, memory_order_acquire) >>
	       PUBLISHED_STATE_BITS;
}

void
api_trace_enter(struct api_call *call, const char *format, ...)
{
	CLEANUP(string_builder_done)
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *line = NULL;
	va_list args;

	va_start(args, format);
	string_builder_vprintf(&builder, format, args);
	va_end(args);
	line = string_builder_take(&builder);
	debug_log(&call->h->debug, "%s", line ? line : "enter");
	trace_done(&call->trace);
}

COLD static void
trace_failure(struct nbd_handle *h)
{
	struct trace trace = { 0 };

	debug_log(&h->debug, "leave: error=%s",
		  trace_string(&trace, error_last_text()));
	trace_done(&trace);
}

void
api_trace_return(struct api_call *call, int64_t result)
{
	call->has_returned = result != -1;
	if (call->has_returned)
		debug_log(&call->h->debug, "leave: ret=%lld",
			  (long long)result);
}

const char *
api_return_text(struct api_call *call, const char *text)
{
	call->has_returned = text != NULL;
	if (text && call->h->debug.is_enabled) {
		debug_log(&call->h->debug, "leave: ret=%s",
			  trace_string(&call->trace, text));
		trace_done(&call->trace);
	}
	return text;
}

char *
api_return_copy(struct api_call *call, const char *text)
{
	char *copy = NULL;

	if (text) {
		copy = strdup(text);
		if (!copy)
			fail(errno, "strdup");
	}
	(void)api_return_text(call, copy);
	return copy;
}

void
api_end(struct api_call *call)
{
	struct nbd_handle *h = call->h;

	if (__builtin_expect(h->debug.is_enabled, 0) && !call->has_returned)
		trace_failure(h);
	api_publish(h);
	lock_release(&h->lock);
	error_set_context(call->outer_context);
}

static char *
describe_states(unsigned states)
{
	/* READY stands for PROCESSING, too. */
	static const char *const names[] = {
		[PUBLIC_CREATED] = "newly created",
		[PUBLIC_CONNECTING] = "connecting",
		[PUBLIC_NEGOTIATING] = "negotiating",
		[PUBLIC_READY] = "connected with the server",
		[PUBLIC_CLOSED] = "shut down",
		[PUBLIC_DEAD] = "dead",
	};
	CLEANUP(string_builder_done)
	struct string_builder builder = STRING_BUILDER_INIT;
	const char *separator = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!names[i] || !(states & (1U << i)))
			continue;
		string_builder_append(&builder, separator);
		string_builder_append(&builder, names[i]);
		separator = ", or ";
	}
	return string_builder_take(&builder);
}

bool
api_refuse_state(struct nbd_handle *h, unsigned states)
{
	CLEANUP_FREE char *wanted = describe_states(states);

	/* The error of the call that killed it may have been nobody's to see:
	 * a command that cannot be sent any more is begun all the same. */
	if (engine_public_state(h) == PUBLIC_DEAD && h->cause_of_death)
		return fail(EINVAL,
			    "invalid state: %s: the handle must be %s, and it "
			    "died of \"%s\"",
			    engine_state_name(h),
			    wanted ? wanted : "in another state",
			    h->cause_of_death) == 0;
	fail(engine_public_state(h) == PUBLIC_CREATED ? ENOTCONN : EINVAL,
	     "invalid state: %s: the handle must be %s", engine_state_name(h),
	     wanted ? wanted : "in another state");
	return false;
}

bool
api_refuse_null(const char *name)
{
	fail(EFAULT, "%s cannot be NULL", name);
	return false;
}

bool
api_flags_are_valid(uint32_t flags, uint32_t mask, const char *name)
{
	if (!(flags & ~mask))
		return true;
	fail(EINVAL, "%s: invalid value for flag: 0x%x", name, flags);
	return false;
}

bool
api_enum_is_valid(int value, int n, const char *name)
{
	if (value >= 0 && value < n)
		return true;
	fail(EINVAL, "%s: invalid value for parameter: %d", name, value);
	return false;
}
