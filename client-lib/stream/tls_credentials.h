/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the client has to show and what it trusts: certificates in a
 * directory, or a key that both sides know.
 */
#pragma once

#include <gnutls/gnutls.h>

#include "client-lib/base/debug.h"
#include "client-lib/stream/tls_memory.h"

/* One of the two is set. */
struct tls_credentials {
	gnutls_certificate_credentials_t certificates;
	gnutls_psk_client_credentials_t psk;
};

/*
 * Reads ca-cert.pem, and if they are there ca-crl.pem, client-cert.pem with
 * client-key.pem and client-cert-N.pem with client-key-N.pem, N counting from
 * 0 to the first gap, from DIRECTORY. NULL means the first of the user's and
 * the system's directories that has a ca-cert.pem and, if none has, the
 * authorities that the system trusts. PASSPHRASE is that of the keys, NULL if
 * they have none. 0, or -1 with the error recorded.
 */
int tls_credentials_load_certificates(struct tls_credentials *credentials,
				      const char *directory,
				      const char *passphrase,
				      struct debug_sink *debug);

/* Takes the key of USERNAME from FILE, which has lines "user:hexadecimal
 * key". 0, or -1 with the error recorded. */
int tls_credentials_load_psk(struct tls_credentials *credentials,
			     const char *file, const char *username,
			     struct debug_sink *debug);

/* The same from MEMORY alone; without authorities there the system's are
 * trusted. 0, or -1 with the error recorded. */
int tls_credentials_take_certificates(struct tls_credentials *credentials,
				      const struct tls_memory *memory,
				      struct debug_sink *debug);
int tls_credentials_take_psk(struct tls_credentials *credentials,
			     const struct tls_blob *key, const char *username);

/* The authorities that the system trusts, for credentials that are allocated.
 * 0, or -1 with the error recorded. */
int tls_credentials_trust_system(struct tls_credentials *credentials,
				 struct debug_sink *debug);

/* Zeroes are fine. The sessions that use them have ended. */
void tls_credentials_done(struct tls_credentials *credentials);
