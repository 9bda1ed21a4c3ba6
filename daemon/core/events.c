/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring of events. Two locks: one for the ring, one that keeps watchers in
 * place while they are told; a watcher may take the first under the second and
 * under locks of its own.
 */
#include "daemon/core/events.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/cleanup.h"

struct events {
	/* Tells this life of the daemon from others. */
	uint64_t life;

	pthread_mutex_t watch_lock;
	struct list watchers;

	/* Guards what follows. */
	pthread_mutex_t lock;
	/* The event numbered N is at N % EVENTS_KEPT. */
	struct event ring[EVENTS_KEPT];
	uint64_t latest;
	uint64_t counts[LOG_N_EVENTS];
};

void
event_done(struct event *event)
{
	free(event->volume);
	free(event->endpoint);
	free(event->text);
	*event = (struct event){ 0 };
}

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Without memory a string is left out; the event itself always fits. */
static void
fill(struct event *event, const struct log_subject *subject,
     const char *message)
{
	event_done(event);
	event->at_us = now_us();
	event->kind = subject->event;
	event->connection = subject->connection;
	event->volume = subject->volume ? strdup(subject->volume) : NULL;
	event->endpoint = subject->endpoint ? strdup(subject->endpoint) : NULL;
	event->text = strndup(message, EVENT_TEXT_MAX);
}

static void
on_event(void *user, const struct log_subject *subject, const char *message)
{
	struct events *events = user;

	{
		SCOPED_LOCK(&events->lock);
		struct event *event;

		events->latest++;
		event = &events->ring[events->latest % EVENTS_KEPT];
		fill(event, subject, message);
		event->sequence = events->latest;
		events->counts[subject->event]++;
	}
	SCOPED_LOCK(&events->watch_lock);
	list_for_each(link, &events->watchers) {
		struct events_watcher *watcher = container_of(
			link, struct events_watcher, link);

		watcher->on_event(watcher);
	}
}

/* The time serves where the kernel has no randomness yet. */
static uint64_t
choose_life(void)
{
	uint64_t life;

	if (getrandom(&life, sizeof(life), GRND_NONBLOCK) != sizeof(life))
		life = now_us();
	return life;
}

struct events *
events_new(void)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return NULL;
	events->life = choose_life();
	pthread_mutex_init(&events->lock, NULL);
	pthread_mutex_init(&events->watch_lock, NULL);
	list_init(&events->watchers);
	log_set_sink(on_event, events);
	return events;
}

void
events_free(struct events *events)
{
	if (!events)
		return;
	log_set_sink(NULL, NULL);
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		event_done(&events->ring[i]);
	pthread_mutex_destroy(&events->lock);
	pthread_mutex_destroy(&events->watch_lock);
	free(events);
}

static int
copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int
copy_event(struct event *to, const struct event *from)
{
	*to = *from;
	to->volume = to->endpoint = to->text = NULL;
	if (copy_text(&to->volume, from->volume) < 0 ||
	    copy_text(&to->endpoint, from->endpoint) < 0 ||
	    copy_text(&to->text, from->text) < 0) {
		event_done(to);
		return -ENOMEM;
	}
	return 1;
}

int
events_next(struct events *events, uint64_t after, struct event *event,
	    uint64_t *n_missed)
{
	uint64_t next = after + 1;

	SCOPED_LOCK(&events->lock);

	*n_missed = 0;
	if (after >= events->latest)
		return 0;
	if (next + EVENTS_KEPT <= events->latest) {
		next = events->latest - EVENTS_KEPT + 1;
		*n_missed = next - after - 1;
	}
	return copy_event(event, &events->ring[next % EVENTS_KEPT]);
}

uint64_t
events_latest(struct events *events)
{
	SCOPED_LOCK(&events->lock);

	return events->latest;
}

void
events_count(struct events *events, uint64_t counts[LOG_N_EVENTS])
{
	SCOPED_LOCK(&events->lock);

	memcpy(counts, events->counts, sizeof(events->counts));
}

void
events_token(const struct events *events, uint64_t sequence,
	     char token[EVENT_TOKEN_SIZE])
{
	snprintf(token, EVENT_TOKEN_SIZE, "%016" PRIx64 "-%" PRIu64,
		 events->life, sequence);
}

int
events_read_token(struct events *events, const char *token, uint64_t *sequence)
{
	char again[EVENT_TOKEN_SIZE];
	uint64_t life, number;

	if (sscanf(token, "%16" SCNx64 "-%20" SCNu64, &life, &number) != 2)
		return -EINVAL;
	/* Exactly what we would have written, nothing before or behind it. */
	snprintf(again, sizeof(again), "%016" PRIx64 "-%" PRIu64, life, number);
	if (strcmp(again, token) != 0)
		return -EINVAL;
	if (life != events->life || number > events_latest(events))
		return -ESTALE;
	*sequence = number;
	return 0;
}

const char *
event_name(enum log_event kind)
{
	static const char *const names[LOG_N_EVENTS] = {
#define X(symbol, name, id) [LOG_EVENT_##symbol] = name,
		LOG_EVENTS(X)
#undef X
	};

	return names[kind] ? names[kind] : "none";
}

void
events_watch(struct events *events, struct events_watcher *watcher)
{
	SCOPED_LOCK(&events->watch_lock);

	list_append(&events->watchers, &watcher->link);
	watcher->on_event(watcher);
}

void
events_unwatch(struct events *events, struct events_watcher *watcher)
{
	SCOPED_LOCK(&events->watch_lock);

	list_remove(&watcher->link);
}
