/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Back to a preferred endpoint. While the connections of a volume go to a later
 * one, a scout looks from time to time whether an earlier one serves again, and
 * when it has got through, requests wait until what is in flight is answered
 * and flushed, and all go over to it. On the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct connection;
struct failure;
struct timer;
struct volume;

/* volume->pool.returning */
void pool_on_return(struct timer *timer);

/* May connections go to that endpoint: for all requests, or at least for those
 * that change nothing? */
bool pool_may_use(const struct volume *volume, size_t endpoint);
/* Is that endpoint good for reads alone? */
bool pool_is_for_reads(const struct volume *volume, size_t endpoint);

/* The connections go to another endpoint now: looks for the way back, if there
 * is one. */
void pool_plan_return(struct volume *volume);

/* The scout has its export, with a DIFFERENCE from what the volume is known by,
 * or NULL: from now on requests wait for the way to be free. */
void pool_on_scout_ready(struct volume *volume, const char *difference);
/* The scout is lost, and freed here. */
void pool_on_scout_lost(struct volume *volume, const struct failure *failure);
/* All connections are given up, and the scout with them. */
void pool_forget_scout(struct volume *volume);
/* Something was answered: may all go over now? */
void pool_go_on_returning(struct volume *volume);
