/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which of a target's connections is given the next piece: the one with the
 * least to do, but as few of them as keep up with what there is.
 */
#pragma once

#include <stdint.h>

struct connection;
struct request_target;

/* The connection with the fewest bytes in flight that has room for one more
 * part, or NULL. */
struct connection *target_choose(const struct request_target *target);

/* The one for a request that comes together with others, in the turn of the
 * loop that began NOW; or NULL. */
struct connection *target_choose_for_batch(struct request_target *target,
					   uint64_t now);
