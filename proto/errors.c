/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failures as gRPC statuses and back. Two tables say how an errno or a reason
 * becomes a status code; everything else is packing.
 */
#include "proto/errors.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "google/rpc/status.pb-c.h"
#include "proto/codec.h"
#include "proto/errno_names.h"
#include "proto/utf8.h"

#define TYPE_URL_PREFIX "type.googleapis.com/"
#define DETAIL_TYPE_URL TYPE_URL_PREFIX "nbdclientd.v1.ErrorDetail"

/* Metadata of a call is limited to 8 KiB, base64 included: longer texts are cut
 * off. */
#define TEXT_SIZE 1024

static const struct {
	int errnum;
	grpc_status_code status;
} by_errno[] = {
	{ EPERM, GRPC_STATUS_PERMISSION_DENIED },
	{ EACCES, GRPC_STATUS_PERMISSION_DENIED },
	{ EROFS, GRPC_STATUS_PERMISSION_DENIED },
	{ ENOENT, GRPC_STATUS_NOT_FOUND },
	{ EINVAL, GRPC_STATUS_INVALID_ARGUMENT },
	{ EDOM, GRPC_STATUS_INVALID_ARGUMENT },
	{ ENAMETOOLONG, GRPC_STATUS_INVALID_ARGUMENT },
	{ ERANGE, GRPC_STATUS_OUT_OF_RANGE },
	{ EOVERFLOW, GRPC_STATUS_OUT_OF_RANGE },
	{ EEXIST, GRPC_STATUS_ALREADY_EXISTS },
	{ ENOSPC, GRPC_STATUS_RESOURCE_EXHAUSTED },
	{ EDQUOT, GRPC_STATUS_RESOURCE_EXHAUSTED },
	{ ENOMEM, GRPC_STATUS_RESOURCE_EXHAUSTED },
	{ EMFILE, GRPC_STATUS_RESOURCE_EXHAUSTED },
	{ ENFILE, GRPC_STATUS_RESOURCE_EXHAUSTED },
	{ EMSGSIZE, GRPC_STATUS_RESOURCE_EXHAUSTED },
	{ ENOTSUP, GRPC_STATUS_UNIMPLEMENTED },
	{ ENOSYS, GRPC_STATUS_UNIMPLEMENTED },
	{ EIO, GRPC_STATUS_INTERNAL },
	{ ETIMEDOUT, GRPC_STATUS_DEADLINE_EXCEEDED },
	{ ECANCELED, GRPC_STATUS_CANCELLED },
	{ EBUSY, GRPC_STATUS_FAILED_PRECONDITION },
	{ EALREADY, GRPC_STATUS_FAILED_PRECONDITION },
	{ EAGAIN, GRPC_STATUS_UNAVAILABLE },
	{ ESHUTDOWN, GRPC_STATUS_UNAVAILABLE },
	{ ENOTCONN, GRPC_STATUS_UNAVAILABLE },
	{ ECONNREFUSED, GRPC_STATUS_UNAVAILABLE },
	{ ECONNRESET, GRPC_STATUS_UNAVAILABLE },
	{ ECONNABORTED, GRPC_STATUS_UNAVAILABLE },
	{ EPIPE, GRPC_STATUS_UNAVAILABLE },
	{ EHOSTUNREACH, GRPC_STATUS_UNAVAILABLE },
	{ EHOSTDOWN, GRPC_STATUS_UNAVAILABLE },
	{ ENETUNREACH, GRPC_STATUS_UNAVAILABLE },
	{ ENETDOWN, GRPC_STATUS_UNAVAILABLE },
	{ EADDRNOTAVAIL, GRPC_STATUS_UNAVAILABLE },
};

static const struct {
	grpc_status_code status;
	const char *name;
	int errnum;
} statuses[] = {
	{ GRPC_STATUS_OK, "OK", 0 },
	{ GRPC_STATUS_CANCELLED, "CANCELLED", ECANCELED },
	{ GRPC_STATUS_UNKNOWN, "UNKNOWN", EIO },
	{ GRPC_STATUS_INVALID_ARGUMENT, "INVALID_ARGUMENT", EINVAL },
	{ GRPC_STATUS_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", ETIMEDOUT },
	{ GRPC_STATUS_NOT_FOUND, "NOT_FOUND", ENOENT },
	{ GRPC_STATUS_ALREADY_EXISTS, "ALREADY_EXISTS", EEXIST },
	{ GRPC_STATUS_PERMISSION_DENIED, "PERMISSION_DENIED", EACCES },
	{ GRPC_STATUS_RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED", ENOMEM },
	{ GRPC_STATUS_FAILED_PRECONDITION, "FAILED_PRECONDITION", EBUSY },
	{ GRPC_STATUS_ABORTED, "ABORTED", ECONNABORTED },
	{ GRPC_STATUS_OUT_OF_RANGE, "OUT_OF_RANGE", ERANGE },
	{ GRPC_STATUS_UNIMPLEMENTED, "UNIMPLEMENTED", ENOTSUP },
	{ GRPC_STATUS_INTERNAL, "INTERNAL", EIO },
	{ GRPC_STATUS_UNAVAILABLE, "UNAVAILABLE", ENOTCONN },
	{ GRPC_STATUS_DATA_LOSS, "DATA_LOSS", EIO },
	{ GRPC_STATUS_UNAUTHENTICATED, "UNAUTHENTICATED", EACCES },
};

static grpc_status_code
status_of_errno(int errnum)
{
	for (size_t i = 0; i < sizeof(by_errno) / sizeof(by_errno[0]); i++)
		if (by_errno[i].errnum == errnum)
			return by_errno[i].status;
	return GRPC_STATUS_INTERNAL;
}

grpc_status_code
errors_status(int errnum, Nbdclientd__V1__ErrorReason reason)
{
	grpc_status_code by_number = status_of_errno(errnum);

	switch (reason) {
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_UNKNOWN_VOLUME:
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_UNKNOWN_EXPORT:
		return GRPC_STATUS_NOT_FOUND;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_PERMISSION:
		return GRPC_STATUS_PERMISSION_DENIED;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_TIMEOUT:
		return GRPC_STATUS_DEADLINE_EXCEEDED;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_SERVER_UNREACHABLE:
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_TLS:
		return GRPC_STATUS_UNAVAILABLE;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_BUSY:
		/* Draining passes; what is in the way stays until it is
		 * removed. */
		return errnum == EBUSY ? GRPC_STATUS_FAILED_PRECONDITION
				       : GRPC_STATUS_UNAVAILABLE;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_NOT_SUPPORTED:
		return GRPC_STATUS_UNIMPLEMENTED;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_INVALID:
		return by_number == GRPC_STATUS_OUT_OF_RANGE ||
				       by_number ==
					       GRPC_STATUS_FAILED_PRECONDITION
			       ? by_number
			       : GRPC_STATUS_INVALID_ARGUMENT;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_LIMIT:
		return GRPC_STATUS_RESOURCE_EXHAUSTED;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_DATA_LOSS:
		return GRPC_STATUS_DATA_LOSS;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_IDENTITY:
		return GRPC_STATUS_FAILED_PRECONDITION;
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_UNSPECIFIED:
	case NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_NBD:
	case _NBDCLIENTD__V1__ERROR_REASON_IS_INT_SIZE:
		break;
	}
	return by_number;
}

int
errors_errno(grpc_status_code status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return statuses[i].errnum;
	return EIO;
}

const char *
errors_status_name(grpc_status_code status)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return statuses[i].name;
	return "UNKNOWN";
}

/* A failure as messages: as much of its texts as fits, and only what UTF-8 may
 * hold, because they may come from a server. */
struct packed_failure {
	Nbdclientd__V1__ErrorDetail detail;
	char name[24];
	char message[TEXT_SIZE];
	char volume[TEXT_SIZE / 4];
	char endpoint[TEXT_SIZE];
	char hint[TEXT_SIZE];
};

static void
prepare(struct packed_failure *packed, const struct rpc_failure *failure)
{
	nbdclientd__v1__error_detail__init(&packed->detail);
	utf8_copy(packed->name, sizeof(packed->name),
		  errno_name(failure->errnum));
	utf8_copy(packed->message, sizeof(packed->message), failure->message);
	utf8_copy(packed->volume, sizeof(packed->volume), failure->volume);
	utf8_copy(packed->endpoint, sizeof(packed->endpoint),
		  failure->endpoint);
	utf8_copy(packed->hint, sizeof(packed->hint), failure->hint);
	packed->detail.errno_name = packed->name;
	packed->detail.errno_value = errno_to_x86_64(failure->errnum);
	packed->detail.volume = packed->volume;
	packed->detail.endpoint = packed->endpoint;
	packed->detail.applied = failure->applied;
	packed->detail.hint = packed->hint;
	packed->detail.reason = failure->reason;
}

/* The slice is short-lived and its bytes stay where they are. */
static grpc_slice
pack(const void *message)
{
	size_t length = protobuf_c_message_get_packed_size(message);
	grpc_slice slice = grpc_slice_malloc_large(length);

	protobuf_c_message_pack(message, GRPC_SLICE_START_PTR(slice));
	return slice;
}

grpc_slice
errors_encode(grpc_status_code status, const struct rpc_failure *failure)
{
	char type_url[] = DETAIL_TYPE_URL;
	struct packed_failure packed;
	Google__Rpc__Status whole = GOOGLE__RPC__STATUS__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Google__Protobuf__Any *details[] = { &any };
	grpc_slice detail;
	grpc_slice slice;

	prepare(&packed, failure);
	detail = pack(&packed.detail);
	any.type_url = type_url;
	any.value.data = GRPC_SLICE_START_PTR(detail);
	any.value.len = GRPC_SLICE_LENGTH(detail);
	whole.code = (int32_t)status;
	whole.message = packed.message;
	whole.n_details = 1;
	whole.details = details;
	slice = pack(&whole);
	grpc_slice_unref(detail);
	return slice;
}

/* Any's type is what follows the last slash of its URL. */
static bool
is_detail(const Google__Protobuf__Any *any)
{
	const char *slash = strrchr(any->type_url, '/');

	return slash && strcmp(slash + 1,
			       &DETAIL_TYPE_URL[strlen(TYPE_URL_PREFIX)]) == 0;
}

Nbdclientd__V1__ErrorDetail *
errors_decode(grpc_slice details)
{
	CLEANUP_MESSAGE Google__Rpc__Status *status = NULL;
	Nbdclientd__V1__ErrorDetail *detail = NULL;

	if (codec_decode_bytes(&google__rpc__status__descriptor,
			       GRPC_SLICE_START_PTR(details),
			       GRPC_SLICE_LENGTH(details), &status) < 0)
		return NULL;
	for (size_t i = 0; i < status->n_details && !detail; i++)
		if (is_detail(status->details[i]))
			codec_decode_bytes(
				&nbdclientd__v1__error_detail__descriptor,
				status->details[i]->value.data,
				status->details[i]->value.len, &detail);
	return detail;
}

Nbdclientd__V1__IoError *
errors_to_io_error(const struct rpc_failure *failure)
{
	struct packed_failure packed;
	Nbdclientd__V1__IoError borrowed = NBDCLIENTD__V1__IO_ERROR__INIT;
	Nbdclientd__V1__IoError *owned = NULL;
	grpc_slice bytes;

	prepare(&packed, failure);
	borrowed.code = (uint32_t)errors_status(failure->errnum,
						failure->reason);
	borrowed.message = packed.message;
	borrowed.detail = &packed.detail;
	/* By way of the wire: one copy that is freed like any other. */
	bytes = pack(&borrowed);
	owned = nbdclientd__v1__io_error__unpack(NULL, GRPC_SLICE_LENGTH(bytes),
						 GRPC_SLICE_START_PTR(bytes));
	grpc_slice_unref(bytes);
	if (!owned)
		errno = ENOMEM;
	return owned;
}
