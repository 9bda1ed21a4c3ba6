/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What may be asked of the server: a table of the commands, and the checks in
 * the order in which the public API documents their errors. Most of them can
 * be turned off in the strict mode; the rest protect ourselves.
 */
#include <errno.h>
#include <libnbd.h>
#include <limits.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"
#include "common/checked.h"

struct command_kind {
	const char *name;
	uint16_t needs;    /* flag of the export, 0: none */
	bool changes_data; /* not on a read-only export */
	bool has_range;    /* offset and count mean something */
	bool has_data;     /* count bytes travel */
	int bounds_errno;
};

/* clang-format off */
static const struct command_kind kinds[] = {
	[NBD_CMD_READ]         = { "read",         0,                          false, true,  true,  EINVAL },
	[NBD_CMD_WRITE]        = { "write",        0,                          true,  true,  true,  ENOSPC },
	[NBD_CMD_DISC]         = { "disconnect",   0,                          false, false, false, 0 },
	[NBD_CMD_FLUSH]        = { "flush",        NBD_FLAG_SEND_FLUSH,        false, false, false, 0 },
	[NBD_CMD_TRIM]         = { "trim",         NBD_FLAG_SEND_TRIM,         true,  true,  false, ENOSPC },
	[NBD_CMD_CACHE]        = { "cache",        NBD_FLAG_SEND_CACHE,        false, true,  false, EINVAL },
	[NBD_CMD_WRITE_ZEROES] = { "write-zeroes", NBD_FLAG_SEND_WRITE_ZEROES, true,  true,  false, ENOSPC },
	[NBD_CMD_BLOCK_STATUS] = { "block-status", 0,                          false, true,  false, EINVAL },
};

/* Command flags and the flag of the export that permits them. */
static const struct flag_need {
	uint32_t flag;
	uint16_t needs;
	const char *name;
} flag_needs[] = {
	{ LIBNBD_CMD_FLAG_FUA,       NBD_FLAG_SEND_FUA,       "FUA" },
	{ LIBNBD_CMD_FLAG_DF,        NBD_FLAG_SEND_DF,        "DF" },
	{ LIBNBD_CMD_FLAG_FAST_ZERO, NBD_FLAG_SEND_FAST_ZERO, "FAST_ZERO" },
};
/* clang-format on */

const char *
command_name(uint16_t type)
{
	return kinds[type].name;
}

static int
check_flags(const struct nbd_handle *h, struct command_request *request)
{
	uint32_t wrong = request->flags & ~request->accepts;

	if (!(h->config.strict & LIBNBD_STRICT_FLAGS))
		wrong &= 0xffff0000;
	if (wrong)
		return fail(EINVAL, "flags: invalid value for flag: 0x%x",
			    request->flags);

	return 0;
}

/* The payload's length is announced with extended headers, and only there;
 * the caller need not know. */
static int
correct_payload_flag(const struct nbd_handle *h,
		     struct command_request *request)
{
	if (!(request->accepts & LIBNBD_CMD_FLAG_PAYLOAD_LEN) ||
	    !(h->config.strict & LIBNBD_STRICT_AUTO_FLAG))
		return 0;
	if (h->negotiated.extended_headers)
		request->flags |= LIBNBD_CMD_FLAG_PAYLOAD_LEN;
	else if (request->contexts)
		return fail(ENOTSUP, "block-status: a filter needs extended "
				     "headers, which were not negotiated");
	else
		request->flags &= ~LIBNBD_CMD_FLAG_PAYLOAD_LEN;
	return 0;
}

/* Does the server understand the payload, and that there is one? */
static int
check_payload_flag(const struct nbd_handle *h,
		   const struct command_request *request)
{
	bool has_flag = request->flags & LIBNBD_CMD_FLAG_PAYLOAD_LEN;

	if (request->contexts &&
	    !(h->export.flags & NBD_FLAG_BLOCK_STATUS_PAYLOAD))
		return fail(EINVAL,
			    "block-status: the server takes no filters");
	if ((request->accepts & LIBNBD_CMD_FLAG_PAYLOAD_LEN) &&
	    has_flag != h->negotiated.extended_headers)
		return fail(EINVAL,
			    "%s: the PAYLOAD_LEN flag belongs to "
			    "extended headers",
			    kinds[request->type].name);
	return 0;
}

static int
check_status(const struct nbd_handle *h)
{
	if (!h->negotiated.structured_replies)
		return fail(ENOTSUP, "block-status: the server does not "
				     "support structured replies");
	if (!h->export.contexts_valid || h->export.n_contexts == 0)
		return fail(ENOTSUP,
			    "block-status: no meta context was negotiated; "
			    "nbd_add_meta_context() asks for them");
	return 0;
}

static int
check_flags_offered(const struct nbd_handle *h,
		    const struct command_request *request)
{
	for (size_t i = 0; i < sizeof(flag_needs) / sizeof(flag_needs[0]);
	     i++) {
		const struct flag_need *need = &flag_needs[i];

		if ((request->flags & request->accepts & need->flag) &&
		    !(h->export.flags & need->needs))
			return fail(EINVAL,
				    "%s: the server does not support the %s "
				    "flag",
				    kinds[request->type].name, need->name);
	}
	return 0;
}

/* Does the server offer what is asked for? */
static int
check_offered(const struct nbd_handle *h, const struct command_request *request)
{
	const struct command_kind *kind = &kinds[request->type];

	if (!(h->config.strict & LIBNBD_STRICT_COMMANDS))
		return 0;
	if (kind->needs && !(h->export.flags & kind->needs))
		return fail(EINVAL, "%s: the server does not support it",
			    kind->name);
	if (kind->changes_data && (h->export.flags & NBD_FLAG_READ_ONLY))
		return fail(EPERM, "%s: the export is read-only", kind->name);
	if ((request->flags & request->accepts) &&
	    check_flags_offered(h, request) == -1)
		return -1;
	if (check_payload_flag(h, request) == -1)
		return -1;
	if (request->type == NBD_CMD_BLOCK_STATUS)
		return check_status(h);
	return 0;
}

/* Can the connection take another command at all? */
static int
check_connection(const struct nbd_handle *h)
{
	if (h->is_disconnecting)
		return fail(EINVAL, "cannot request more commands after "
				    "NBD_CMD_DISC");
	if (h->n_in_flight == INT_MAX)
		return fail(ENOMEM, "too many commands in flight");
	return 0;
}

/* Is the range one of the export's? */
static int
check_range(const struct nbd_handle *h, const struct command_request *request)
{
	const struct command_kind *kind = &kinds[request->type];
	uint64_t mask = h->export.block_minimum ? h->export.block_minimum - 1
						: 0;

	if ((h->config.strict & LIBNBD_STRICT_ZERO_SIZE) && request->count == 0)
		return fail(EINVAL, "%s: count cannot be 0", kind->name);
	if ((h->config.strict & LIBNBD_STRICT_BOUNDS) &&
	    !checked_range(request->offset, request->count, h->export.size))
		return fail(kind->bounds_errno,
			    "%s: offset %llu and count %llu are beyond the "
			    "export's size of %llu",
			    kind->name, (unsigned long long)request->offset,
			    (unsigned long long)request->count,
			    (unsigned long long)h->export.size);
	if ((h->config.strict & LIBNBD_STRICT_ALIGN) &&
	    ((request->offset | request->count) & mask) != 0)
		return fail(EINVAL,
			    "%s: offset and count must be multiples of the "
			    "minimum block size %u",
			    kind->name, h->export.block_minimum);
	return 0;
}

/* Is it short enough for the server and for us? */
static int
check_length(const struct nbd_handle *h, const struct command_request *request,
	     const struct filter *filter)
{
	const struct command_kind *kind = &kinds[request->type];
	uint64_t payload = 0;

	if (request->type == NBD_CMD_WRITE)
		payload = request->count;
	else if (filter)
		payload = filter_size(filter);

	if ((h->config.strict & LIBNBD_STRICT_PAYLOAD) &&
	    payload > h->export.payload_cap)
		return fail(ERANGE,
			    "%s: a payload of %llu bytes is more than the "
			    "server takes at once, which is %u",
			    kind->name, (unsigned long long)payload,
			    h->export.payload_cap);
	if (kind->has_data && request->count > NBD_MAX_REQUEST)
		return fail(ERANGE,
			    "%s: count %llu is more than the maximum %u",
			    kind->name, (unsigned long long)request->count,
			    NBD_MAX_REQUEST);
	if (request->count > UINT32_MAX && !h->negotiated.extended_headers)
		return fail(ERANGE,
			    "%s: count %llu needs extended headers, which "
			    "were not negotiated",
			    kind->name, (unsigned long long)request->count);
	return 0;
}

int
command_check(const struct nbd_handle *h, struct command_request *request,
	      struct filter *filter)
{
	if (check_flags(h, request) == -1 ||
	    correct_payload_flag(h, request) == -1 ||
	    check_offered(h, request) == -1)
		return -1;
	/* Without the flag no payload follows, and it is a plain request. */
	if (request->contexts) {
		if (filter_build(filter, h, request->count,
				 request->contexts) == -1)
			return -1;
		if (!(request->flags & LIBNBD_CMD_FLAG_PAYLOAD_LEN))
			filter_done(filter);
	}
	if (check_connection(h) == -1)
		return -1;
	if (!kinds[request->type].has_range)
		return 0;
	if (check_range(h, request) == -1)
		return -1;
	return check_length(h, request, filter);
}
