/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings: their defaults, that they are read back, what is refused. */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/api/support.h"

struct bool_setting {
	const char *name;
	int (*set)(struct nbd_handle *h, bool value);
	int (*get)(struct nbd_handle *h);
	int initial;
};

static const struct bool_setting bools[] = {
#define SETTING(name, initial)                                 \
	{                                                      \
#name, nbd_set_##name, nbd_get_##name, initial \
	}
	SETTING(debug, 0),
	SETTING(opt_mode, 0),
	SETTING(full_info, 0),
	SETTING(request_block_size, 1),
	SETTING(request_structured_replies, 1),
	SETTING(request_extended_headers, 1),
	SETTING(request_meta_context, 1),
	SETTING(pread_initialize, 1),
	SETTING(tls_verify_peer, 1),
#undef SETTING
};

static void
boolean_settings_start_as_documented_and_read_back(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++) {
		const struct bool_setting *row = &bools[i];

		if (row->get(h) != row->initial)
			fail_msg("%s starts as %d", row->name, row->get(h));
		/* Debugging would write to the test's standard error. */
		if (row->set == nbd_set_debug)
			continue;
		assert_int_equal(row->set(h, !row->initial), 0);
		assert_int_equal(row->get(h), !row->initial);
		assert_int_equal(row->set(h, row->initial), 0);
		assert_int_equal(row->get(h), row->initial);
	}
}

struct text_setting {
	const char *name;
	int (*set)(struct nbd_handle *h, const char *value);
	char *(*get)(struct nbd_handle *h);
	const char *initial; /* NULL: depends on the machine */
};

static const struct text_setting texts[] = {
#define SETTING(name, initial)                                 \
	{                                                      \
#name, nbd_set_##name, nbd_get_##name, initial \
	}
	SETTING(export_name, ""),
	SETTING(handle_name, NULL),
	SETTING(socket_activation_name, ""),
	SETTING(tls_hostname, ""),
	SETTING(tls_priority, "NORMAL"),
	SETTING(tls_username, NULL),
#undef SETTING
};

static void
texts_start_as_documented_and_read_back(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct text_setting *row = &texts[i];

		if (row->initial)
			assert_text_is(row->get(h), row->initial);
		assert_int_equal(row->set(h, "Other1"), 0);
		assert_text_is(row->get(h), "Other1");
	}
}

static void
settings_without_a_getter_are_accepted(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_set_tls_certificates(h, "/dir"), 0);
	assert_int_equal(nbd_set_tls_psk_file(h, "/file"), 0);
	assert_int_equal(nbd_set_uri_allow_local_file(h, true), 0);
	assert_int_equal(nbd_set_uri_allow_tls_priority(h, true), 0);
	assert_int_equal(nbd_set_uri_allow_transports(h, 0), 0);
	assert_int_equal(nbd_set_uri_allow_tls(h, LIBNBD_TLS_REQUIRE), 0);
}

static void
flags_outside_the_mask_are_refused(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_get_strict_mode(h), LIBNBD_STRICT_MASK);
	assert_int_equal(nbd_set_strict_mode(h, LIBNBD_STRICT_BOUNDS), 0);
	assert_int_equal(nbd_get_strict_mode(h), LIBNBD_STRICT_BOUNDS);
	assert_fails_with(nbd_set_strict_mode(h, 0x80), EINVAL,
			  "flags: invalid value for flag: 0x80");

	assert_int_equal(nbd_get_handshake_flags(h),
			 LIBNBD_HANDSHAKE_FLAG_MASK);
	assert_int_equal(nbd_set_handshake_flags(h, 0), 0);
	assert_int_equal(nbd_get_handshake_flags(h), 0);
	assert_fails_with(nbd_set_handshake_flags(h, 4), EINVAL,
			  "flags: invalid value for flag: 0x4");
	assert_fails_with(nbd_set_uri_allow_transports(h, 0x10), EINVAL,
			  "mask: invalid value for flag: 0x10");
}

static void
enums_outside_their_range_are_refused(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_fails_with(nbd_set_tls(h, 3), EINVAL,
			  "tls: invalid value for parameter: 3");
	assert_fails_with(nbd_set_tls(h, -1), EINVAL,
			  "tls: invalid value for parameter: -1");
	assert_fails_with(nbd_set_uri_allow_tls(h, 3), EINVAL,
			  "tls: invalid value for parameter: 3");
}

static void
without_tls_only_disable_can_be_set(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	if (nbd_supports_tls(h)) {
		assert_int_equal(nbd_set_tls(h, LIBNBD_TLS_REQUIRE), 0);
		assert_int_equal(nbd_get_tls(h), LIBNBD_TLS_REQUIRE);
		return;
	}
	assert_fails_with(nbd_set_tls(h, LIBNBD_TLS_ALLOW), ENOTSUP,
			  "without TLS");
	assert_int_equal(nbd_get_tls(h), LIBNBD_TLS_DISABLE);
	assert_int_equal(nbd_set_tls(h, LIBNBD_TLS_DISABLE), 0);
}

static void
names_longer_than_the_protocol_allows_are_refused(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char name[4096 + 2];

	(void)state;
	memset(name, 'x', sizeof(name));
	name[4097] = '\0';
	assert_fails_with(nbd_set_export_name(h, name), ENAMETOOLONG,
			  "export name too long");
	assert_fails_with(nbd_add_meta_context(h, name), ENAMETOOLONG,
			  "meta context name too long");
	name[4096] = '\0';
	assert_int_equal(nbd_set_export_name(h, name), 0);
	assert_int_equal(nbd_add_meta_context(h, name), 0);
}

static void
the_activation_name_is_short_and_plain(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_fails_with(nbd_set_socket_activation_name(h, "a b"), EINVAL,
			  "letters and digits");
	assert_fails_with(nbd_set_socket_activation_name(h, "\xc3\xa9"), EINVAL,
			  "letters and digits");
	assert_fails_with(nbd_set_socket_activation_name(
				  h, "abcdefghijklmnopqrstuvwxyz0123456"),
			  ENAMETOOLONG, "32");
	assert_int_equal(nbd_set_socket_activation_name(
				 h, "abcdefghijklmnopqrstuvwxyz012345"),
			 0);
	assert_int_equal(nbd_set_socket_activation_name(h, ""), 0);
	assert_text_is(nbd_get_socket_activation_name(h), "");
}

static void
meta_contexts_are_a_list(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_get_nr_meta_contexts(h), 0);
	assert_int_equal(nbd_add_meta_context(h, "base:allocation"), 0);
	assert_int_equal(nbd_add_meta_context(h, "x:y"), 0);
	assert_int_equal(nbd_get_nr_meta_contexts(h), 2);
	assert_text_is(nbd_get_meta_context(h, 1), "x:y");
	assert_null(nbd_get_meta_context(h, 2));
	assert_int_equal(nbd_get_errno(), EINVAL);
	assert_int_equal(nbd_clear_meta_contexts(h), 0);
	assert_int_equal(nbd_get_nr_meta_contexts(h), 0);
	assert_null(nbd_get_meta_context(h, 0));
	assert_int_equal(nbd_add_meta_context(h, "again"), 0);
	assert_text_is(nbd_get_meta_context(h, 0), "again");
}

static void
handles_are_numbered(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *a = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *b = nbd_create();
	unsigned first;
	char *name;
	char expected[32];

	(void)state;
	name = nbd_get_handle_name(a);
	assert_int_equal(sscanf(name, "nbd%u", &first), 1);
	free(name);
	snprintf(expected, sizeof(expected), "nbd%u", first + 1);
	assert_text_is(nbd_get_handle_name(b), expected);
}

static void
private_data_returns_what_was_there_before(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_get_private_data(h), 0);
	assert_int_equal(nbd_set_private_data(h, 42), 0);
	assert_int_equal(nbd_set_private_data(h, 43), 42);
	assert_int_equal(nbd_get_private_data(h), 43);
}

static void
the_debug_environment_counts_at_creation(void **state)
{
	struct nbd_handle *h;

	(void)state;
	assert_int_equal(setenv("LIBNBD_DEBUG", "yes", 1), 0);
	h = nbd_create();
	assert_int_equal(nbd_get_debug(h), 0);
	nbd_close(h);
	assert_int_equal(unsetenv("LIBNBD_DEBUG"), 0);
}

static void
the_handle_grows_with_what_it_keeps(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	ssize_t before = nbd_get_handle_size(h);

	(void)state;
	assert_true(before > 0);
	assert_int_equal(nbd_set_export_name(h, "0123456789"), 0);
	assert_true(nbd_get_handle_size(h) >= before + 10);
}

static void
the_library_says_what_it_is(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_string_equal(nbd_get_package_name(h), "libnbd");
	assert_string_equal(nbd_get_version(h), "1.24.4");
	/* Which implementation it is, and its release. */
	assert_memory_equal(nbd_get_version_extra(h), "nbd-clientd ", 12);
	assert_int_equal(nbd_supports_uri(h), 1);
	assert_int_equal(nbd_supports_vsock(h), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			boolean_settings_start_as_documented_and_read_back),
		cmocka_unit_test(texts_start_as_documented_and_read_back),
		cmocka_unit_test(settings_without_a_getter_are_accepted),
		cmocka_unit_test(flags_outside_the_mask_are_refused),
		cmocka_unit_test(enums_outside_their_range_are_refused),
		cmocka_unit_test(without_tls_only_disable_can_be_set),
		cmocka_unit_test(
			names_longer_than_the_protocol_allows_are_refused),
		cmocka_unit_test(the_activation_name_is_short_and_plain),
		cmocka_unit_test(meta_contexts_are_a_list),
		cmocka_unit_test(handles_are_numbered),
		cmocka_unit_test(private_data_returns_what_was_there_before),
		cmocka_unit_test(the_debug_environment_counts_at_creation),
		cmocka_unit_test(the_handle_grows_with_what_it_keeps),
		cmocka_unit_test(the_library_says_what_it_is),
	};

	/* The caller's wish would write over the test's output. */
	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
