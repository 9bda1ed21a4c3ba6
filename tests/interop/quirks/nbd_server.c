/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What nbd-server does its own way, shown on the one that is installed.
 * A program comes through it. docs/server-quirks.md lists these and more. Where
 * a check of this library stands before the server's, it is switched off to see
 * the server's answer.
 */
#include <errno.h>

#include "tests/interop/quirks/support.h"
#include "tests/support/nbd_server.h"
#include "tests/support/outcome.h"

enum {
	SIZE = 1 << 20,
	MIB = 1 << 20,
};

static uint8_t block[512];

static void
start_nbd_server(struct served *s, const char *options, const char *generic)
{
	CLEANUP_FREE char *image = NULL;

	s->dir = workdir_make();
	image = workdir_sparse_file(s->dir, "disk", SIZE);
	nbd_server_start_with(&s->server, image, options, generic);
}

static void
nbd_server_hangs_up_on_an_abort(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;

	(void)state;
	start_nbd_server(&s, "", "");
	s.h = open_negotiating(&s.server);
	assert_nbd_ok(nbd_opt_abort(s.h));
	assert_int_equal(nbd_aio_is_closed(s.h), 1);
}

static void
nbd_server_tells_the_size_with_go_only(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;

	(void)state;
	start_nbd_server(&s, "", "");
	s.h = open_negotiating(&s.server);
	assert_nbd_ok(nbd_set_export_name(s.h, "disk"));
	assert_nbd_ok(nbd_opt_info(s.h));
	assert_int_equal(nbd_get_size(s.h), 0);
	assert_nbd_ok(nbd_opt_go(s.h));
	assert_int_equal(nbd_get_size(s.h), SIZE);
	expect_usable(s.h);
}

static void
nbd_server_has_no_default_export(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;
	CLEANUP_FREE char *name = NULL;
	nbd_list_callback list = { .callback = keep_export,
				   .user_data = &name };

	(void)state;
	start_nbd_server(&s, "", "");
	s.h = open_negotiating(&s.server);
	assert_nbd_errno(nbd_opt_go(s.h), ENOENT);
	assert_int_equal(nbd_opt_list(s.h, list), 1);
	assert_string_equal(name, "disk");
	assert_nbd_ok(nbd_set_export_name(s.h, name));
	assert_nbd_ok(nbd_opt_go(s.h));
	expect_usable(s.h);
}

static void
nbd_server_may_hide_its_list(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;
	CLEANUP_FREE char *name = NULL;
	nbd_list_callback list = { .callback = keep_export,
				   .user_data = &name };

	(void)state;
	start_nbd_server(&s, "", "allowlist = false\n");
	s.h = open_negotiating(&s.server);
	assert_nbd_errno(nbd_opt_list(s.h, list), ENOTSUP);
	assert_nbd_ok(nbd_set_export_name(s.h, "disk"));
	assert_nbd_ok(nbd_opt_go(s.h));
	expect_usable(s.h);
}

static void
nbd_server_tells_neither_names_nor_block_sizes(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;

	(void)state;
	s.h = nbd_create();
	start_nbd_server(&s, "", "");
	assert_nbd_ok(nbd_set_full_info(s.h, true));
	assert_nbd_ok(nbd_set_export_name(s.h, "disk"));
	assert_nbd_ok(nbd_connect_unix(s.h, s.server.socket));
	assert_null(nbd_get_canonical_export_name(s.h));
	assert_null(nbd_get_export_description(s.h));
	assert_int_equal(nbd_get_block_size(s.h, LIBNBD_SIZE_MINIMUM), 0);
	assert_int_equal(nbd_get_block_size(s.h, LIBNBD_SIZE_PAYLOAD),
			 32 * MIB);
	assert_nbd_ok(nbd_pread(s.h, block, 3, 7, 0));
	expect_usable(s.h);
}

static void
nbd_server_refuses_to_trim_what_is_read_only(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;

	(void)state;
	start_nbd_server(&s, "readonly = true\ntrim = true\n", "");
	s.h = open_named(&s.server, "disk");
	assert_int_equal(nbd_is_read_only(s.h), 1);
	assert_nbd_errno(nbd_cache(s.h, 512, 0, 0), EINVAL);
	assert_nbd_ok(nbd_set_strict_mode(s.h, 0));
	assert_nbd_errno(nbd_trim(s.h, 512, 0, 0), EPERM);
	assert_nbd_errno(nbd_cache(s.h, 512, 0, 0), EINVAL);
	expect_usable(s.h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nbd_server_hangs_up_on_an_abort),
		cmocka_unit_test(nbd_server_tells_the_size_with_go_only),
		cmocka_unit_test(nbd_server_has_no_default_export),
		cmocka_unit_test(nbd_server_may_hide_its_list),
		cmocka_unit_test(
			nbd_server_tells_neither_names_nor_block_sizes),
		cmocka_unit_test(nbd_server_refuses_to_trim_what_is_read_only),
	};

	fixture_check_library();
	test_require_program("nbd-server");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
