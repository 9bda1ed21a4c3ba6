/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where requests go: a queue in front of connections that serve the same
 * export. A volume has one, with all the connections of its pool; a session
 * has one, with its single connection. It owns the life of a request from the
 * queue to on_done: validate, lease a connection, send, retry, finish.
 * Everything on the loop's thread, but for the numbers that are atomic.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/core/client.h"
#include "daemon/core/connection.h"
#include "daemon/core/export.h"
#include "daemon/core/fair.h"
#include "daemon/core/journal.h"
#include "daemon/core/metrics.h"
#include "daemon/core/overlap.h"
#include "daemon/core/part.h"
#include "daemon/core/replay.h"
#include "daemon/core/request.h"

struct identity;

struct request_target {
	struct loop *loop;
	/* Is told what is written; or NULL. */
	struct identity *identity;
	/* The volume's name, or the endpoint: for messages. */
	const char *name;
	/* Ready connections. */
	struct list connections;
	unsigned n_connections;
	/* Requests not handed out completely, in order of arrival; and the
	 * order in which they are served. */
	struct list waiting;
	struct fair_queue queue;
	/* All handed out, and some part of it unanswered. */
	struct list running;
	/* Parts whose connection was lost. */
	struct list retries;
	struct list spare_parts;
	unsigned n_spare_parts;
	/* What is being written: sent and unanswered, or to be sent again.
	 * Also by parts that nobody waits for any more: while the server may
	 * still carry one out, no newer write to these bytes is sent. */
	struct overlap being_written;
	/* Of a volume; a session's stays off. */
	struct journal journal;
	struct replay replay;
	/* A write waits for room in the journal. */
	bool waits_for_flush;
	struct message dispatch;
	/* Some caller has gone. */
	struct message cancel;
	atomic_bool is_cancel_sent;

	/* Unset: no connection has been ready yet, and requests wait. */
	bool has_export;
	struct export_info export;
	bool is_read_only;
	/* Nobody else writes there: parts of blocks can be changed. */
	bool is_single_writer;
	/* Parts of a lost connection are sent again; else they fail. */
	bool retries_parts;
	/* Requests of clients wait. */
	bool is_paused;
	/* The same, for as long as it takes to go to another endpoint. */
	bool is_moving;
	/* What changes data waits: these connections are for reads. */
	bool is_for_reads;
	/* Something was written here, by whichever client. */
	bool was_written;
	/* New requests are refused with a copy of this. */
	bool is_closed;
	struct failure closed_because;
	unsigned in_flight_limit;
	/* What this turn of the loop hands out, and to whom. */
	struct batch {
		uint64_t turn;
		struct connection *connection;
		uint64_t bytes_limit;
	} batch;
	uint64_t request_timeout;
	/* Why there is no connection, for requests that run into their
	 * deadline. */
	struct failure last_failure;
	/* A write was acknowledged since the last flush. */
	bool is_dirty;

	/* For the owner. May be NULL. After each round of handing out. */
	void (*on_dispatched)(struct request_target *target);
	/* Nothing waits or runs any more. */
	void (*on_idle)(struct request_target *target);
	/* A request that holds the owner is done. */
	void (*on_release)(struct request_target *target);

	/* Read by other threads. */
	atomic_uint n_waiting;
	atomic_uint n_running;
	/* The owner's; NULL where only clients are counted. */
	struct metrics *metrics;
	/* Requests that take longer are logged: ns; 0: none. */
	atomic_ullong slow_request;
};

/* Adds N to MEMBER of what is counted of the target and of the client of
 * REQUEST. On the loop's thread. */
#define TARGET_COUNT(target, request, member, n)                              \
	do {                                                                  \
		METRIC_ADD((target)->metrics, member, n);                     \
		METRIC_ADD(client_metrics((request)->client, (target)->loop), \
			   member, n);                                        \
	} while (0)

/* TARGET is all zero. NAME must stay. */
void target_init(struct request_target *target, struct loop *loop,
		 const char *name);
/* No request is left, no connection either. */
void target_done(struct request_target *target);

/* A request arrives, whose target is set already. Its on_done may follow from
 * within. */
void target_submit(struct request_target *target, struct request *request);

/* The same for a request of the daemon's own, which enters a closed target
 * too. */
void target_admit(struct request_target *target, struct request *request);

/* Ends a request that was not submitted, with the failure it has. */
void target_refuse(struct request_target *target, struct request *request);

/* CONNECTION, in PHASE_DATA, joins or leaves. */
void target_add_connection(struct request_target *target,
			   struct connection *connection);
void target_remove_connection(struct request_target *target,
			      struct connection *connection);

/* What the export is, from now on. 0 or -ENOMEM. */
int target_set_export(struct request_target *target,
		      const struct export_info *export);

/* From connection_owner.on_part. */
void target_on_part(struct request_target *target, struct part *part,
		    enum part_outcome outcome, const char *text);

/* Hands out what waits, before the loop sleeps. */
void target_dispatch_later(struct request_target *target);

/* Refuses new requests from now on; those there are may finish. */
void target_close(struct request_target *target, const struct failure *why);
/* Takes them again. */
void target_open(struct request_target *target);
/* Ends all requests now, with a copy of WHY. */
void target_fail_all(struct request_target *target, const struct failure *why);
bool target_is_idle(const struct request_target *target);
/* Nothing that was sent is unanswered, also of what nobody waits for. */
bool target_is_quiet(const struct request_target *target);
