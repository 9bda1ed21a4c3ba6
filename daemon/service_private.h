/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What service.c and reload.c share. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/list.h"
#include "daemon/core/daemon.h"
#include "daemon/listener.h"
#include "daemon/metrics_listener.h"
#include "daemon/options.h"

struct rpc_server;

struct service {
	const struct options *options;
	sd_event *event;
	struct daemon *daemon;
	struct rpc_server *rpc;
	struct listener *listener;
	/* NULL: nobody wants metrics over HTTP. */
	struct metrics_listener *metrics;
	sd_event_source *drain_timer;
	uint64_t watchdog_us;
	bool is_draining;

	/* From other threads: written down, and the eventfd says so. */
	int wake_fd;
	pthread_mutex_t lock;
	struct list reloads;
	bool drain_is_asked;
	bool is_drained;
};

/* Tells systemd how many volumes and clients there are, after STATE, lines of
 * sd_notify(3). */
void service_tell_status(struct service *service, const char *state);
/* Has the main thread look at what other threads have written down. */
void service_wake(struct service *service);

/* Reloads now; ON_DONE may be NULL. Main thread. */
void reload_now(struct service *service,
		void (*on_done)(void *user, const struct reload_result *result),
		void *user);
/* Has the main thread reload: daemon_control.reload. Any thread. */
void reload_ask(void *context,
		void (*on_done)(void *user, const struct reload_result *result),
		void *user);
/* Carries out what was asked for. Main thread. */
void reload_run_asked(struct service *service, struct list *requests);
