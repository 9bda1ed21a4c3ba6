/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Endpoints, and what of them the library is told. */
#include "daemon/core/endpoint.h"

#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"

static int
copy_tls(struct tls_settings *to, const struct tls_settings *from)
{
	to->policy = from->policy;
	to->verify_peer = from->verify_peer;
	if (string_replace(&to->certificates, from->certificates) < 0 ||
	    string_replace(&to->psk_file, from->psk_file) < 0 ||
	    string_replace(&to->username, from->username) < 0)
		return -1;
	return 0;
}

static struct endpoint *
endpoint_new(const char *uri)
{
	struct endpoint *endpoint = calloc(1, sizeof(*endpoint));

	if (!endpoint)
		return NULL;
	endpoint->references = 1;
	endpoint->tls.verify_peer = true;
	endpoint->transports = LIBNBD_ALLOW_TRANSPORT_TCP |
			       LIBNBD_ALLOW_TRANSPORT_UNIX |
			       LIBNBD_ALLOW_TRANSPORT_VSOCK;
	if (string_replace(&endpoint->uri, uri) < 0) {
		endpoint_unref(endpoint);
		return NULL;
	}
	return endpoint;
}

struct endpoint *
endpoint_new_configured(const char *uri, const struct tls_settings *tls)
{
	struct endpoint *endpoint = endpoint_new(uri);

	if (!endpoint)
		return NULL;
	endpoint->may_name_files = true;
	if (copy_tls(&endpoint->tls, tls) < 0) {
		endpoint_unref(endpoint);
		return NULL;
	}
	return endpoint;
}

struct endpoint *
endpoint_new_ad_hoc(const char *uri, uint32_t transports)
{
	struct endpoint *endpoint = endpoint_new(uri);

	if (endpoint)
		endpoint->transports = transports;
	return endpoint;
}

struct endpoint *
endpoint_new_socket(const char *path)
{
	CLEANUP_FREE char *uri = NULL;
	struct endpoint *endpoint;

	if (asprintf(&uri, "nbd+unix:///?socket=%s", path) < 0) {
		uri = NULL;
		return NULL;
	}
	endpoint = endpoint_new(uri);
	if (endpoint && string_replace(&endpoint->socket_path, path) < 0) {
		endpoint_unref(endpoint);
		return NULL;
	}
	return endpoint;
}

struct endpoint *
endpoint_ref(struct endpoint *endpoint)
{
	endpoint->references++;
	return endpoint;
}

void
endpoint_unref(struct endpoint *endpoint)
{
	if (!endpoint || --endpoint->references > 0)
		return;
	free(endpoint->uri);
	free(endpoint->socket_path);
	free(endpoint->tls.certificates);
	free(endpoint->tls.psk_file);
	free(endpoint->tls.username);
	free(endpoint);
}

bool
endpoint_needs_lookup(const struct endpoint *endpoint)
{
	return strncasecmp(endpoint->uri, "nbd://", 6) == 0 ||
	       strncasecmp(endpoint->uri, "nbds://", 7) == 0;
}

static int
prepare_tls(const struct tls_settings *tls, struct nbd_handle *nbd)
{
	static const int policies[] = {
		[TLS_OFF] = LIBNBD_TLS_DISABLE,
		[TLS_ALLOW] = LIBNBD_TLS_ALLOW,
		[TLS_REQUIRE] = LIBNBD_TLS_REQUIRE,
	};

	if (tls->policy != TLS_BY_URI &&
	    nbd_set_tls(nbd, policies[tls->policy]) < 0)
		return -1;
	if (tls->certificates &&
	    nbd_set_tls_certificates(nbd, tls->certificates) < 0)
		return -1;
	if (tls->psk_file && nbd_set_tls_psk_file(nbd, tls->psk_file) < 0)
		return -1;
	if (tls->username && nbd_set_tls_username(nbd, tls->username) < 0)
		return -1;
	/* Verification is on unless it is turned off. */
	return tls->verify_peer ? 0 : nbd_set_tls_verify_peer(nbd, false);
}

int
endpoint_prepare(const struct endpoint *endpoint, struct nbd_handle *nbd)
{
	if (nbd_set_opt_mode(nbd, true) < 0 ||
	    nbd_set_full_info(nbd, true) < 0 ||
	    nbd_set_pread_initialize(nbd, false) < 0 ||
	    nbd_set_uri_allow_transports(nbd, endpoint->transports) < 0 ||
	    nbd_set_uri_allow_local_file(nbd, endpoint->may_name_files) < 0)
		return -1;
	return prepare_tls(&endpoint->tls, nbd);
}

int
endpoint_connect(const struct endpoint *endpoint, struct nbd_handle *nbd)
{
	if (endpoint->socket_path)
		return nbd_aio_connect_unix(nbd, endpoint->socket_path);
	return nbd_aio_connect_uri(nbd, endpoint->uri);
}
