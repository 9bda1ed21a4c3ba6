/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates and keys for tests, made by certtool and psktool when a test
 * needs them. Skips the test where these are not installed.
 */
#pragma once

#include <stdbool.h>

/* Makes an authority in DIR: ca-cert.pem and ca-key.pem. NAME is its own. */
void tls_make_authority(const char *dir, const char *name);

/* What a certificate says, in the words of certtool's templates. */
struct tls_certificate {
	const char *authority; /* the directory of who signs it */
	const char *names;     /* lines as "dns_name = localhost\n" */
	const char *purpose;   /* "tls_www_server" or "tls_www_client" */
	const char *begins;    /* "2020-01-01 00:00:00", NULL: now */
	const char *ends;      /* NULL: in ten days */
};

/* Makes DIR/NAME-certSUFFIX.pem and DIR/NAME-keySUFFIX.pem. */
void tls_make_certificate(const char *dir, const char *name, const char *suffix,
			  const struct tls_certificate *certificate);

/* A server's certificate and key, for localhost and 127.0.0.1, in DIR, signed
 * by the authority in the same directory. */
void tls_make_server(const char *dir);

/* A client's, likewise. */
void tls_make_client(const char *dir);

/* Makes DIR/ca-crl.pem, in which the authority in DIR revokes the certificate
 * in the file REVOKED. */
void tls_make_revocation(const char *dir, const char *revoked);

/* Copies DIR/NAME to TO/NAME. */
void tls_copy(const char *dir, const char *name, const char *to);

/* Adds a random key of USER to DIR/keys.psk. The path; the caller frees it. */
char *tls_make_key(const char *dir, const char *user);
