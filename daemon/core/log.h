/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's log: the journal with its fields where stderr is connected to
 * it, else lines on stderr. Any thread.
 */
#pragma once

#include <stdarg.h>
#include <syslog.h>

/* The events that an operator may want to be told of; MESSAGE_ID= in the
 * journal. */
enum log_event {
	LOG_EVENT_NONE,
	LOG_EVENT_CONNECTED,
	LOG_EVENT_LOST,
	LOG_EVENT_RELOADED,
	LOG_EVENT_DRAINING,
};

/* What a line is about; all may be left out. */
struct log_subject {
	enum log_event event;
	const char *volume;
	const char *endpoint;
};

/* Finds out where to write. Once, before the first thread. */
void log_open(void);
/* Lines above LEVEL (syslog's numbers) are dropped. LOG_INFO to begin with. */
void log_set_level(int level);

void log_write(int level, const struct log_subject *subject, const char *format,
	       ...) __attribute__((format(printf, 3, 4)));

#define log_error(...)   log_write(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, NULL, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_DEBUG, NULL, __VA_ARGS__)
