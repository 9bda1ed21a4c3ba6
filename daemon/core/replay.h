/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing again what a lost connection had acknowledged and nobody flushed: the
 * whole journal, in order, on one connection, while nothing else is sent. It
 * begins when every connection is quiet, so that no answer is under way that
 * saw, or is to come after, what is written again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/core/overlap.h"

struct connection;
struct request_target;

struct replay {
	/* Where it is written; NULL: not begun. */
	struct connection *connection;
	/* The entry to be sent next. */
	struct list *next;
	/* What is unanswered. */
	struct overlap sent;
	unsigned n_unanswered;
	uint64_t n_entries;
	uint64_t n_bytes;
};

void replay_init(struct replay *replay);

/* Does what can be done now. True: nothing needs to be written again, and other
 * requests may be sent. Else it is to be called again after each answer and
 * with each new connection. */
bool replay_run(struct request_target *target);

/* CONNECTION is gone, and its parts have been answered: if it was the one, all
 * begins anew on the next. */
void replay_lose_connection(struct request_target *target,
			    const struct connection *connection);
