/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Credentials from memory. They are copied, never traced, and looked into
 * only when a handshake needs them, like the files that they stand for.
 */
#include <errno.h>
#include <libnbd-ext.h>
#include <limits.h>
#include <string.h>

#include "client-lib/api/guard.h"

/* Is SIZE one that GnuTLS takes? If not, EINVAL is recorded. */
static bool
size_is_valid(const void *bytes, size_t size, const char *name)
{
	if (!bytes || (size > 0 && size < INT_MAX))
		return true;
	fail(EINVAL, "%s: %zu bytes cannot be right", name, size);
	return false;
}

static int
set_blob(const struct api_call *call, struct tls_blob *blob, const void *bytes,
	 size_t size, const char *name)
{
	if (!api_permit(call, CREATED) || !size_is_valid(bytes, size, name))
		return -1;
	if (tls_blob_set(blob, bytes, size) < 0)
		return fail(ENOMEM, "%s: copying %zu bytes", name, size);
	return 0;
}

int
nbd_ext_set_tls_authorities(struct nbd_handle *h, const void *pem, size_t size)
{
	API_CALL(call, h, "pem=<buf> size=%zu", size);

	return api_return(&call,
			  set_blob(&call, &h->config.tls_memory.authorities,
				   pem, size, "pem"));
}

int
nbd_ext_set_tls_revocations(struct nbd_handle *h, const void *pem, size_t size)
{
	API_CALL(call, h, "pem=<buf> size=%zu", size);

	return api_return(&call,
			  set_blob(&call, &h->config.tls_memory.revocations,
				   pem, size, "pem"));
}

int
nbd_ext_set_tls_client_certificate(struct nbd_handle *h,
				   const void *certificate,
				   size_t certificate_size, const void *key,
				   size_t key_size)
{
	API_CALL(call, h,
		 "certificate=<buf> certificate_size=%zu key=<buf> "
		 "key_size=%zu",
		 certificate_size, key_size);

	if (!api_permit(&call, CREATED))
		return -1;
	/* Both or neither. */
	if (key && !API_GIVEN(certificate))
		return -1;
	if (certificate && !API_GIVEN(key))
		return -1;
	if (!size_is_valid(certificate, certificate_size, "certificate") ||
	    !size_is_valid(key, key_size, "key"))
		return -1;
	if (tls_memory_set_client(&h->config.tls_memory, certificate,
				  certificate_size, key, key_size) < 0)
		return fail(ENOMEM, "copying a certificate and its key");
	return api_return(&call, 0);
}

int
nbd_ext_set_tls_passphrase(struct nbd_handle *h, const char *passphrase)
{
	API_CALL(call, h, "passphrase=<secret>");
	struct tls_blob *blob = &h->config.tls_memory.passphrase;

	if (!api_permit(&call, CREATED))
		return -1;
	if (tls_blob_set(blob, passphrase,
			 passphrase ? strlen(passphrase) : 0) < 0)
		return fail(ENOMEM, "copying the passphrase");
	return api_return(&call, 0);
}

int
nbd_ext_set_tls_psk(struct nbd_handle *h, const void *key, size_t size)
{
	API_CALL(call, h, "key=<secret> size=%zu", size);

	return api_return(&call, set_blob(&call, &h->config.tls_memory.psk, key,
					  size, "key"));
}
