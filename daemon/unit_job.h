/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the service manager is about to do with us. */
#pragma once

#include <stdbool.h>

/* Are we being stopped, and not to be started again right away? False if
 * nobody says so. Asks systemd, for two seconds at most. */
bool unit_is_being_stopped(void);
