/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files pool*.c share; on the loop's thread. */
#pragma once

#include "daemon/core/volume_private.h"

/* A connection that lived as long was a good one. ns */
#define POOL_GOOD_LIFE 5000000000ull

/* In pool_connection.c. */
extern const struct connection_owner pool_connection_owner;

/* Makes as many connections as are wanted, unless a pause must pass first. */
void pool_evaluate(struct volume *volume);
/* A connection to that endpoint is begun; NULL: no memory. */
struct connection *pool_connect(struct volume *volume, size_t endpoint);
/* CONNECTION, which its export is adopted from unless it is one more of several,
 * joins those that requests go to. */
void pool_join(struct volume *volume, struct connection *connection);
/* 0 or -ENOMEM: the volume's export is what CONNECTION shows. */
int pool_adopt_export(struct volume *volume,
		      const struct connection *connection);
/* Tries again after a pause, unless that is due already. */
void pool_schedule_retry(struct volume *volume);
/* A connection that holds ends the row of failures. */
void pool_forgive(struct volume *volume);
/* An attempt to connect has failed. */
void pool_on_attempt_failed(struct volume *volume,
			    const struct failure *failure);

/* Puts the connection in another list, or in none if TO is NULL. */
void pool_move(struct volume *volume, struct connection *connection,
	       struct list *to);
/* Takes it out of its list and frees it. */
void pool_discard(struct volume *volume, struct connection *connection);
/* In pool_connection.c: CONNECTION has shown what it is known by. */
void pool_on_identified(struct volume *volume, struct connection *connection);
/* Hangs up, and makes no connections until pool_release(). */
void pool_hold(struct volume *volume);
void pool_release(struct volume *volume);
/* All connections are lost, with a copy of WHY. */
void pool_lose_all(struct volume *volume, const struct failure *why);
/* A connection that requests go to leaves them, politely. */
void pool_dismiss(struct volume *volume, struct connection *connection);
/* How long to wait after so many failures, somewhat at random. */
uint64_t pool_pause(unsigned failures);
/* Says goodbye to the server of a connection that nothing needs. */
void pool_close_politely(struct volume *volume, struct connection *connection);
/* Has the last connection of a closed pool gone? */
void pool_check_closed(struct volume *volume);

/* pool->retry and pool->shrink */
void pool_on_retry(struct timer *timer);
void pool_on_shrink(struct timer *timer);
/* pool->probe, in pool_probe.c */
void pool_on_probe(struct timer *timer);
