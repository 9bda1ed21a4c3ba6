/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Debug messages: composed whole, then handed to the callback or written with
 * one call, so that lines of several threads do not mix.
 */
#include "client-lib/base/debug.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client-lib/base/closure.h"
#include "client-lib/base/error.h"
#include "common/cleanup.h"
#include "common/strings.h"

void
debug_write(struct debug_sink *sink, const char *format, ...)
{
	CLEANUP(string_builder_done)
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *message = NULL;
	int saved = errno;
	va_list args;

	va_start(args, format);
	string_builder_vprintf(&builder, format, args);
	va_end(args);
	message = string_builder_take(&builder);

	/* A message lost for want of memory is no reason to fail a call. */
	if (!message)
		;
	else if (!CLOSURE_IS_NULL(sink->callback))
		(void)CLOSURE_CALL(sink->callback, error_context(), message);
	else
		fprintf(stderr, "libnbd: debug: %s: %s: %s\n",
			sink->handle_name ? sink->handle_name : "nbd",
			error_context(), message);
	errno = saved;
}

void
debug_set_callback(struct debug_sink *sink, nbd_debug_callback callback)
{
	closure_release(sink->callback);
	sink->callback = callback;
}

void
debug_done(struct debug_sink *sink)
{
	closure_release(sink->callback);
	free(TAKE_PTR(sink->handle_name));
}
