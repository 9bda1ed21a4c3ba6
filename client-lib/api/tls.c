/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings of TLS. Files that they name are read when a handshake
 * begins.
 */
#include <errno.h>
#include <libnbd.h>

#include "client-lib/api/guard.h"
#include "client-lib/engine/tls_upgrade.h"
#include "client-lib/stream/tls_priority.h"
#include "common/strings.h"

enum {
	N_TLS_POLICIES = LIBNBD_TLS_REQUIRE + 1,
};

int
nbd_set_tls(struct nbd_handle *h, int tls)
{
	API_CALL(call, h, "tls=%d", tls);

	if (!api_permit(&call, CREATED))
		return -1;
	if (!api_enum_is_valid(tls, N_TLS_POLICIES, "tls"))
		return -1;
	h->config.tls = tls;
	return api_return(&call, 0);
}

int
nbd_get_tls(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.tls);
}

int
nbd_get_tls_negotiated(struct nbd_handle *h)
{
	API_CALL(call, h);

	if (!api_permit(&call, NEGOTIATING | CONNECTED | CLOSED))
		return -1;
	return api_return(&call, h->negotiated.tls);
}

int
nbd_set_tls_verify_peer(struct nbd_handle *h, bool verify)
{
	API_CALL(call, h, "verify=%s", trace_bool(verify));

	if (!api_permit(&call, CREATED))
		return -1;
	h->config.tls_verify_peer = verify;
	return api_return(&call, 0);
}

int
nbd_get_tls_verify_peer(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return(&call, h->config.tls_verify_peer);
}

int
nbd_set_tls_certificates(struct nbd_handle *h, const char *dir)
{
	API_CALL(call, h, "dir=%s", trace_string(&call.trace, dir));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(dir))
		return -1;
	if (string_replace(&h->config.tls_certificates, dir) < 0)
		return fail(errno, "strdup");
	return api_return(&call, 0);
}

int
nbd_set_tls_username(struct nbd_handle *h, const char *username)
{
	API_CALL(call, h, "username=%s", trace_string(&call.trace, username));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(username))
		return -1;
	if (string_replace(&h->config.tls_username, username) < 0)
		return fail(errno, "strdup");
	return api_return(&call, 0);
}

char *
nbd_get_tls_username(struct nbd_handle *h)
{
	API_CALL(call, h);
	char buffer[TLS_USERNAME_SIZE];

	return api_return_copy(&call, tls_username(h, buffer, sizeof(buffer)));
}

int
nbd_set_tls_hostname(struct nbd_handle *h, const char *hostname)
{
	API_CALL(call, h, "hostname=%s", trace_string(&call.trace, hostname));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(hostname))
		return -1;
	if (string_replace(&h->config.tls_hostname, hostname) < 0)
		return fail(errno, "strdup");
	return api_return(&call, 0);
}

char *
nbd_get_tls_hostname(struct nbd_handle *h)
{
	API_CALL(call, h);

	return api_return_copy(&call, tls_hostname(h));
}

int
nbd_set_tls_psk_file(struct nbd_handle *h, const char *filename)
{
	API_CALL(call, h, "filename=%s", trace_string(&call.trace, filename));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(filename))
		return -1;
	if (string_replace(&h->config.tls_psk_file, filename) < 0)
		return fail(errno, "strdup");
	return api_return(&call, 0);
}

int
nbd_set_tls_priority(struct nbd_handle *h, const char *priority)
{
	API_CALL(call, h, "priority=%s", trace_string(&call.trace, priority));

	if (!api_permit(&call, CREATED))
		return -1;
	if (!API_GIVEN(priority))
		return -1;
	if (string_replace(&h->config.tls_priority, priority) < 0)
		return fail(errno, "strdup");
	return api_return(&call, 0);
}

char *
nbd_get_tls_priority(struct nbd_handle *h)
{
	API_CALL(call, h);
	const char *priority = h->config.tls_priority;

	return api_return_copy(&call,
			       priority ? priority : TLS_DEFAULT_PRIORITY);
}
