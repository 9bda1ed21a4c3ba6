/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings of TLS. They can be made in every build; without TLS only
 * switching it on fails.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>
#include <unistd.h>

#include "client-lib/api/guard.h"
#include "common/strings.h"

enum {
	N_TLS_POLICIES = LIBNBD_TLS_REQUIRE + 1,
	LOGIN_NAME_SIZE = 256,
};

/* What GnuTLS itself starts from. */
static const char default_priority[] = "NORMAL";

int
nbd_set_tls(struct nbd_handle *h, int tls)
{
	API_CALL(call, h, "tls=%d", tls);

	if (!api_permit(&call, CREATED))
		return -1;
	if (!api_enum_is_valid(tls, N_TLS_POLICIES, "tls"))
		return -1;
	if (tls != LIBNBD_TLS_DISABLE)
		return fail(ENOTSUP, "this libnbd was built without TLS");
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

/* The user's own setting, else who the process runs for. */
static const char *
effective_username(const struct nbd_handle *h, char *buffer, size_t size)
{
	const char *username = h->config.tls_username;
	int errnum;

	if (!username)
		username = getenv("LOGNAME");
	if (username)
		return username;
	errnum = getlogin_r(buffer, size);
	if (errnum)
		return fail_null(errnum, "getlogin: no TLS username is set and "
					 "LOGNAME is not in the environment");
	return buffer;
}

char *
nbd_get_tls_username(struct nbd_handle *h)
{
	API_CALL(call, h);
	char buffer[LOGIN_NAME_SIZE];

	return api_return_copy(&call,
			       effective_username(h, buffer, sizeof(buffer)));
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
	const char *hostname = h->config.tls_hostname;

	/* Without a setting the name we connected to is expected. */
	if (!hostname || !*hostname)
		hostname = config_string(h->connect.host);
	return api_return_copy(&call, hostname);
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

	return api_return_copy(&call, priority ? priority : default_priority);
}
