/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who may do what. A client is known by what the kernel says of it; CLIENT
 * NULL is the daemon itself, which may do everything. Any thread.
 */
#pragma once

#include <stdbool.h>

#include "daemon/config/configuration.h"

struct client;

/* root, the daemon's own user, members of the group nbd-clientd-admin. */
#define ACCESS_ADMIN_GROUP "nbd-clientd-admin"

/* May it read the volume, and know of it? Without AllowUsers= and AllowGroups=
 * everybody who can connect may. */
bool access_may_read(const struct volume_settings *settings,
		     const struct client *client);
bool access_may_write(const struct volume_settings *settings,
		      const struct client *client);
/* May it name servers by URI? */
bool access_may_open_ad_hoc(const struct daemon_settings *settings,
			    const struct client *client);
