/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading credentials. Which files there are is looked at first, so that one
 * that is missing is no error of GnuTLS's but a sentence with its path.
 */
#include "client-lib/stream/tls_credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client-lib/base/error.h"
#include "common/cleanup.h"

static const char system_directory[] = "/etc/pki/libnbd";

static char *
path_of(const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		return fail_null(ENOMEM, "path of %s", name);
	return path;
}

static bool
is_readable(const char *path)
{
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

static int
load_authorities(struct tls_credentials *credentials, const char *path)
{
	int n = gnutls_certificate_set_x509_trust_file(
		credentials->certificates, path, GNUTLS_X509_FMT_PEM);

	if (n < 0)
		return fail(0, "gnutls_certificate_set_x509_trust_file: %s: %s",
			    path, gnutls_strerror(n));
	if (n == 0)
		return fail(EINVAL, "%s: there is no certificate in this file",
			    path);
	return 0;
}

static int
load_revocations(struct tls_credentials *credentials, const char *directory)
{
	CLEANUP_FREE char *path = path_of(directory, "ca-crl.pem");
	int n;

	if (!path)
		return -1;
	/* A list that is there but cannot be read must not be passed over:
	 * what it revokes would be trusted. */
	if (access(path, F_OK) == -1)
		return errno == ENOENT
			       ? 0
			       : fail(errno, "TLS certificates: %s", path);
	if (!is_readable(path))
		return fail(errno, "TLS certificates: %s", path);
	n = gnutls_certificate_set_x509_crl_file(credentials->certificates,
						 path, GNUTLS_X509_FMT_PEM);
	if (n < 0)
		return fail(0, "gnutls_certificate_set_x509_crl_file: %s: %s",
			    path, gnutls_strerror(n));
	return 0;
}

/* The client's certificate number N, or that without a number if N is -1:
 * 1 loaded, 0 there is none, -1 with the error recorded. */
static int
load_certificate(struct tls_credentials *credentials, const char *directory,
		 int n, const char *passphrase, struct debug_sink *debug)
{
	char suffix[16] = "";
	CLEANUP_FREE char *certificate = NULL;
	CLEANUP_FREE char *key = NULL;
	int error;

	if (n >= 0)
		snprintf(suffix, sizeof(suffix), "-%d", n);
	if (asprintf(&certificate, "%s/client-cert%s.pem", directory, suffix) <
		    0 ||
	    asprintf(&key, "%s/client-key%s.pem", directory, suffix) < 0)
		return fail(ENOMEM, "path of a client certificate");
	if (!is_readable(certificate))
		return 0;
	if (!is_readable(key)) {
		debug_log(debug, "%s is not used: %s: %s", certificate, key,
			  strerror(errno));
		return 0;
	}
	error = gnutls_certificate_set_x509_key_file2(
		credentials->certificates, certificate, key,
		GNUTLS_X509_FMT_PEM, passphrase, 0);
	if (error < 0)
		return fail(0,
			    "gnutls_certificate_set_x509_key_file2: %s, %s: %s",
			    certificate, key, gnutls_strerror(error));
	debug_log(debug, "using client certificate %s", certificate);
	return 1;
}

static int
load_client_certificates(struct tls_credentials *credentials,
			 const char *directory, const char *passphrase,
			 struct debug_sink *debug)
{
	int result = load_certificate(credentials, directory, -1, passphrase,
				      debug);

	for (int n = 0; result >= 0; n++) {
		result = load_certificate(credentials, directory, n, passphrase,
					  debug);
		if (result == 0)
			return 0;
	}
	return -1;
}

/* 1 loaded, 0 the directory has no authorities, -1 with the error recorded. */
static int
load_directory(struct tls_credentials *credentials, const char *directory,
	       const char *passphrase, struct debug_sink *debug)
{
	CLEANUP_FREE char *authorities = path_of(directory, "ca-cert.pem");

	if (!authorities)
		return -1;
	if (!is_readable(authorities)) {
		int errnum = errno;

		debug_log(debug, "%s: %s", authorities, strerror(errnum));
		errno = errnum;
		return 0;
	}
	debug_log(debug, "using the certificates in %s", directory);
	if (load_authorities(credentials, authorities) == -1 ||
	    load_revocations(credentials, directory) == -1 ||
	    load_client_certificates(credentials, directory, passphrase,
				     debug) == -1)
		return -1;
	return 1;
}

/* The places where certificates are looked for when nobody says where. */
static int
load_default_directories(struct tls_credentials *credentials,
			 const char *passphrase, struct debug_sink *debug)
{
	static const char *const below_home[] = { "/.pki/libnbd",
						  "/.config/pki/libnbd" };
	const char *home = geteuid() != 0 ? secure_getenv("HOME") : NULL;
	int result = 0;

	if (!home)
		return load_directory(credentials, system_directory, passphrase,
				      debug);
	for (size_t i = 0; i < 2 && result == 0; i++) {
		CLEANUP_FREE char *directory = NULL;

		if (asprintf(&directory, "%s%s", home, below_home[i]) < 0)
			return fail(ENOMEM, "path of the certificates");
		result = load_directory(credentials, directory, passphrase,
					debug);
	}
	return result;
}

int
tls_credentials_trust_system(struct tls_credentials *credentials,
			     struct debug_sink *debug)
{
	int n = gnutls_certificate_set_x509_system_trust(
		credentials->certificates);

	if (n < 0)
		return fail(0, "gnutls_certificate_set_x509_system_trust: %s",
			    gnutls_strerror(n));
	debug_log(debug, "trusting %d authorities of the system", n);
	return 0;
}

int
tls_credentials_load_certificates(struct tls_credentials *credentials,
				  const char *directory, const char *passphrase,
				  struct debug_sink *debug)
{
	int error = gnutls_certificate_allocate_credentials(
		&credentials->certificates);
	int result;

	if (error < 0)
		return fail(0, "gnutls_certificate_allocate_credentials: %s",
			    gnutls_strerror(error));
	if (directory) {
		result = load_directory(credentials, directory, passphrase,
					debug);
		if (result == 0)
			return fail(errno,
				    "TLS certificates: %s/ca-cert.pem, which "
				    "says whom to trust, cannot be read",
				    directory);
		return result < 0 ? -1 : 0;
	}
	result = load_default_directories(credentials, passphrase, debug);
	if (result == 0)
		return tls_credentials_trust_system(credentials, debug);
	return result < 0 ? -1 : 0;
}

/* The key on LINE if it is USERNAME's, else NULL. */
static char *
key_on_line(char *line, const char *username)
{
	size_t length = strlen(username);

	if (strncmp(line, username, length) != 0 || line[length] != ':')
		return NULL;
	line += length + 1;
	line[strcspn(line, "\r\n")] = '\0';
	return line[0] ? line : NULL;
}

static int
set_psk(struct tls_credentials *credentials, const char *file,
	const char *username, char *key)
{
	const gnutls_datum_t datum = {
		.data = (unsigned char *)key,
		.size = (unsigned)strlen(key),
	};
	int error = gnutls_psk_set_client_credentials(
		credentials->psk, username, &datum, GNUTLS_PSK_KEY_HEX);

	if (error < 0)
		return fail(0,
			    "gnutls_psk_set_client_credentials: the key of %s "
			    "in %s: %s",
			    username, file, gnutls_strerror(error));
	return 0;
}

static int
find_psk(struct tls_credentials *credentials, const char *path, FILE *file,
	 const char *username)
{
	char *line = NULL;
	size_t size = 0;
	int result = 1;

	while (result == 1 && getline(&line, &size, file) >= 0) {
		char *key = key_on_line(line, username);

		if (key)
			result = set_psk(credentials, path, username, key);
	}
	if (result == 1 && ferror(file))
		result = fail(errno, "TLS PSK file: %s", path);
	if (result == 1)
		result = fail(EINVAL,
			      "TLS PSK file: %s has no key for the user '%s'",
			      path, username);
	/* Keys do not stay in memory that somebody else will be given. */
	if (line)
		explicit_bzero(line, size);
	free(line);
	return result;
}

static void
warn_of_readers(const char *path, FILE *file, struct debug_sink *debug)
{
	struct stat status;

	if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
	    (status.st_mode & (S_IRWXG | S_IRWXO)))
		debug_log(debug,
			  "TLS PSK file: %s can be used by others than its "
			  "owner (mode %04o)",
			  path, status.st_mode & 07777);
}

int
tls_credentials_load_psk(struct tls_credentials *credentials, const char *path,
			 const char *username, struct debug_sink *debug)
{
	char buffer[BUFSIZ];
	int error = gnutls_psk_allocate_client_credentials(&credentials->psk);
	FILE *file;
	int result;

	if (error < 0)
		return fail(0, "gnutls_psk_allocate_client_credentials: %s",
			    gnutls_strerror(error));
	file = fopen(path, "re");
	if (!file)
		return fail(errno, "TLS PSK file: %s", path);
	setvbuf(file, buffer, _IOFBF, sizeof(buffer));
	warn_of_readers(path, file, debug);
	result = find_psk(credentials, path, file, username);
	fclose(file);
	explicit_bzero(buffer, sizeof(buffer));
	return result;
}

void
tls_credentials_done(struct tls_credentials *credentials)
{
	if (credentials->certificates)
		gnutls_certificate_free_credentials(credentials->certificates);
	if (credentials->psk)
		gnutls_psk_free_client_credentials(credentials->psk);
	*credentials = (struct tls_credentials){ 0 };
}
