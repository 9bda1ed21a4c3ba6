/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Expecting a certain peer. GnuTLS does the checks during the handshake; here
 * it is told which. A certificate that is good for a client only is no
 * server's: without that rule each client could pose as the server wherever
 * no name is known, as on unix sockets.
 */
#include "client-lib/stream/tls_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/base/error.h"

static const char server_purpose[] = GNUTLS_KP_TLS_WWW_SERVER;

/* Only names go into the server name extension. */
static bool
is_address(const char *name)
{
	struct in6_addr address;

	return strpbrk(name, ":%") != NULL ||
	       inet_pton(AF_INET, name, &address) == 1;
}

static gnutls_typed_vdata_st
check_of(gnutls_vdata_types_t type, const char *text)
{
	/* GnuTLS only reads it, its type cannot say so. */
	union {
		const char *given;
		unsigned char *wanted;
	} cast = { .given = text };

	return (gnutls_typed_vdata_st){
		.type = type,
		.data = cast.wanted,
		.size = (unsigned)strlen(text),
	};
}

static int
send_name(gnutls_session_t session, const char *name)
{
	int error = gnutls_server_name_set(session, GNUTLS_NAME_DNS, name,
					   strlen(name));

	if (error < 0)
		return fail(0, "gnutls_server_name_set: %s: %s", name,
			    gnutls_strerror(error));
	return 0;
}

int
tls_peer_expect(struct tls_peer *peer, gnutls_session_t session,
		const char *hostname, bool verify)
{
	size_t length = strlen(hostname);
	unsigned n_checks = 0;

	/* "name." is an absolute name; certificates have it without the dot. */
	if (length > 1 && hostname[length - 1] == '.')
		length--;
	if (length > 0) {
		peer->name = strndup(hostname, length);
		if (!peer->name)
			return fail(ENOMEM, "copying the host name");
	}
	if (peer->name && !is_address(peer->name) &&
	    send_name(session, peer->name) == -1)
		return -1;
	if (!verify)
		return 0;
	peer->checks[n_checks++] = check_of(GNUTLS_DT_KEY_PURPOSE_OID,
					    server_purpose);
	if (peer->name)
		peer->checks[n_checks++] = check_of(GNUTLS_DT_DNS_HOSTNAME,
						    peer->name);
	gnutls_session_set_verify_cert2(session, peer->checks, n_checks, 0);
	return 0;
}

void
tls_peer_done(struct tls_peer *peer)
{
	free(peer->name);
	peer->name = NULL;
}

void
tls_peer_describe_refusal(gnutls_session_t session, char *text, size_t size)
{
	unsigned status = gnutls_session_get_verify_cert_status(session);
	gnutls_datum_t sentence;
	size_t length;

	text[0] = '\0';
	if (gnutls_certificate_verification_status_print(
		    status, GNUTLS_CRT_X509, &sentence, 0) < 0)
		return;
	length = strlen((const char *)sentence.data);
	while (length > 0 && sentence.data[length - 1] == ' ')
		length--;
	snprintf(text, size, "%.*s", (int)length, (const char *)sentence.data);
	gnutls_free(sentence.data);
}
