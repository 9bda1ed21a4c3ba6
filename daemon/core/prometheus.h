/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is counted, as text that Prometheus reads. Any thread. */
#pragma once

struct daemon;

#define PROMETHEUS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The whole text, which the caller frees; NULL without memory. VERSION is the
 * daemon's. */
char *prometheus_text(struct daemon *daemon, const char *version);
