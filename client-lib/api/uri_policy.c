/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a URI that comes from elsewhere may ask of the handle.
 */
#include <libnbd.h>

#include "client-lib/api/guard.h"

int
nbd_set_uri_allow_transports(struct nbd_handle *h, uint32_t mask)
{
	API_CALL(call, h, "mask=0x%x", mask);

	if (!api_permit(&call, CREATED))
		return -1;
	if (!api_flags_are_valid(mask, LIBNBD_ALLOW_TRANSPORT_MASK, "mask"))
		return -1;
	h->config.uri_allow_transports = mask;
	return api_return(&call, 0);
}

int
nbd_set_uri_allow_tls(struct nbd_handle *h, int tls)
{
	API_CALL(call, h, "tls=%d", tls);

	if (!api_permit(&call, CREATED))
		return -1;
	if (!api_enum_is_valid(tls, LIBNBD_TLS_REQUIRE + 1, "tls"))
		return -1;
	h->config.uri_allow_tls = tls;
	return api_return(&call, 0);
}

int
nbd_set_uri_allow_tls_priority(struct nbd_handle *h, bool allow)
{
	API_CALL(call, h, "allow=%s", trace_bool(allow));

	if (!api_permit(&call, CREATED))
		return -1;
	h->config.uri_allow_tls_priority = allow;
	return api_return(&call, 0);
}

int
nbd_set_uri_allow_local_file(struct nbd_handle *h, bool allow)
{
	API_CALL(call, h, "allow=%s", trace_bool(allow));

	if (!api_permit(&call, CREATED))
		return -1;
	h->config.uri_allow_local_file = allow;
	return api_return(&call, 0);
}
