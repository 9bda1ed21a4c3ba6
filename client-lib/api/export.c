/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known about the export and the connection since negotiating.
 */
#include <errno.h>
#include <libnbd.h>

#include "client-lib/api/guard.h"
#include "client-lib/wire/protocol.h"

/* Has the server described an export? Its flags are never 0 then. */
static bool
is_described(const struct nbd_handle *h)
{
	if (h->export.flags)
		return true;
	fail(EINVAL, "server has not returned export flags, you need to "
		     "connect to the server first");
	return false;
}

/* 1 or 0; -1 with the error recorded. */
static int
export_flag(const struct api_call *call, uint16_t flag)
{
	if (!api_permit(call, NEGOTIATING | CONNECTED | CLOSED))
		return -1;
	if (!is_described(call->h))
		return -1;
	return (call->h->export.flags & flag) != 0;
}

int
nbd_is_read_only(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, export_flag(&call, NBD_FLAG_READ_ONLY));
}

int
nbd_can_flush(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, export_flag(&call, NBD_FLAG_SEND_FLUSH));
}

int
nbd_can_fua(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, export_flag(&call, NBD_FLAG_SEND_FUA));
}

int
nbd_is_rotational(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, export_flag(&call, NBD_FLAG_ROTATIONAL));
}

int
nbd_can_trim(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, export_flag(&call, NBD_FLAG_SEND_TRIM));
}

int
nbd_can_zero(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call,
			  export_flag(&call, NBD_FLAG_SEND_WRITE_ZEROES));
}

int
nbd_can_fast_zero(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, export_flag(&call, NBD_FLAG_SEND_FAST_ZERO));
}

int
nbd_can_block_status_payload(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call,
			  export_flag(&call, NBD_FLAG_BLOCK_STATUS_PAYLOAD));
}

int
nbd_can_df(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, export_flag(&call, NBD_FLAG_SEND_DF));
}

int
nbd_can_multi_conn(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, export_flag(&call, NBD_FLAG_CAN_MULTI_CONN));
}

int
nbd_can_cache(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, export_flag(&call, NBD_FLAG_SEND_CACHE));
}

int
nbd_can_meta_context(struct nbd_handle *h, const char *metacontext)
{
	API_CALL(call, h, "metacontext=%s",
		 trace_string(&call.trace, metacontext));
	const struct export_info *export = &h->export;

	if (!api_permit(&call, NEGOTIATING | CONNECTED | CLOSED))
		return -1;
	if (!API_GIVEN(metacontext))
		return -1;
	/* Contexts may have been selected before anything else is known. */
	if (!export->contexts_valid && !is_described(h))
		return -1;
	if (h->config.meta_contexts.n_items && !export->contexts_valid)
		return fail(
			EINVAL,
			"need a successful server meta context request first");
	return api_return(&call, export_info_context_by_name(
					 export, metacontext) != NULL);
}

const char *
nbd_get_protocol(struct nbd_handle *h)
{
	API_CALL(call, h);

	if (!api_permit(&call, NEGOTIATING | CONNECTED | CLOSED))
		return NULL;
	if (!h->negotiated.protocol)
		return fail_null(EINVAL,
				 "the protocol is not known: the connection "
				 "ended before the server's greeting");
	return api_return_text(&call, h->negotiated.protocol);
}

int
nbd_get_structured_replies_negotiated(struct nbd_handle *h)
{
	API_CALL(call, h);

	if (!api_permit(&call, NEGOTIATING | CONNECTED | CLOSED))
		return -1;
	return api_return(&call, h->negotiated.structured_replies);
}

int
nbd_get_extended_headers_negotiated(struct nbd_handle *h)
{
	API_CALL(call, h);

	if (!api_permit(&call, NEGOTIATING | CONNECTED | CLOSED))
		return -1;
	return api_return(&call, h->negotiated.extended_headers);
}

int64_t
nbd_get_size(struct nbd_handle *h)
{
	API_CALL(call, h);

	if (!api_permit(&call, NEGOTIATING | CONNECTED | CLOSED))
		return -1;
	if (!is_described(h))
		return -1;
	if (h->export.size > INT64_MAX)
		return fail(EOVERFLOW,
			    "server claims size %llu which does not fit in "
			    "signed result",
			    (unsigned long long)h->export.size);
	return api_return(&call, (int64_t)h->export.size);
}

static int64_t
block_size(const struct export_info *export, int size_type)
{
	switch (size_type) {
	case LIBNBD_SIZE_MINIMUM:
		return export->block_minimum;
	case LIBNBD_SIZE_PREFERRED:
		return export->block_preferred;
	case LIBNBD_SIZE_MAXIMUM:
		return export->block_maximum;
	case LIBNBD_SIZE_PAYLOAD:
		return export->payload_cap;
	}
	return 0;
}

int64_t
nbd_get_block_size(struct nbd_handle *h, int size_type)
{
	API_CALL(call, h, "size_type=%d", size_type);

	if (!api_permit(&call, NEGOTIATING | CONNECTED | CLOSED))
		return -1;
	if (!api_enum_is_valid(size_type, LIBNBD_SIZE_PAYLOAD + 1, "size_type"))
		return -1;
	if (!is_described(h))
		return -1;
	return api_return(&call, block_size(&h->export, size_type));
}

/* TEXT for the caller; NULL if it was not sent. */
static char *
export_text(struct api_call *call, const char *text, const char *what)
{
	if (!api_permit(call, NEGOTIATING | CONNECTED | CLOSED))
		return NULL;
	if (!is_described(call->h))
		return NULL;
	if (!text)
		return fail_null(ENOTSUP, "server did not advertise a %s",
				 what);
	return api_return_copy(call, text);
}

char *
nbd_get_canonical_export_name(struct nbd_handle *h)
{
	API_CALL(call, h);

	return export_text(&call, h->export.canonical_name, "canonical name");
}

char *
nbd_get_export_description(struct nbd_handle *h)
{
	API_CALL(call, h);

	return export_text(&call, h->export.description, "description");
}
