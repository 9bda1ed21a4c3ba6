/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Watches how much memory is asked for at once, so that a length which the
 * server made up does not become an allocation.
 */
#pragma once

#include <stddef.h>

/* The largest single request since the last reset, or 0 where the sanitizers
 * own the allocator. */
size_t allocations_largest(void);
void allocations_reset(void);
