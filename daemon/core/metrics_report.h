/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is counted now, of everything that a client may look at: a snapshot for
 * those who print it. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/core/metrics.h"

struct client;
struct daemon;

/* One volume, connection or client, and what the metrics call it. */
struct metrics_subject {
	enum metric_scope scope;
	/* Of a volume or a connection; owned. */
	char *volume;
	/* Of a connection; owned. */
	char *endpoint;
	/* Of a connection or a client. */
	uint64_t id;
	uint32_t uid;
	uint32_t pid;
	/* Of a volume: a connection is ready; and how many are. */
	bool is_up;
	unsigned n_connections;
	/* Of a connection: ns; 0: not known. */
	uint64_t round_trip;
	struct metrics values;
};

struct metrics_report {
	struct metrics_subject **subjects;
	size_t n;
};

struct metrics_query {
	/* enum metric_scope bits */
	unsigned scopes;
	/* Only this volume, and its connections; NULL: all. */
	const char *volume;
	/* Only the connection or client of this number; 0: all. */
	uint64_t id;
};

/* What QUERY asks for, as far as VIEWER may see it; NULL: the daemon itself,
 * which may see everything. 0 or -ENOMEM. */
int metrics_collect(struct daemon *daemon, const struct client *viewer,
		    const struct metrics_query *query,
		    struct metrics_report *report);
void metrics_report_done(struct metrics_report *report);
