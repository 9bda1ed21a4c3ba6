/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys and certificates in files, and priority strings. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client-lib/base/error.h"
#include "client-lib/stream/tls_credentials.h"
#include "client-lib/stream/tls_priority.h"
#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/support/tls_material.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

static int
note(void *user_data, const char *context, const char *message)
{
	(void)context;
	string_builder_append(user_data, message);
	string_builder_append(user_data, "\n");
	return 0;
}

/* What loading the key of alice from a file with this TEXT comes to; the
 * debug messages go to *NOTES if wanted. */
static int
load_psk(const char *text, char **notes)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *path = workdir_text_file(dir, "keys", text);
	struct string_builder builder = STRING_BUILDER_INIT;
	struct debug_sink debug = {
		.is_enabled = true,
		.callback = { .callback = note, .user_data = &builder },
	};
	struct tls_credentials credentials = { 0 };
	int result;

	chmod(path, notes ? 0644 : 0600);
	result = tls_credentials_load_psk(&credentials, path, "alice", &debug);
	tls_credentials_done(&credentials);
	if (notes)
		*notes = string_builder_take(&builder);
	string_builder_done(&builder);
	return result;
}

static void
assert_psk_fails(const char *text, int errnum, const char *part)
{
	assert_int_equal(load_psk(text, NULL), -1);
	assert_int_equal(error_last_errno(), errnum);
	assert_non_null(strstr(error_last_text(), part));
}

static void
the_users_line_is_found(void **state)
{
	(void)state;
	assert_int_equal(load_psk("alice:00112233", NULL), 0);
	assert_int_equal(load_psk("alice:00112233\n", NULL), 0);
	assert_int_equal(load_psk("alice:00112233\r\n", NULL), 0);
	assert_int_equal(load_psk("# keys\nbob:1122\nalice:00112233\n", NULL),
			 0);
	/* An empty key is none; the next line counts. */
	assert_int_equal(load_psk("alice:\r\nalice:00112233\n", NULL), 0);
}

static void
no_line_of_the_users_is_einval(void **state)
{
	(void)state;
	assert_psk_fails("", EINVAL, "no key for the user 'alice'");
	assert_psk_fails("alice\n", EINVAL, "alice");
	assert_psk_fails("alice:\n", EINVAL, "alice");
	assert_psk_fails("alice2:00112233\nal:00\n malice:00\n", EINVAL,
			 "alice");
}

static void
a_key_that_is_not_hexadecimal_is_refused(void **state)
{
	(void)state;
	assert_psk_fails("alice:secret\n", 0,
			 "gnutls_psk_set_client_credentials");
}

static void
a_file_that_cannot_be_read_is_named(void **state)
{
	struct debug_sink debug = { .is_enabled = false };
	struct tls_credentials credentials = { 0 };

	(void)state;
	assert_int_equal(tls_credentials_load_psk(&credentials, "/no/such/file",
						  "alice", &debug),
			 -1);
	assert_int_equal(error_last_errno(), ENOENT);
	assert_non_null(strstr(error_last_text(), "/no/such/file"));
	tls_credentials_done(&credentials);
	assert_int_equal(
		tls_credentials_load_psk(&credentials, "/", "alice", &debug),
		-1);
	assert_int_equal(error_last_errno(), EISDIR);
	tls_credentials_done(&credentials);
}

static void
a_key_that_others_can_read_is_noted(void **state)
{
	CLEANUP_FREE char *notes = NULL;

	(void)state;
	assert_int_equal(load_psk("alice:00112233\n", &notes), 0);
	assert_non_null(strstr(notes, "mode 0644"));
	assert_null(strstr(notes, "00112233"));
}

static int
load_certificates(const char *directory)
{
	struct debug_sink debug = { .is_enabled = false };
	struct tls_credentials credentials = { 0 };
	int result = tls_credentials_load_certificates(&credentials, directory,
						       NULL, &debug);

	tls_credentials_done(&credentials);
	return result;
}

/* Row 93 of the catalogue of hostile servers: never another trust store. */
static void
a_directory_that_was_given_must_have_authorities(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *path = NULL;

	(void)state;
	assert_int_equal(load_certificates(dir), -1);
	assert_int_equal(error_last_errno(), ENOENT);
	assert_non_null(strstr(error_last_text(), "ca-cert.pem"));
	path = workdir_text_file(dir, "ca-cert.pem", "no certificate\n");
	assert_int_equal(load_certificates(dir), -1);
	assert_non_null(strstr(error_last_text(), path));
}

static void
without_a_directory_the_system_is_trusted(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();

	(void)state;
	setenv("HOME", dir, 1);
	assert_int_equal(load_certificates(NULL), 0);
}

/* A directory that only its owner could search would hide what is below. */
static char *
make_directory(const char *dir, const char *name)
{
	char *path = workdir_path(dir, name);

	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, 0755), 0);
	return path;
}

/* Loads what is found without being told where; the debug messages. */
static char *
load_from_home(const char *home)
{
	struct string_builder builder = STRING_BUILDER_INIT;
	struct debug_sink debug = {
		.is_enabled = true,
		.callback = { .callback = note, .user_data = &builder },
	};
	struct tls_credentials credentials = { 0 };

	setenv("HOME", home, 1);
	assert_int_equal(tls_credentials_load_certificates(&credentials, NULL,
							   NULL, &debug),
			 0);
	tls_credentials_done(&credentials);
	return string_builder_take(&builder);
}

static void
assert_found_in(const char *home, const char *directory)
{
	CLEANUP_FREE char *notes = load_from_home(home);
	CLEANUP_FREE char *expected = NULL;

	if (asprintf(&expected, "using the certificates in %s\n", directory) <
	    0)
		fail_msg("out of memory");
	if (!strstr(notes, expected))
		fail_msg("no \"%s\" in: %s", expected, notes);
}

/* Root's home is not searched, that of others in two places. */
static void
homes_are_searched_for_certificates(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *config = make_directory(dir, ".config");
	CLEANUP_FREE char *config_pki = make_directory(dir, ".config/pki");
	CLEANUP_FREE char *later = make_directory(dir, ".config/pki/libnbd");
	CLEANUP_FREE char *pki = make_directory(dir, ".pki");
	CLEANUP_FREE char *first = make_directory(dir, ".pki/libnbd");
	CLEANUP_FREE char *notes = NULL;
	const uid_t self = geteuid();

	(void)state;
	assert_int_equal(chmod(dir, 0755), 0);
	tls_make_authority(dir, "the tests");
	tls_copy(dir, "ca-cert.pem", later);
	if (self == 0) {
		notes = load_from_home(dir);
		assert_null(strstr(notes, later));
		assert_int_equal(seteuid(65534), 0);
	}
	assert_found_in(dir, later);
	assert_int_equal(seteuid(self), 0);
	tls_copy(dir, "ca-cert.pem", first);
	assert_true(self != 0 || seteuid(65534) == 0);
	assert_found_in(dir, first);
	assert_int_equal(seteuid(self), 0);
}

static void
priorities_are_used_as_they_are_except_the_default(void **state)
{
	CLEANUP_FREE char *given = tls_priority_string("SECURE256", false);
	CLEANUP_FREE char *keys = tls_priority_string("SECURE256", true);
	CLEANUP_FREE char *usual = tls_priority_string(NULL, true);
	CLEANUP_FREE char *normal = tls_priority_string("NORMAL", true);

	(void)state;
	assert_string_equal(given, "SECURE256");
	assert_string_equal(keys, "SECURE256:+ECDHE-PSK:+DHE-PSK:+PSK");
	assert_string_equal(usual, normal);
	assert_non_null(strstr(usual, "NORMAL:-VERS-TLS1.1:-VERS-TLS1.0"));
}

/* The ciphers of PRIORITY as one sorted number: each is a bit. */
static uint64_t
ciphers_of(const char *text)
{
	gnutls_priority_t priority;
	const unsigned *ciphers;
	uint64_t set = 0;
	int n;

	assert_int_equal(gnutls_priority_init(&priority, text, NULL), 0);
	n = gnutls_priority_cipher_list(priority, &ciphers);
	for (int i = 0; i < n; i++) {
		assert_true(ciphers[i] < 64);
		set |= UINT64_C(1) << ciphers[i];
	}
	gnutls_priority_deinit(priority);
	return set;
}

static void
the_default_accepts_no_cipher_that_normal_does_not(void **state)
{
	CLEANUP_FREE char *usual = tls_priority_string(NULL, false);

	(void)state;
	assert_int_equal(ciphers_of(usual), ciphers_of("NORMAL"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_users_line_is_found),
		cmocka_unit_test(no_line_of_the_users_is_einval),
		cmocka_unit_test(a_key_that_is_not_hexadecimal_is_refused),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named),
		cmocka_unit_test(a_key_that_others_can_read_is_noted),
		cmocka_unit_test(
			a_directory_that_was_given_must_have_authorities),
		cmocka_unit_test(without_a_directory_the_system_is_trusted),
		cmocka_unit_test(homes_are_searched_for_certificates),
		cmocka_unit_test(
			priorities_are_used_as_they_are_except_the_default),
		cmocka_unit_test(
			the_default_accepts_no_cipher_that_normal_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
