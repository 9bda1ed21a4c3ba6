/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is counted of volumes, connections and clients: one list, from which the
 * memory, the counting and the Prometheus text are made. A struct metrics is
 * counted on one I/O thread without a lock, and read by any thread. A client,
 * whose requests may be on several I/O threads, has one for each.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "daemon/core/histogram.h"
#include "daemon/core/request.h"

struct part;

enum metric_scope {
	METRIC_VOLUME = 1,
	METRIC_CONNECTION = 2,
	METRIC_CLIENT = 4,
};

/* COUNTER and GAUGE are one number; COUNTERS, one for each command; LATENCY is
 * a histogram; LATENCIES, one for each command. */
enum metric_kind {
	METRIC_KIND_COUNTER,
	METRIC_KIND_GAUGE,
	METRIC_KIND_COUNTERS,
	METRIC_KIND_LATENCY,
	METRIC_KIND_LATENCIES,
};

/*
 * X(member, kind, scopes, name, help). For a connection a request is a command
 * on the wire. In the scopes V is volume, C connection, L client.
 */
/* clang-format off */
#define METRICS(X)                                                            \
	X(requests, COUNTERS, V | C | L, "requests_total",                    \
	  "Requests that have ended, well or not.")                           \
	X(errors, COUNTERS, V | C | L, "request_errors_total",                \
	  "Requests that have ended in an error.")                            \
	X(read_bytes, COUNTER, V | C | L, "read_bytes_total",                 \
	  "Bytes that reads have brought.")                                   \
	X(written_bytes, COUNTER, V | C | L, "written_bytes_total",           \
	  "Bytes that writes have carried.")                                  \
	X(in_flight, GAUGE, V | C | L, "requests_in_flight",                  \
	  "Requests handed to a connection and not answered yet.")            \
	X(waiting, GAUGE, V | L, "requests_waiting",                          \
	  "Requests that wait for a connection or for room on one.")          \
	X(retries, COUNTER, V | L, "retries_total",                           \
	  "Commands sent again because their connection was lost.")           \
	X(reconnects, COUNTER, V, "reconnects_total",                         \
	  "Connections made in place of lost ones.")                          \
	X(replayed, COUNTER, V, "replayed_writes_total",                      \
	  "Unflushed writes carried out again after a connection was lost.")  \
	X(early_flushes, COUNTER, V, "early_flushes_total",                   \
	  "Flushes of the daemon's own, to bound what is unflushed.")         \
	X(connect_failures, COUNTER, V, "connect_failures_total",             \
	  "Attempts to connect that have failed.")                            \
	X(slow, COUNTER, V | L, "slow_requests_total",                        \
	  "Requests that took longer than SlowRequest=.")                     \
	X(total, LATENCIES, V | L, "request_seconds",                         \
	  "Time from the arrival of a request to its end.")                   \
	X(queue, LATENCY, V | L, "queue_seconds",                             \
	  "Time that a request waited until it was sent.")                    \
	X(server, LATENCY, V | C | L, "server_seconds",                       \
	  "Time from sending to the first answer: network and server.")
/* clang-format on */

#define METRIC_CELL_COUNTER(member)  atomic_ullong member;
#define METRIC_CELL_GAUGE(member)    atomic_ullong member;
#define METRIC_CELL_COUNTERS(member) atomic_ullong member[REQUEST_N_COMMANDS];
#define METRIC_CELL_LATENCY(member)  struct histogram member;
#define METRIC_CELL_LATENCIES(member) \
	struct histogram member[REQUEST_N_COMMANDS];

/* Nothing but numbers, which all may be added. Zero bytes to begin with. */
struct metrics {
#define X(member, kind, scopes, name, help) METRIC_CELL_##kind(member)
	METRICS(X)
#undef X
};

/* A row of the list. */
struct metric {
	/* "requests_total" */
	const char *name;
	const char *help;
	enum metric_kind kind;
	/* enum metric_scope bits */
	unsigned scopes;
	/* Of its first cell in struct metrics. */
	size_t offset;
};

extern const struct metric metric_rows[];
extern const unsigned n_metric_rows;

/* Adds the numbers of FROM to TO, a copy that only the caller has. Any
 * thread. */
void metrics_add(struct metrics *to, const struct metrics *from);

/* The cell of ROW in METRICS: the first of REQUEST_N_COMMANDS where it has one
 * for each command. For COUNTER, GAUGE, COUNTERS; and for the others. */
const atomic_ullong *metric_cells(const struct metrics *metrics,
				  const struct metric *row);
const struct histogram *metric_histograms(const struct metrics *metrics,
					  const struct metric *row);

/*
 * Counting, on the I/O thread. METRICS may be NULL where nothing is counted.
 */

/* Adds N to a cell of METRICS. */
#define METRIC_ADD(of, member, n)                          \
	do {                                               \
		struct metrics *add_to_ = (of);            \
                                                           \
		if (add_to_)                               \
			metric_add(&add_to_->member, (n)); \
	} while (0)

/* A command on the wire has its answer: ERRNUM 0, or why not. */
void metrics_part_ended(struct metrics *metrics, const struct part *part,
			int errnum);

/* A request has ended; not of those that are left out. */
void metrics_request_ended(struct metrics *metrics,
			   const struct request *request);
