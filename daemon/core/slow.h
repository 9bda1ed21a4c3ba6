/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The log of requests that took longer than SlowRequest=, and where the time
 * went. On the loop's thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct request;
struct request_target;

/* Is TAKEN, in ns, more than the target's requests may take? */
bool slow_is_slow(const struct request_target *target, uint64_t taken);

/* Counts and logs REQUEST, which has ended, if it was slow. */
void slow_check(struct request_target *target, struct request *request);
