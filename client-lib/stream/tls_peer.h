/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whom we expect at the other end: the name sent to it, and the check of its
 * certificate against that name.
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

struct tls_peer {
	char *name; /* NULL: any that is trusted */
	gnutls_typed_vdata_st checks[2];
};

/* Prepares SESSION to ask for HOSTNAME ("" if none is known), if it is a DNS
 * name, and with VERIFY to check the server's certificate: its chain, that it
 * is a server's, and the name or address in it. The session refers to PEER.
 * 0, or -1 with the error recorded. */
int tls_peer_expect(struct tls_peer *peer, gnutls_session_t session,
		    const char *hostname, bool verify);

void tls_peer_done(struct tls_peer *peer);

/* Why the certificate of SESSION was not accepted, or "". */
void tls_peer_describe_refusal(gnutls_session_t session, char *text,
			       size_t size);
