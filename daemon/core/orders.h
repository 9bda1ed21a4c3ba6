/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an administrator tells a volume to do, and when a volume does nothing
 * because it must not. */
#pragma once

#include "daemon/core/failure.h"
#include "daemon/core/volume.h"

/* On the loop's thread: */

/* No I/O and no attempts to connect, until an order ends it; requests fail with
 * a copy of WHY. STATE says what it is: quarantined or given up. */
void volume_stop(struct volume *volume, enum volume_state state,
		 const struct failure *why);

/* Something may have ended that an order waits for. */
void orders_go_on(struct volume *volume);
/* The volume closes: nobody waits any longer. */
void orders_fail(struct volume *volume);
