/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What nbdkit does its own way, shown on the one that is installed.
 * A program comes through it. docs/server-quirks.md lists these and more. Where
 * a check of this library stands before the server's, it is switched off to see
 * the server's answer.
 */
#include <errno.h>

#include "tests/interop/quirks/support.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"

enum {
	SIZE = 1 << 20,
};

static uint8_t block[512];

static void
nbdkit_serves_any_name(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	CLEANUP_HANDLE struct nbd_handle *h = NULL;
	CLEANUP_FREE char *name = NULL;
	nbd_list_callback list = { .callback = keep_export,
				   .user_data = &name };

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	h = open_negotiating(&server);
	assert_int_equal(nbd_opt_list(h, list), 1);
	assert_string_equal(name, "");
	assert_nbd_ok(nbd_set_export_name(h, "no such export"));
	assert_nbd_ok(nbd_opt_go(h));
	expect_usable(h);
}

static void
nbdkit_agrees_to_structured_replies_again(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	CLEANUP_HANDLE struct nbd_handle *h = NULL;

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	h = open_negotiating(&server);
	assert_int_equal(nbd_opt_structured_reply(h), 1);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
	assert_nbd_ok(nbd_opt_go(h));
	expect_usable(h);
}

static void
nbdkit_lists_once_and_counts_options(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	CLEANUP_HANDLE struct nbd_handle *h = NULL;
	CLEANUP_FREE char *name = NULL;
	nbd_list_callback list = { .callback = keep_export,
				   .user_data = &name };
	unsigned n = 0;

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	h = open_negotiating(&server);
	assert_int_equal(nbd_opt_list(h, list), 1);
	assert_int_equal(nbd_opt_list(h, list), -1);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	while (n < 100 && nbd_opt_info(h) == 0)
		n++;
	assert_in_range(n, 20, 99);
	/* Whether it is seen when sending or when receiving. */
	assert_true(nbd_get_errno() == ENOTCONN || nbd_get_errno() == EPIPE ||
		    nbd_get_errno() == ECONNRESET);
	assert_int_equal(nbd_aio_is_dead(h), 1);
}

static void
nbdkit_refuses_to_read_nothing(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	CLEANUP_HANDLE struct nbd_handle *h = NULL;

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	h = open_named(&server, "");
	assert_nbd_errno(nbd_pread(h, block, 0, 0, 0), EINVAL);
	assert_nbd_ok(nbd_set_strict_mode(h, 0));
	assert_nbd_errno(nbd_pread(h, block, 0, 0, 0), EINVAL);
	assert_nbd_ok(nbd_flush(h, 0));
	expect_usable(h);
}

/* Were it sent, this nbdkit would abort. */
static void
nbdkit_is_not_sent_what_it_does_not_offer(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	CLEANUP_HANDLE struct nbd_handle *h = NULL;

	(void)state;
	server_start_line(&server, SERVER_UNIX,
			  "nbdkit --filter=nozero memory 1M fastzeromode=none");
	h = open_named(&server, "");
	assert_int_equal(nbd_can_fast_zero(h), 0);
	assert_nbd_errno(nbd_zero(h, 512, 0, LIBNBD_CMD_FLAG_FAST_ZERO),
			 EINVAL);
	expect_usable(h);
	assert_false(process_has_ended(server.pid));
}

static int
count_chunk(void *user_data, const void *bytes, size_t count, uint64_t offset,
	    unsigned status, int *error)
{
	unsigned *n = user_data;

	(void)bytes;
	(void)count;
	(void)offset;
	(void)error;
	assert_int_equal(status, LIBNBD_READ_DATA);
	++*n;
	return 0;
}

static void
nbdkit_has_no_extended_headers_and_no_holes(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	CLEANUP_HANDLE struct nbd_handle *h = NULL;
	CLEANUP_FREE uint8_t *bytes = malloc(SIZE);
	unsigned n = 0;
	nbd_chunk_callback chunk = { .callback = count_chunk, .user_data = &n };

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	h = open_named(&server, "");
	assert_int_equal(nbd_get_extended_headers_negotiated(h), 0);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED), 0);
	assert_nbd_ok(nbd_pread_structured(h, bytes, SIZE, 0, chunk, 0));
	assert_int_equal(n, 1);
	expect_usable(h);
}

static void
nbdkit_may_refuse_structured_replies(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	CLEANUP_HANDLE struct nbd_handle *h = NULL;

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit --no-sr memory 1M");
	h = open_named(&server, "");
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 0);
	expect_usable(h);
}

static void
nbdkit_has_few_errors_and_no_words(void **state)
{
	CLEANUP_SERVER struct server server = { .alive = -1 };
	CLEANUP_HANDLE struct nbd_handle *h = NULL;

	(void)state;
	server_start(&server, SERVER_UNIX,
		     (const char *const[]){
			     "nbdkit", "eval", "get_size=echo 1M",
			     "pread=echo EOPNOTSUPP no such luck >&2; exit 1",
			     NULL });
	h = open_named(&server, "");
	assert_nbd_errno(nbd_pread(h, block, 512, 0, 0), EINVAL);
	assert_null(strstr(nbd_get_error(), "luck"));
	assert_int_equal(nbd_aio_is_ready(h), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nbdkit_serves_any_name),
		cmocka_unit_test(nbdkit_agrees_to_structured_replies_again),
		cmocka_unit_test(nbdkit_lists_once_and_counts_options),
		cmocka_unit_test(nbdkit_refuses_to_read_nothing),
		cmocka_unit_test(nbdkit_is_not_sent_what_it_does_not_offer),
		cmocka_unit_test(nbdkit_has_no_extended_headers_and_no_holes),
		cmocka_unit_test(nbdkit_may_refuse_structured_replies),
		cmocka_unit_test(nbdkit_has_few_errors_and_no_words),
	};

	fixture_check_library();
	test_require_program("nbdkit");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
