/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What qemu-nbd does its own way, shown on the one that is installed.
 * A program comes through it. docs/server-quirks.md lists these and more. Where
 * a check of this library stands before the server's, it is switched off to see
 * the server's answer.
 */
#include <libnbd-ext.h>

#include <errno.h>

#include "tests/interop/quirks/support.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"

enum {
	SIZE = 1 << 20,
	MIB = 1 << 20,
};

static uint8_t block[512];

static void
start_qemu(struct served *s, size_t size, const char *option, const char *value)
{
	CLEANUP_FREE char *image = NULL;

	s->dir = workdir_make();
	image = workdir_sparse_file(s->dir, "disk", (off_t)size);
	server_start(&s->server, SERVER_UNIX,
		     (const char *const[]){ "qemu-nbd", "-f", "raw", image,
					    option, value, NULL });
}

static void
qemu_exports_whole_sectors(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;

	(void)state;
	start_qemu(&s, SIZE + 100, "-t", NULL);
	s.h = open_named(&s.server, "");
	assert_int_equal(nbd_get_size(s.h), SIZE + 512);
	assert_nbd_ok(nbd_pread(s.h, block, 512, SIZE, 0));
	expect_usable(s.h);
}

static void
qemu_tells_its_block_sizes(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;

	(void)state;
	start_qemu(&s, SIZE, "-t", NULL);
	s.h = open_negotiating(&s.server);
	assert_nbd_ok(nbd_opt_info(s.h));
	assert_int_equal(nbd_get_block_size(s.h, LIBNBD_SIZE_MINIMUM), 1);
	assert_int_equal(nbd_get_block_size(s.h, LIBNBD_SIZE_MAXIMUM),
			 32 * MIB);
	assert_nbd_ok(nbd_opt_go(s.h));
	expect_usable(s.h);
}

static void
qemu_takes_32_mib_and_hangs_up_on_more(void **state)
{
	enum {
		TOO_MUCH = 33 * MIB
	};
	CLEANUP_SERVED struct served s = NOTHING_SERVED;
	CLEANUP_FREE uint8_t *bytes = calloc(1, TOO_MUCH);

	(void)state;
	start_qemu(&s, 64 * MIB, "-t", NULL);
	s.h = open_named(&s.server, "");
	assert_nbd_errno(nbd_pread(s.h, bytes, TOO_MUCH, 0, 0), EINVAL);
	assert_nbd_errno(nbd_pwrite(s.h, bytes, TOO_MUCH, 0, 0), ERANGE);
	assert_nbd_ok(nbd_pread(s.h, bytes, 32 * MIB, 0, 0));
	assert_nbd_ok(nbd_pwrite(s.h, bytes, 32 * MIB, 0, 0));
	assert_nbd_ok(nbd_set_strict_mode(s.h, 0));
	assert_nbd_errno(nbd_pread(s.h, bytes, TOO_MUCH, 0, 0), EINVAL);
	assert_int_equal(nbd_aio_is_ready(s.h), 1);
	assert_int_equal(nbd_pwrite(s.h, bytes, TOO_MUCH, 0, 0), -1);
	assert_false(nbd_aio_is_ready(s.h));
}

static void
qemu_has_words_for_every_error(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;

	(void)state;
	start_qemu(&s, SIZE, "-t", NULL);
	s.h = open_named(&s.server, "");
	assert_nbd_errno(nbd_pwrite(s.h, block, 512, SIZE, 0), ENOSPC);
	assert_nbd_ok(nbd_set_strict_mode(s.h, 0));
	/* Not ENOSPC as the specification has it, and in a chunk. */
	assert_nbd_errno(nbd_pwrite(s.h, block, 512, SIZE, 0), EINVAL);
	assert_non_null(strstr(nbd_get_error(), "past EOF"));
	assert_nbd_errno(nbd_trim(s.h, 512, SIZE, 0), EINVAL);
	assert_non_null(strstr(nbd_get_error(), "past EOF"));
	/* Reading nothing is no error there. */
	assert_nbd_ok(nbd_pread(s.h, block, 0, 0, 0));
	expect_usable(s.h);
}

static void
qemu_agrees_to_structured_replies_once(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;

	(void)state;
	start_qemu(&s, SIZE, "-t", NULL);
	s.h = open_negotiating(&s.server);
	assert_int_equal(nbd_get_structured_replies_negotiated(s.h), 1);
	assert_int_equal(nbd_opt_structured_reply(s.h), 0);
	assert_int_equal(nbd_get_structured_replies_negotiated(s.h), 1);
	assert_nbd_ok(nbd_opt_go(s.h));
	expect_usable(s.h);
}

/* The kernel takes the second connection, the server does not. */
static void
qemu_greets_one_client_at_a_time(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;
	CLEANUP_HANDLE struct nbd_handle *first = NULL;
	CLEANUP_HANDLE struct nbd_handle *second = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *third = NULL;

	(void)state;
	start_qemu(&s, SIZE, "-t", NULL);
	first = open_named(&s.server, "");
	assert_nbd_ok(nbd_ext_set_connect_timeout(second, 100));
	assert_nbd_errno(nbd_connect_unix(second, s.server.socket), ETIMEDOUT);
	expect_usable(first);
	third = open_named(&s.server, "");
	expect_usable(third);
}

static void
qemu_goes_with_its_last_client(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;
	CLEANUP_HANDLE struct nbd_handle *first = NULL;
	CLEANUP_HANDLE struct nbd_handle *second = nbd_create();

	(void)state;
	start_qemu(&s, SIZE, NULL, NULL);
	first = open_named(&s.server, "");
	expect_usable(first);
	process_wait(s.server.pid);
	s.server.pid = 0;
	assert_int_equal(nbd_connect_unix(second, s.server.socket), -1);
	assert_true(nbd_get_errno() == ECONNREFUSED ||
		    nbd_get_errno() == ENOENT);
}

static void
qemu_wants_the_exact_name(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;

	(void)state;
	start_qemu(&s, SIZE, "-tx", "disk");
	s.h = open_negotiating(&s.server);
	assert_nbd_errno(nbd_opt_go(s.h), ENOENT);
	assert_nbd_ok(nbd_set_export_name(s.h, "disk"));
	assert_nbd_ok(nbd_opt_go(s.h));
	expect_usable(s.h);
}

static int
on_depth(void *user_data, const char *context, uint64_t offset,
	 uint32_t *entries, size_t n_entries, int *error)
{
	uint32_t *depth = user_data;

	(void)offset;
	(void)error;
	assert_string_equal(context, LIBNBD_CONTEXT_QEMU_ALLOCATION_DEPTH);
	assert_true(n_entries >= 2);
	*depth = entries[1];
	return 0;
}

static void
qemu_tells_a_depth_that_is_no_flag(void **state)
{
	CLEANUP_SERVED struct served s = NOTHING_SERVED;
	uint32_t depth = 77;
	nbd_extent_callback extent = { .callback = on_depth,
				       .user_data = &depth };

	(void)state;
	s.h = nbd_create();
	start_qemu(&s, SIZE, "-tA", NULL);
	assert_nbd_ok(nbd_add_meta_context(
		s.h, LIBNBD_CONTEXT_QEMU_ALLOCATION_DEPTH));
	assert_nbd_ok(nbd_connect_unix(s.h, s.server.socket));
	assert_nbd_ok(nbd_block_status(s.h, SIZE, 0, extent, 0));
	assert_int_equal(depth, 1);
	expect_usable(s.h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qemu_exports_whole_sectors),
		cmocka_unit_test(qemu_tells_its_block_sizes),
		cmocka_unit_test(qemu_takes_32_mib_and_hangs_up_on_more),
		cmocka_unit_test(qemu_has_words_for_every_error),
		cmocka_unit_test(qemu_agrees_to_structured_replies_once),
		cmocka_unit_test(qemu_greets_one_client_at_a_time),
		cmocka_unit_test(qemu_goes_with_its_last_client),
		cmocka_unit_test(qemu_wants_the_exact_name),
		cmocka_unit_test(qemu_tells_a_depth_that_is_no_flag),
	};

	fixture_check_library();
	test_require_program("qemu-nbd");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
