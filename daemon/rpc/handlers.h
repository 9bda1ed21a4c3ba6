/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One handler per method of proto/methods.h: a method that nobody handles does
 * not link. */
#pragma once

#include "daemon/rpc/call.h"
#include "proto/methods.h"

#define X(id, ...) extern const struct rpc_handler rpc_handler_##id;
RPC_METHODS(X)
#undef X
