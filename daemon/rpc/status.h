/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The core's failures as the RPC's: a status of a call, or the error of one
 * reply on a stream. Any thread. */
#pragma once

#include <grpc/status.h>
#include <stdarg.h>

#include "daemon/core/failure.h"
#include "daemon/rpc/call.h"
#include "nbdclientd/v1/io.pb-c.h"

/* The code that fits FAILURE. */
grpc_status_code rpc_status_code(const struct failure *failure);

/* With grpc-status-details-bin. The caller ends it with rpc_status_done(). */
struct rpc_status rpc_status_from_failure(grpc_status_code code,
					  const struct failure *failure);
struct rpc_status rpc_status_with_text(grpc_status_code code,
				       const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
void rpc_status_done(struct rpc_status *status);

/* The caller frees it with codec_message_free(); aborts without memory. */
Nbdclientd__V1__IoError *rpc_error_from_failure(const struct failure *failure);
