/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Failures of the core as statuses: the words stay, proto/errors says which
 * code fits. */
#include "daemon/rpc/status.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/errors.h"

/* The contract's reasons have the core's names; the compiler finds one that is
 * missing. */
static Nbdclientd__V1__ErrorReason
reason_of(enum failure_reason reason)
{
#define REASON(name)         \
	case FAILURE_##name: \
		return NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_##name
	switch (reason) {
		REASON(UNKNOWN_VOLUME);
		REASON(UNKNOWN_EXPORT);
		REASON(PERMISSION);
		REASON(TIMEOUT);
		REASON(SERVER_UNREACHABLE);
		REASON(NBD);
		REASON(TLS);
		REASON(BUSY);
		REASON(NOT_SUPPORTED);
		REASON(INVALID);
		REASON(LIMIT);
		REASON(DATA_LOSS);
		REASON(IDENTITY);
	case FAILURE_NONE:
		break;
	}
#undef REASON
	return NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_UNSPECIFIED;
}

static struct rpc_failure
translate(const struct failure *failure)
{
	return (struct rpc_failure){
		.errnum = failure->errnum,
		.reason = reason_of(failure->reason),
		.applied = failure->maybe_applied
				   ? NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE
				   : NBDCLIENTD__V1__APPLIED__APPLIED_NO,
		.message = failure_text(failure),
		.volume = failure->volume,
		.endpoint = failure->endpoint,
		.hint = failure->hint,
	};
}

grpc_status_code
rpc_status_code(const struct failure *failure)
{
	return errors_status(failure->errnum, reason_of(failure->reason));
}

struct rpc_status
rpc_status_from_failure(grpc_status_code code, const struct failure *failure)
{
	struct rpc_failure translated = translate(failure);
	struct rpc_status status = {
		.code = code,
		.message = grpc_slice_from_copied_string(translated.message),
		.n_details = 1,
	};

	status.details.key = grpc_slice_from_static_string(ERRORS_DETAILS_KEY);
	status.details.value = errors_encode(status.code, &translated);
	return status;
}

struct rpc_status
rpc_status_with_text(grpc_status_code code, const char *format, va_list args)
{
	struct rpc_status status = { .code = code };
	char *text;

	if (vasprintf(&text, format, args) >= 0) {
		status.message = grpc_slice_from_copied_string(text);
		free(text);
	}
	return status;
}

void
rpc_status_done(struct rpc_status *status)
{
	grpc_slice_unref(status->message);
	if (status->n_details > 0)
		grpc_slice_unref(status->details.value);
	*status = (struct rpc_status){ 0 };
}

Nbdclientd__V1__IoError *
rpc_error_from_failure(const struct failure *failure)
{
	struct rpc_failure translated = translate(failure);
	Nbdclientd__V1__IoError *error = errors_to_io_error(&translated);

	if (!error)
		abort();
	return error;
}
