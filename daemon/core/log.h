/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon's log: the journal with its fields where stderr is connected to
 * it, else lines on stderr. Any thread.
 */
#pragma once

#include <stdarg.h>
#include <stdint.h>
#include <syslog.h>

/*
 * X(symbol, name, MESSAGE_ID=): the events that an operator may want to be told
 * of. A line about one also enters the stream of events (events.h), whatever
 * the level, so this is the one place where a new kind is added. It is written
 * with no lock held.
 */
/* clang-format off */
#define LOG_EVENTS(X)                                                         \
	X(CONNECTED,     "connected",     "5c2f1d8e0f6b4a3e9d7c41b0a6e2f813") \
	X(LOST,          "lost",          "a91e64b75d2c4f0c8b3e7f12d0c5a946") \
	X(RELOADED,      "reloaded",      "3d70c9f4e81b4b6fa25e90d7c3618ab2") \
	X(DRAINING,      "draining",      "e4b8a2136f9d4c75b01d58c7f2903e6d") \
	X(REPLAYED,      "replayed",      "0b9f6d21c84e4e57b3a0f5d2176c9e48") \
	X(QUARANTINED,   "quarantined",   "f2617ac05b3d4980a7e14c92d80b365e") \
	X(VOLUME_OPENED, "volume-opened", "68d3e0a7f91c45b2862f0c7be5194da3") \
	X(VOLUME_CLOSED, "volume-closed", "c7402be98d6f4f1ab5937d10e62ca8f5")
/* clang-format on */

enum log_event {
	LOG_EVENT_NONE,
#define X(symbol, name, id) LOG_EVENT_##symbol,
	LOG_EVENTS(X)
#undef X
	LOG_N_EVENTS,
};

/* What a line is about; all may be left out. */
struct log_subject {
	enum log_event event;
	const char *volume;
	const char *endpoint;
	/* 0: none. */
	uint64_t connection;
	uint64_t request;
};

/* Finds out where to write. Once, before the first thread. */
void log_open(void);
/* Lines above LEVEL (syslog's numbers) are dropped. LOG_INFO to begin with.
 * Any thread. */
void log_set_level(int level);
int log_level(void);

/* Who else is told of events: ON_EVENT with USER, on the thread that logs, which
 * holds no lock of the daemon or of a volume then. NULL: nobody. Not while
 * others log. */
void log_set_sink(void (*on_event)(void *user,
				   const struct log_subject *subject,
				   const char *message),
		  void *user);

void log_write(int level, const struct log_subject *subject, const char *format,
	       ...) __attribute__((format(printf, 3, 4)));

#define log_error(...)   log_write(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, NULL, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_DEBUG, NULL, __VA_ARGS__)
