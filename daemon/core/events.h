/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What has happened, for whoever wants to be told: the latest events in a ring
 * of fixed size, numbered from 1 in the life of the daemon. A reader goes on
 * from the number it has seen last, and is told how many it has missed. Events
 * come from the log (log.h). Any thread.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/core/log.h"

/* How many are kept. */
#define EVENTS_KEPT 1024
/* Longer messages are cut. */
#define EVENT_TEXT_MAX 1024

/* Strings may be NULL. */
struct event {
	uint64_t sequence;
	/* CLOCK_REALTIME */
	uint64_t at_us;
	enum log_event kind;
	char *volume;
	char *endpoint;
	uint64_t connection;
	char *text;
};

struct events;

/* NULL with errno. From then until events_free() the log fills it. */
struct events *events_new(void);
/* NULL is allowed. Nobody watches any more. */
void events_free(struct events *events);

/* The next event after the one numbered AFTER, copied to *EVENT (release with
 * event_done()), and the number of those between that are not kept any more.
 * 1; 0 if there is none yet; -ENOMEM. */
int events_next(struct events *events, uint64_t after, struct event *event,
		uint64_t *n_missed);
void event_done(struct event *event);

/* The number of the latest event; 0 if there has been none. */
uint64_t events_latest(struct events *events);

/* How many of each kind there have been, indexed by enum log_event. */
void events_count(struct events *events, uint64_t counts[LOG_N_EVENTS]);

/* A place in the stream as text: this daemon's life, and a number in it. */
#define EVENT_TOKEN_SIZE 40
void events_token(const struct events *events, uint64_t sequence,
		  char token[EVENT_TOKEN_SIZE]);
/* 0 with *SEQUENCE; -ESTALE if the token is of another life of the daemon, or
 * of a future of this one; -EINVAL if it is none. */
int events_read_token(struct events *events, const char *token,
		      uint64_t *sequence);

/* "connected" */
const char *event_name(enum log_event kind);

/* ON_EVENT is called from within events_watch(), and then when there is a new
 * event, on the thread that logs it, until events_unwatch() has returned; never
 * twice at the same time. It may read events but not watch or unwatch. */
struct events_watcher {
	void (*on_event)(struct events_watcher *watcher);
	struct list link;
};

void events_watch(struct events *events, struct events_watcher *watcher);
void events_unwatch(struct events *events, struct events_watcher *watcher);
