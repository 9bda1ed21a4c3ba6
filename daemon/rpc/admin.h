/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the methods of service Admin share. */
#pragma once

#include <stdbool.h>

struct rpc_call;

/* May the caller do WHAT, which completes "uid 1000 may not ..."? Administrators
 * may. False: the call has been refused. */
bool admin_is_allowed(struct rpc_call *call, const char *what);

void admin_fail_without_memory(struct rpc_call *call);
