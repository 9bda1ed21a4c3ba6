/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon as its parts see it: its I/O threads, its volumes and clients by
 * name, its policy, and the way to ask the main thread for a reload or a
 * drain.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/core/failure.h"

struct configuration;
struct daemon;
struct events;

struct reload_result {
	unsigned volumes_added;
	unsigned volumes_changed;
	unsigned volumes_removed;
	/* errnum 0: applied. Else nothing has changed. */
	const struct failure *failure;
};

/* What only the main thread can do; both functions may be called from any
 * thread. */
struct daemon_control {
	/* ON_DONE is called once, on the main thread. */
	void (*reload)(void *context,
		       void (*on_done)(void *user,
				       const struct reload_result *result),
		       void *user);
	void (*drain)(void *context);
	void *context;
};

/* A daemon with CONFIGURATION (a reference is taken), its I/O threads running
 * and its volumes connecting; NULL with errno. Main thread. */
struct daemon *daemon_new(struct configuration *configuration);
void daemon_set_control(struct daemon *daemon,
			const struct daemon_control *control);

/* Puts CONFIGURATION in force instead of the present one: volumes that it does
 * not have close, changed ones are made anew, the others keep their
 * connections. A reference is taken. 0 or -ENOMEM, and then part of it may be
 * applied. RESULT is filled. Main thread. */
int daemon_apply(struct daemon *daemon, struct configuration *configuration,
		 struct reload_result *result);

/* No more volumes, sessions and requests: what is in flight is finished until
 * DEADLINE (CLOCK_MONOTONIC ns), volumes are flushed and disconnected. Then
 * ON_DRAINED is called once, on some I/O thread. Main thread. */
void daemon_drain(struct daemon *daemon, uint64_t deadline,
		  void (*on_drained)(void *user), void *user);

/* Ends the I/O threads and frees everything. Every client, session and volume
 * reference must have been released. */
void daemon_free(struct daemon *daemon);

/* For STATUS= and the watchdog: the numbers of volumes and of those that are
 * ready. Main thread. */
void daemon_count_volumes(struct daemon *daemon, unsigned *n_volumes,
			  unsigned *n_ready);
/* Asks every I/O thread for a sign of life; returns whether all have given the
 * one that was asked for last. Main thread. */
bool daemon_is_alive(struct daemon *daemon);

/* Any thread. */
void daemon_request_reload(struct daemon *daemon,
			   void (*on_done)(void *user,
					   const struct reload_result *result),
			   void *user);
void daemon_request_drain(struct daemon *daemon);
bool daemon_is_draining(const struct daemon *daemon);
/* What has happened. Any thread. */
struct events *daemon_events(const struct daemon *daemon);
/* CLOCK_MONOTONIC ns when it started. */
uint64_t daemon_started_at(const struct daemon *daemon);
/* Bytes; 0 if the kernel does not tell. */
uint64_t daemon_resident_memory(void);
/* Such as "libnbd 1.24.4"; static text. */
const char *daemon_library_version(void);
/* A reference to the configuration in force; configuration_unref() it. */
struct configuration *daemon_configuration(struct daemon *daemon);
