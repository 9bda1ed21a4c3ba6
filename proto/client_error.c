/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a failed call looks like to its caller. The daemon's own words are
 * passed on; where there are none, what is known here is said instead.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/call.h"
#include "proto/codec.h"
#include "proto/errno_names.h"
#include "proto/errors.h"
#include "proto/utf8.h"

#define REASON(name)  NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_##name
#define APPLIED(name) NBDCLIENTD__V1__APPLIED__APPLIED_##name

static const char hint_lost[] =
	"see why the daemon went away with: journalctl -u nbd-clientd";

static Nbdclientd__V1__ErrorReason
reason_of_status(grpc_status_code status)
{
	switch (status) {
	case GRPC_STATUS_DEADLINE_EXCEEDED:
		return REASON(TIMEOUT);
	case GRPC_STATUS_PERMISSION_DENIED:
		return REASON(PERMISSION);
	case GRPC_STATUS_RESOURCE_EXHAUSTED:
		return REASON(LIMIT);
	case GRPC_STATUS_UNIMPLEMENTED:
		return REASON(NOT_SUPPORTED);
	case GRPC_STATUS_INVALID_ARGUMENT:
	case GRPC_STATUS_OUT_OF_RANGE:
		return REASON(INVALID);
	default:
		return REASON(UNSPECIFIED);
	}
}

static void
set_errno(struct client_error *error, int errnum)
{
	error->errno_value = errnum;
	utf8_copy(error->errno_name, sizeof(error->errno_name),
		  errno_name(errnum));
}

/* Never 0: callers return it as their failure. */
static int
negative_errno(const struct client_error *error)
{
	return error->errno_value > 0 ? -error->errno_value : -EIO;
}

int
client_error_set(struct client_error *error, enum client_failure failure,
		 int errnum, const char *format, ...)
{
	va_list args;

	*error = (struct client_error){ .failure = failure };
	error->status = (int)errors_status(errnum, REASON(UNSPECIFIED));
	error->reason = reason_of_status((grpc_status_code)error->status);
	set_errno(error, errnum);
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	return negative_errno(error);
}

int
client_error_bad_answer(struct client_error *error,
			const struct rpc_method *method, int r)
{
	return client_error_set(
		error, CLIENT_BROKEN, -r, "%s.%s: the daemon's answer: %s",
		method->service, method->name, codec_error_text(r));
}

/* Everything but failure, status and message. */
static void
apply_detail(struct client_error *error,
	     const Nbdclientd__V1__ErrorDetail *detail)
{
	utf8_copy(error->errno_name, sizeof(error->errno_name),
		  detail->errno_name);
	error->errno_value = errno_from_name(detail->errno_name);
	utf8_copy(error->volume, sizeof(error->volume), detail->volume);
	utf8_copy(error->endpoint, sizeof(error->endpoint), detail->endpoint);
	utf8_copy(error->hint, sizeof(error->hint), detail->hint);
	error->applied = detail->applied;
	if (detail->reason)
		error->reason = detail->reason;
}

static void
apply_refusal(struct client_error *error, grpc_status_code status,
	      const char *message, const Nbdclientd__V1__ErrorDetail *detail)
{
	*error = (struct client_error){ .failure = CLIENT_REFUSED,
					.status = (int)status,
					.reason = reason_of_status(status) };
	utf8_copy(error->message, sizeof(error->message), message);
	if (error->message[0] == '\0')
		snprintf(error->message, sizeof(error->message),
			 "the daemon answered %s and no more",
			 errors_status_name(status));
	if (detail)
		apply_detail(error, detail);
	if (error->errno_name[0] == '\0')
		set_errno(error, errors_errno(status));
}

int
client_error_from_io(struct client_error *error,
		     const Nbdclientd__V1__IoError *io)
{
	apply_refusal(error, (grpc_status_code)io->code, io->message,
		      io->detail);
	return negative_errno(error);
}

static Nbdclientd__V1__ErrorDetail *
find_detail(const struct call *call)
{
	for (size_t i = 0; i < call->trailing.count; i++) {
		const grpc_metadata *entry = &call->trailing.metadata[i];

		if (grpc_slice_str_cmp(entry->key, ERRORS_DETAILS_KEY) == 0)
			return errors_decode(entry->value);
	}
	return NULL;
}

/* The call ended without a word of the daemon's: gRPC made the status up. */
static void
apply_lost(const struct call *call, struct client_error *error,
	   const char *text)
{
	const struct rpc_method *method = call->method;

	if (call->status == GRPC_STATUS_DEADLINE_EXCEEDED ||
	    call->has_timed_out)
		client_error_set(error, CLIENT_TIMED_OUT, ETIMEDOUT,
				 "%s.%s: no answer from the daemon in time",
				 method->service, method->name);
	else if (call->is_cancelled)
		client_error_set(error, CLIENT_INTERRUPTED, ECANCELED,
				 "%s.%s was cancelled", method->service,
				 method->name);
	else
		client_error_set(error, CLIENT_NOT_REACHABLE, ENOTCONN,
				 "%s.%s: the connection to the daemon at %s "
				 "was lost: %s",
				 method->service, method->name,
				 call->client->address, text);
	if (error->failure == CLIENT_NOT_REACHABLE)
		utf8_copy(error->hint, sizeof(error->hint), hint_lost);
	error->applied = APPLIED(MAYBE);
	utf8_copy(error->volume, sizeof(error->volume), call->volume);
}

/* Whether gRPC itself may have made STATUS up. */
static bool
is_ours(const struct call *call)
{
	return call->has_timed_out || call->status == GRPC_STATUS_UNAVAILABLE ||
	       call->status == GRPC_STATUS_DEADLINE_EXCEEDED ||
	       call->status == GRPC_STATUS_CANCELLED;
}

int
call_result(const struct call *call, struct client_error *error)
{
	CLEANUP_MESSAGE Nbdclientd__V1__ErrorDetail *detail = NULL;
	char text[sizeof(error->message)];
	size_t length = GRPC_SLICE_LENGTH(call->status_text);

	if (call->status == GRPC_STATUS_OK)
		return 0;
	if (atomic_load(&call->client->is_interrupted)) {
		client_error_set(error, CLIENT_INTERRUPTED, ECANCELED,
				 "%s.%s was interrupted", call->method->service,
				 call->method->name);
		error->applied = APPLIED(MAYBE);
		return negative_errno(error);
	}
	if (length >= sizeof(text))
		length = sizeof(text) - 1;
	memcpy(text, GRPC_SLICE_START_PTR(call->status_text), length);
	text[length] = '\0';
	detail = find_detail(call);
	if (!detail && is_ours(call)) {
		apply_lost(call, error, text);
		return negative_errno(error);
	}
	apply_refusal(error, call->status, text, detail);
	if (error->volume[0] == '\0')
		utf8_copy(error->volume, sizeof(error->volume), call->volume);
	return negative_errno(error);
}
