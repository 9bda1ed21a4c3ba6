/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Validation of requests, so that a mistake is answered here with a clear
 * message and never reaches a server.
 */
#include "daemon/core/check.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>

#include "common/checked.h"
#include "daemon/core/export.h"
#include "daemon/core/split.h"

static const uint32_t allowed_flags[] = {
	[REQUEST_READ] = 0,
	[REQUEST_WRITE] = LIBNBD_CMD_FLAG_FUA,
	[REQUEST_FLUSH] = 0,
	[REQUEST_TRIM] = LIBNBD_CMD_FLAG_FUA,
	[REQUEST_CACHE] = 0,
	[REQUEST_ZERO] = LIBNBD_CMD_FLAG_FUA | LIBNBD_CMD_FLAG_NO_HOLE |
			 LIBNBD_CMD_FLAG_FAST_ZERO,
	[REQUEST_BLOCK_STATUS] = LIBNBD_CMD_FLAG_REQ_ONE,
};

bool
request_command_writes(enum request_command command)
{
	return command == REQUEST_WRITE || command == REQUEST_TRIM ||
	       command == REQUEST_ZERO;
}

int
check_form(struct request *request)
{
	const char *name = request_command_name(request->command);
	uint32_t bad = request->flags & ~allowed_flags[request->command];

	if (bad)
		return failure_set(&request->failure, EINVAL, FAILURE_INVALID,
				   "%s: flag 0x%" PRIx32 " is not one that "
				   "this command takes",
				   name, bad);
	if (request->command == REQUEST_WRITE) {
		if (request->length == 0)
			request->length = request->payload.size;
		if (request->length != request->payload.size)
			return failure_set(
				&request->failure, EINVAL, FAILURE_INVALID,
				"write: length is %" PRIu64
				", but there are %zu bytes of data",
				request->length, request->payload.size);
	}
	if (request->length == 0 && request->command != REQUEST_FLUSH &&
	    request->command != REQUEST_BLOCK_STATUS)
		return failure_set(&request->failure, EINVAL, FAILURE_INVALID,
				   "%s: the length is 0", name);
	if (request->length > SPLIT_MAX_LENGTH &&
	    request->command == REQUEST_READ)
		return failure_set(&request->failure, EINVAL, FAILURE_INVALID,
				   "read: %" PRIu64 " bytes are too many",
				   request->length);
	return 0;
}

static int
lacks(struct request *request, const char *what)
{
	failure_set(&request->failure, EOPNOTSUPP, FAILURE_NOT_SUPPORTED,
		    "%s: the server does not offer %s",
		    request_command_name(request->command), what);
	return -EOPNOTSUPP;
}

static int
check_offers(struct request *request, const struct export_info *export)
{
	switch (request->command) {
	case REQUEST_FLUSH:
		if (!export->can_flush)
			return lacks(request, "flush");
		break;
	case REQUEST_TRIM:
		if (!export->can_trim)
			return lacks(request, "trim");
		break;
	case REQUEST_CACHE:
		if (!export->can_cache)
			return lacks(request, "cache");
		break;
	case REQUEST_ZERO:
		if (!export->can_zero)
			return lacks(request, "write-zeroes");
		break;
	case REQUEST_READ:
	case REQUEST_WRITE:
	case REQUEST_BLOCK_STATUS:
		break;
	}
	if ((request->flags & LIBNBD_CMD_FLAG_FUA) && !export->can_fua)
		return lacks(request, "FUA");
	if ((request->flags & LIBNBD_CMD_FLAG_FAST_ZERO) &&
	    !export->can_fast_zero)
		return lacks(request, "fast zeroing");
	return 0;
}

static int
check_range(struct request *request, const struct export_info *export)
{
	if (request->command == REQUEST_FLUSH)
		return 0;
	if (request->command == REQUEST_BLOCK_STATUS && request->length == 0 &&
	    request->offset < export->size)
		request->length = export->size - request->offset;
	if (request->length == 0 ||
	    !checked_range(request->offset, request->length, export->size))
		return failure_set(&request->failure, ERANGE, FAILURE_INVALID,
				   "%s: offset %" PRIu64 ", length %" PRIu64
				   " is beyond the end of the export, which "
				   "has %" PRIu64 " bytes",
				   request_command_name(request->command),
				   request->offset, request->length,
				   export->size);
	return 0;
}

/* Reads and block status are widened instead. */
static int
check_alignment(struct request *request, const struct check_facts *facts)
{
	const struct export_info *export = facts->export;

	if (facts->makes_whole_blocks || request->command == REQUEST_READ ||
	    request->command == REQUEST_FLUSH ||
	    request->command == REQUEST_BLOCK_STATUS)
		return 0;
	if (split_is_aligned(export, request->offset, request->length))
		return 0;
	failure_set(&request->failure, EINVAL, FAILURE_INVALID,
		    "%s: offset %" PRIu64 ", length %" PRIu64 " are not "
		    "multiples of %" PRIu32 ", the server's minimum block",
		    request_command_name(request->command), request->offset,
		    request->length, export->block_minimum);
	failure_set_hint(&request->failure,
			 "Ask for whole blocks; the volume's description says "
			 "how large they are. With SingleWriter=yes the daemon "
			 "makes whole blocks of anything.");
	return -EINVAL;
}

int
check_against_export(struct request *request, const struct check_facts *facts)
{
	const struct export_info *export = facts->export;
	int r;

	if (request_command_writes(request->command) &&
	    (facts->is_read_only || export->is_read_only))
		return failure_set(&request->failure, EPERM, FAILURE_PERMISSION,
				   "%s: %s is read-only",
				   request_command_name(request->command),
				   facts->is_read_only ? "the volume"
						       : "the export");
	r = check_offers(request, export);
	if (r < 0)
		return r;
	r = check_range(request, export);
	if (r < 0)
		return r;
	return check_alignment(request, facts);
}
