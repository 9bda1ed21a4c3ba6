/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Exponential backoff with jitter. */
#include "daemon/core/backoff.h"

uint64_t
backoff_delay(unsigned failures, uint32_t random)
{
	uint64_t delay = BACKOFF_FIRST;

	if (failures == 0)
		return 0;
	for (unsigned i = 1; i < failures && delay < BACKOFF_LIMIT; i++)
		delay *= 2;
	if (delay > BACKOFF_LIMIT)
		delay = BACKOFF_LIMIT;
	return delay / 2 + random % (delay / 2 + 1);
}
