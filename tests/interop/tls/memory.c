/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Credentials from memory: what counts is in the program's hands, and what is
 * in the files that stand beside it does not.
 */
#include <libnbd-ext.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/interop/tls/parties.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"
#include "tests/support/tls_material.h"
#include "tests/support/workdir.h"

#define WITH_CERTIFICATES(party) "--tls=require --tls-certificates=DIR/" party
#define WITH_KEYS                "--tls=require --tls-psk=DIR/keys.psk"
#define PASSPHRASE               "a word or two"

struct bytes {
	char *bytes;
	size_t size;
};

static void
bytes_done(struct bytes *bytes)
{
	free(bytes->bytes);
}

#define CLEANUP_BYTES __attribute__((cleanup(bytes_done)))

static struct bytes
read_file(const char *dir, const char *name)
{
	CLEANUP_FREE char *path = workdir_path(dir, name);
	struct bytes bytes = { .bytes = malloc(65536) };
	FILE *file = fopen(path, "re");

	if (!file || !bytes.bytes)
		test_broken("cannot read %s", path);
	bytes.size = fread(bytes.bytes, 1, 65536, file);
	fclose(file);
	return bytes;
}

/* A handle that requires TLS and trusts the authority in DIR. */
static struct nbd_handle *
trusting(const char *dir)
{
	CLEANUP_BYTES struct bytes pem = read_file(dir, "ca-cert.pem");
	struct nbd_handle *h = nbd_create();

	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_REQUIRE));
	assert_nbd_ok(nbd_ext_set_tls_authorities(h, pem.bytes, pem.size));
	/* It was copied. */
	memset(pem.bytes, 0, pem.size);
	return h;
}

static void
show(struct nbd_handle *h, const char *dir, const char *key_name)
{
	CLEANUP_BYTES struct bytes certificate = read_file(dir,
							   "client-cert.pem");
	CLEANUP_BYTES struct bytes key = read_file(dir, key_name);

	assert_nbd_ok(nbd_ext_set_tls_client_certificate(
		h, certificate.bytes, certificate.size, key.bytes, key.size));
}

static void
authorities_from_memory_decide(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h;

	parties_serve(parties, &server, SERVER_TCP, WITH_CERTIFICATES("good"));
	parties_expect_success(trusting(parties->good), &server);
	parties_expect_failure(trusting(parties->other), &server, 0,
			       "gnutls_handshake: ");
	/* The directory is not looked at. */
	h = trusting(parties->other);
	assert_nbd_ok(nbd_set_tls_certificates(h, parties->good));
	parties_expect_failure(h, &server, 0, "gnutls_handshake: ");
	/* Unless there is nothing in memory any more. */
	h = trusting(parties->other);
	assert_nbd_ok(nbd_ext_set_tls_authorities(h, NULL, 0));
	assert_nbd_ok(nbd_set_tls_certificates(h, parties->good));
	parties_expect_success(h, &server);
}

static void
nonsense_is_no_authority(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = nbd_create();

	parties_serve(parties, &server, SERVER_TCP, WITH_CERTIFICATES("good"));
	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_REQUIRE));
	assert_nbd_errno(nbd_ext_set_tls_authorities(h, "x", 0), EINVAL);
	assert_nbd_ok(nbd_ext_set_tls_authorities(h, "nonsense", 8));
	parties_expect_failure(h, &server, -1, "authorities");
}

static int
note(void *user_data, const char *context, const char *message)
{
	(void)context;
	string_builder_append(user_data, message);
	return 0;
}

static void
nothing_secret_is_traced(void **state)
{
	struct string_builder notes = STRING_BUILDER_INIT;
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_nbd_ok(nbd_set_debug_callback(
		h,
		(nbd_debug_callback){ .callback = note, .user_data = &notes }));
	assert_nbd_ok(nbd_set_debug(h, true));
	assert_nbd_ok(
		nbd_ext_set_tls_client_certificate(h, "seen1", 5, "seen2", 5));
	assert_nbd_ok(nbd_ext_set_tls_passphrase(h, "seen3"));
	assert_nbd_ok(nbd_ext_set_tls_psk(h, "seen4", 5));
	assert_nbd_ok(nbd_clear_debug_callback(h));
	assert_non_null(strstr(notes.text, "key=<secret> size=5"));
	assert_null(strstr(notes.text, "seen"));
	string_builder_done(&notes);
	nbd_close(h);
}

static void
revoked_certificates_are_refused(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_BYTES struct bytes crl = read_file(parties->revoking,
						   "ca-crl.pem");
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = trusting(parties->good);

	parties_serve(parties, &server, SERVER_TCP, WITH_CERTIFICATES("good"));
	assert_nbd_ok(nbd_ext_set_tls_revocations(h, crl.bytes, crl.size));
	parties_expect_failure(h, &server, 0, "gnutls_handshake: ");
}

static void
a_server_that_asks_is_shown_the_certificate(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h;

	parties_serve(parties, &server, SERVER_TCP,
		      WITH_CERTIFICATES("good") " --tls-verify-peer");
	parties_expect_failure(trusting(parties->good), &server, -1, NULL);
	h = trusting(parties->good);
	show(h, parties->good, "client-key.pem");
	parties_expect_success(h, &server);
	h = trusting(parties->good);
	show(h, parties->other, "client-key.pem");
	parties_expect_failure(h, &server, -1, NULL);
	h = nbd_create();
	assert_nbd_errno(nbd_ext_set_tls_client_certificate(h, "x", 1, NULL, 0),
			 EFAULT);
	assert_nbd_errno(nbd_ext_set_tls_client_certificate(h, NULL, 0, "x", 1),
			 EFAULT);
	assert_nbd_ok(nbd_ext_set_tls_client_certificate(h, NULL, 0, NULL, 0));
	nbd_close(h);
}

/* DIR/client-key.pem under the passphrase, as DIR/NAME. */
static void
encrypt_key(const char *dir, const char *name)
{
	CLEANUP_FREE char *plain = workdir_path(dir, "client-key.pem");
	CLEANUP_FREE char *encrypted = workdir_path(dir, name);

	test_require_program("certtool");
	if (!process_run((const char *const[]){
		    "certtool", "--to-p8", "--pkcs-cipher", "aes-256",
		    "--password", PASSPHRASE, "--load-privkey", plain,
		    "--outfile", encrypted, NULL }))
		test_broken("certtool cannot encrypt %s", plain);
}

static void
a_key_may_need_a_passphrase(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *key = workdir_path(dir, "client-key.pem");
	CLEANUP_FREE char *copied = workdir_path(dir, "encrypted-key.pem");
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h;

	encrypt_key(parties->good, "encrypted-key.pem");
	parties_serve(parties, &server, SERVER_TCP,
		      WITH_CERTIFICATES("good") " --tls-verify-peer");
	h = trusting(parties->good);
	show(h, parties->good, "encrypted-key.pem");
	assert_nbd_ok(nbd_ext_set_tls_passphrase(h, PASSPHRASE));
	parties_expect_success(h, &server);
	h = trusting(parties->good);
	show(h, parties->good, "encrypted-key.pem");
	assert_nbd_ok(nbd_ext_set_tls_passphrase(h, "wrong"));
	parties_expect_failure(h, &server, -1, NULL);
	h = trusting(parties->good);
	show(h, parties->good, "encrypted-key.pem");
	assert_nbd_ok(nbd_ext_set_tls_passphrase(h, PASSPHRASE));
	assert_nbd_ok(nbd_ext_set_tls_passphrase(h, NULL));
	parties_expect_failure(h, &server, -1, NULL);

	/* A key that needs none is read with one, too. */
	h = trusting(parties->good);
	show(h, parties->good, "client-key.pem");
	assert_nbd_ok(nbd_ext_set_tls_passphrase(h, PASSPHRASE));
	parties_expect_success(h, &server);

	/* The same key in a directory. */
	tls_copy(parties->good, "ca-cert.pem", dir);
	tls_copy(parties->good, "client-cert.pem", dir);
	tls_copy(parties->good, "encrypted-key.pem", dir);
	assert_int_equal(rename(copied, key), 0);
	h = parties_client(dir);
	assert_nbd_ok(nbd_ext_set_tls_passphrase(h, PASSPHRASE));
	parties_expect_success(h, &server);
	parties_expect_failure(parties_client(dir), &server, -1, NULL);
}

static unsigned
digit(char c)
{
	return (unsigned)(isdigit((unsigned char)c)
				  ? c - '0'
				  : tolower((unsigned char)c) - 'a' + 10);
}

static void
a_shared_key_is_bytes(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_BYTES struct bytes file = read_file(parties->dir, "keys.psk");
	CLEANUP_SERVER struct server server;
	const char *hex = strstr(file.bytes, "alice:");
	unsigned char key[256];
	size_t size = 0;
	struct nbd_handle *h;

	assert_non_null(hex);
	for (hex += strlen("alice:"); isxdigit((unsigned char)*hex); hex += 2)
		key[size++] = (unsigned char)(digit(hex[0]) << 4 |
					      digit(hex[1]));
	parties_serve(parties, &server, SERVER_TCP, WITH_KEYS);
	/* In memory it counts more than in a file. */
	h = parties_user("/no/such/file", "alice");
	assert_nbd_ok(nbd_ext_set_tls_psk(h, key, size));
	parties_expect_success(h, &server);
	h = parties_user(parties->keys, "alice");
	key[0] ^= 1;
	assert_nbd_ok(nbd_ext_set_tls_psk(h, key, size));
	parties_expect_failure(h, &server, -1, NULL);
	h = parties_user(parties->keys, "alice");
	assert_nbd_ok(nbd_ext_set_tls_psk(h, key, size));
	assert_nbd_ok(nbd_ext_set_tls_psk(h, NULL, 0));
	parties_expect_success(h, &server);
}

static void
credentials_are_set_before_connecting(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = trusting(parties->good);

	parties_serve(parties, &server, SERVER_TCP, WITH_CERTIFICATES("good"));
	assert_nbd_ok(parties_connect(h, &server));
	assert_nbd_errno(nbd_ext_set_tls_authorities(h, NULL, 0), EINVAL);
	assert_nbd_errno(nbd_ext_set_tls_revocations(h, NULL, 0), EINVAL);
	assert_nbd_errno(
		nbd_ext_set_tls_client_certificate(h, NULL, 0, NULL, 0),
		EINVAL);
	assert_nbd_errno(nbd_ext_set_tls_passphrase(h, NULL), EINVAL);
	assert_nbd_errno(nbd_ext_set_tls_psk(h, NULL, 0), EINVAL);
	assert_nbd_ok(nbd_shutdown(h, 0));
	nbd_close(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorities_from_memory_decide),
		cmocka_unit_test(nonsense_is_no_authority),
		cmocka_unit_test(nothing_secret_is_traced),
		cmocka_unit_test(revoked_certificates_are_refused),
		cmocka_unit_test(a_server_that_asks_is_shown_the_certificate),
		cmocka_unit_test(a_key_may_need_a_passphrase),
		cmocka_unit_test(a_shared_key_is_bytes),
		cmocka_unit_test(credentials_are_set_before_connecting),
	};

	fixture_check_library();
	return cmocka_run_group_tests(tests, parties_setup, parties_teardown);
}
