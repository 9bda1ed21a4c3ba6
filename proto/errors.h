/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one place where failures become gRPC statuses and back. A failure has a
 * status code, a message for humans, and an nbdclientd.v1.ErrorDetail, which
 * travels in a google.rpc.Status in the metadata grpc-status-details-bin, or in
 * an IoError of Channel. The functions keep no state.
 */
#pragma once

#include <grpc/slice.h>
#include <grpc/status.h>

#include "nbdclientd/v1/common.pb-c.h"
#include "nbdclientd/v1/io.pb-c.h"

/* The metadata key. */
#define ERRORS_DETAILS_KEY "grpc-status-details-bin"

/* What went wrong, as the code that found it says it. */
struct rpc_failure {
	/* 0 if none fits; a positive errno of this machine. */
	int errnum;
	/* UNSPECIFIED: follows from errnum alone. */
	Nbdclientd__V1__ErrorReason reason;
	Nbdclientd__V1__Applied applied;
	/* NULL is "". Borrowed; what is not UTF-8 is replaced on the way. */
	const char *message;
	const char *volume;
	const char *endpoint;
	const char *hint;
};

/*
 * The status code of a failure: the reason decides, and errnum where the
 * reason leaves it open (none, NBD). Never GRPC_STATUS_OK.
 */
grpc_status_code errors_status(int errnum, Nbdclientd__V1__ErrorReason reason);

/* The errno that says most nearly what a status code says: for codes that came
 * without details. 0 for OK. */
int errors_errno(grpc_status_code status);

/* "UNAVAILABLE". */
const char *errors_status_name(grpc_status_code status);

/*
 * The failure as the bytes of a google.rpc.Status, the value of
 * grpc-status-details-bin. The caller unrefs the slice.
 */
grpc_slice errors_encode(grpc_status_code status,
			 const struct rpc_failure *failure);

/*
 * The ErrorDetail in such bytes, which the caller frees with
 * codec_message_free(); NULL if there is none or the bytes are broken.
 */
Nbdclientd__V1__ErrorDetail *errors_decode(grpc_slice details);

/* The failure as an IoError of Channel or Negotiate, which the caller frees
 * with codec_message_free(). NULL with errno ENOMEM. */
Nbdclientd__V1__IoError *errors_to_io_error(const struct rpc_failure *failure);
