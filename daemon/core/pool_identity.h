/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is what a fresh connection shows the volume that we know? On the loop's
 * thread. */
#pragma once

struct connection;
struct volume;

/* CONNECTION has its export: reads what it is known by, and then says
 * pool_on_identified(), perhaps from within; or loses it. */
void pool_identify(struct volume *volume, struct connection *connection);

/* What differs from the volume that is known, which the caller frees, or NULL.
 */
char *pool_identity_difference(const struct volume *volume,
			       const struct connection *connection);

/* The volume is what CONNECTION shows. 0 or -ENOMEM. */
int pool_adopt_identity(struct volume *volume,
			const struct connection *connection);

/* CONNECTION, of which there is no other, shows something else: no I/O until
 * somebody accepts that. DIFFERENCE ends the sentence. */
void pool_quarantine(struct volume *volume, struct connection *connection,
		     const char *difference);
