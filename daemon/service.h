/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon as a service: signals, reload, drain, watchdog, and what systemd
 * is told of it. All on the main thread's sd-event loop.
 */
#pragma once

#include "daemon/config/configuration.h"
#include "daemon/options.h"

/* The configuration that OPTIONS ask for, or NULL with errno; mistakes have
 * been told on stderr. */
struct configuration *service_load_configuration(const struct options *options);

/* Runs the daemon until it is told to end. The exit status of the program. */
int service_run(const struct options *options,
		struct configuration *configuration);
