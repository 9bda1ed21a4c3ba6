/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Credentials that come from memory: no file and no directory is looked at. */
#include <errno.h>

#include "client-lib/base/error.h"
#include "client-lib/stream/tls_credentials.h"

static gnutls_datum_t
datum_of(const struct tls_blob *blob)
{
	return (gnutls_datum_t){ .data = blob->bytes,
				 .size = (unsigned)blob->size };
}

static int
load_authorities(struct tls_credentials *credentials,
		 const struct tls_memory *memory)
{
	const gnutls_datum_t datum = datum_of(&memory->authorities);
	int n = gnutls_certificate_set_x509_trust_mem(
		credentials->certificates, &datum, GNUTLS_X509_FMT_PEM);

	if (n < 0)
		return fail(0, "gnutls_certificate_set_x509_trust_mem: %s",
			    gnutls_strerror(n));
	if (n == 0)
		return fail(EINVAL, "TLS authorities: there is no certificate "
				    "in what was given");
	return 0;
}

static int
load_revocations(struct tls_credentials *credentials,
		 const struct tls_memory *memory)
{
	const gnutls_datum_t datum = datum_of(&memory->revocations);
	int n;

	if (!datum.data)
		return 0;
	n = gnutls_certificate_set_x509_crl_mem(credentials->certificates,
						&datum, GNUTLS_X509_FMT_PEM);
	if (n < 0)
		return fail(0, "gnutls_certificate_set_x509_crl_mem: %s",
			    gnutls_strerror(n));
	/* A list that holds none would revoke nothing. */
	if (n == 0)
		return fail(EINVAL, "TLS revocations: there is no list in what "
				    "was given");
	return 0;
}

static int
load_client(struct tls_credentials *credentials,
	    const struct tls_memory *memory)
{
	const gnutls_datum_t certificate = datum_of(&memory->certificate);
	const gnutls_datum_t key = datum_of(&memory->key);
	int error;

	if (!certificate.data)
		return 0;
	error = gnutls_certificate_set_x509_key_mem2(
		credentials->certificates, &certificate, &key,
		GNUTLS_X509_FMT_PEM, (const char *)memory->passphrase.bytes, 0);
	if (error < 0)
		return fail(0, "gnutls_certificate_set_x509_key_mem2: %s",
			    gnutls_strerror(error));
	return 0;
}

int
tls_credentials_take_certificates(struct tls_credentials *credentials,
				  const struct tls_memory *memory,
				  struct debug_sink *debug)
{
	int error = gnutls_certificate_allocate_credentials(
		&credentials->certificates);

	if (error < 0)
		return fail(0, "gnutls_certificate_allocate_credentials: %s",
			    gnutls_strerror(error));
	if (memory->authorities.bytes) {
		if (load_authorities(credentials, memory) == -1)
			return -1;
	} else if (tls_credentials_trust_system(credentials, debug) == -1) {
		return -1;
	}
	if (load_revocations(credentials, memory) == -1)
		return -1;
	return load_client(credentials, memory);
}

int
tls_credentials_take_psk(struct tls_credentials *credentials,
			 const struct tls_blob *key, const char *username)
{
	const gnutls_datum_t datum = datum_of(key);
	int error = gnutls_psk_allocate_client_credentials(&credentials->psk);

	if (error < 0)
		return fail(0, "gnutls_psk_allocate_client_credentials: %s",
			    gnutls_strerror(error));
	error = gnutls_psk_set_client_credentials(credentials->psk, username,
						  &datum, GNUTLS_PSK_KEY_RAW);
	if (error < 0)
		return fail(0, "gnutls_psk_set_client_credentials: %s",
			    gnutls_strerror(error));
	return 0;
}
