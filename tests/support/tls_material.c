/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates and keys, by way of GnuTLS's own tools. */
#include "tests/support/tls_material.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"
#include "tests/support/workdir.h"

/* The tools talk a lot; their words count only when they fail. */
static void
run_tool(const char *dir, const char *const arguments[])
{
	static const char script[] = "\"$@\" >tool.log 2>&1 || "
				     "{ cat tool.log >&2; exit 1; }";
	const char *argv[32] = { "env", "-C", dir, "sh", "-c", script, "sh" };
	size_t n = 7;

	test_require_program(arguments[0]);
	while (*arguments && n < sizeof(argv) / sizeof(argv[0]) - 1)
		argv[n++] = *arguments++;
	if (*arguments || !process_run(argv))
		test_broken("%s failed", argv[7]);
}

#define RUN_TOOL(dir, ...) \
	run_tool((dir), (const char *const[]){ __VA_ARGS__, NULL })

/* Elliptic curves, because such keys are made in no time. */
static void
make_private_key(const char *dir, const char *name)
{
	RUN_TOOL(dir, "certtool", "--generate-privkey", "--key-type=ecdsa",
		 "--outfile", name);
}

static void
make_template(const char *dir, const char *text)
{
	free(workdir_text_file(dir, "template", text));
}

void
tls_make_authority(const char *dir, const char *name)
{
	CLEANUP_FREE char *text = NULL;

	if (asprintf(&text,
		     "cn = \"%s\"\nca\ncert_signing_key\ncrl_signing_key\n"
		     "expiration_days = 10\n",
		     name) < 0)
		test_broken("out of memory");
	make_template(dir, text);
	make_private_key(dir, "ca-key.pem");
	RUN_TOOL(dir, "certtool", "--generate-self-signed", "--load-privkey",
		 "ca-key.pem", "--template", "template", "--outfile",
		 "ca-cert.pem");
}

/* The dates of a certificate as lines of its template. */
static char *
dates_of(const struct tls_certificate *certificate)
{
	char *text;

	if (asprintf(&text, "%s%s%s%s%s%s",
		     certificate->begins ? "activation_date = \"" : "",
		     certificate->begins ? certificate->begins : "",
		     certificate->begins ? "\"\n" : "",
		     certificate->ends ? "expiration_date = \"" : "",
		     certificate->ends ? certificate->ends
				       : "expiration_days = 10",
		     certificate->ends ? "\"\n" : "\n") < 0)
		test_broken("out of memory");
	return text;
}

void
tls_make_certificate(const char *dir, const char *name, const char *suffix,
		     const struct tls_certificate *certificate)
{
	CLEANUP_FREE char *dates = dates_of(certificate);
	CLEANUP_FREE char *key = NULL;
	CLEANUP_FREE char *file = NULL;
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FREE char *ca = workdir_path(certificate->authority,
					     "ca-cert.pem");
	CLEANUP_FREE char *ca_key = workdir_path(certificate->authority,
						 "ca-key.pem");

	if (asprintf(&key, "%s-key%s.pem", name, suffix) < 0 ||
	    asprintf(&file, "%s-cert%s.pem", name, suffix) < 0 ||
	    asprintf(&text,
		     "cn = \"test %s\"\n%s%s\nsigning_key\nencryption_key\n%s",
		     name, certificate->names ? certificate->names : "",
		     certificate->purpose, dates) < 0)
		test_broken("out of memory");
	make_template(dir, text);
	make_private_key(dir, key);
	RUN_TOOL(dir, "certtool", "--generate-certificate",
		 "--load-ca-certificate", ca, "--load-ca-privkey", ca_key,
		 "--load-privkey", key, "--template", "template", "--outfile",
		 file);
}

void
tls_make_server(const char *dir)
{
	const struct tls_certificate certificate = {
		.authority = dir,
		.names = "dns_name = localhost\nip_address = 127.0.0.1\n",
		.purpose = "tls_www_server",
	};

	tls_make_certificate(dir, "server", "", &certificate);
}

void
tls_make_client(const char *dir)
{
	const struct tls_certificate certificate = {
		.authority = dir,
		.purpose = "tls_www_client",
	};

	tls_make_certificate(dir, "client", "", &certificate);
}

void
tls_make_revocation(const char *dir, const char *revoked)
{
	make_template(dir, "crl_next_update = 10\ncrl_number = 1\n");
	RUN_TOOL(dir, "certtool", "--generate-crl", "--load-ca-certificate",
		 "ca-cert.pem", "--load-ca-privkey", "ca-key.pem",
		 "--load-certificate", revoked, "--template", "template",
		 "--outfile", "ca-crl.pem");
}

void
tls_copy(const char *dir, const char *name, const char *to)
{
	RUN_TOOL(dir, "cp", name, to);
}

char *
tls_make_key(const char *dir, const char *user)
{
	RUN_TOOL(dir, "psktool", "-u", user, "-p", "keys.psk");
	return workdir_path(dir, "keys.psk");
}
