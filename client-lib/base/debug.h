/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the debug messages of one handle go: to the caller's callback or, if
 * there is none, to standard error.
 */
#pragma once

#include <libnbd.h>
#include <stdbool.h>

#include "common/hints.h"

struct debug_sink {
	bool is_enabled;
	nbd_debug_callback callback; /* owned */
	char *handle_name;           /* of the handle, owned */
};

/*
 * Writes one message, without newline, if debugging is on; arguments are not
 * evaluated if it is off. errno and the thread's last error stay as they are.
 */
#define debug_log(sink, ...)                                 \
	do {                                                 \
		if (__builtin_expect((sink)->is_enabled, 0)) \
			debug_write((sink), __VA_ARGS__);    \
	} while (0)

COLD void debug_write(struct debug_sink *sink, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Replaces, and frees, the callback; takes over CALLBACK. */
void debug_set_callback(struct debug_sink *sink, nbd_debug_callback callback);

void debug_done(struct debug_sink *sink);
