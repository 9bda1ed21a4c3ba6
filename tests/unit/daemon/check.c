/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which requests are refused before they reach a server, and how. */
#include "daemon/core/check.h"

#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>

#include "daemon/core/export.h"
#include "tests/support/unit.h"

#define KIB 1024ull

struct check_case {
	enum request_command command;
	uint32_t flags;
	uint64_t offset;
	uint64_t length;
	int result;
	enum failure_reason reason;
};

/* A disk of 64 KiB in blocks of 512 bytes that offers everything. */
static const struct export_info full = {
	.size = 64 * KIB,
	.can_flush = true,
	.can_fua = true,
	.can_trim = true,
	.can_zero = true,
	.can_fast_zero = true,
	.can_cache = true,
	.block_minimum = 512,
};
static const struct export_info bare = { .size = 64 * KIB };

static int
check(const struct check_case *a_case, const struct export_info *export,
      bool is_read_only, enum failure_reason *reason)
{
	struct check_facts facts = { .export = export,
				     .is_read_only = is_read_only };
	struct request request = {
		.command = a_case->command,
		.flags = a_case->flags,
		.offset = a_case->offset,
		.length = a_case->length,
		.payload.size = a_case->length,
	};
	int r = check_form(&request);

	if (r == 0)
		r = check_against_export(&request, &facts);
	*reason = request.failure.reason;
	/* Whatever is refused is explained. */
	assert_int_equal(r < 0, request.failure.errnum != 0);
	if (r < 0)
		assert_non_null(request.failure.message);
	failure_done(&request.failure);
	return r;
}

static const struct check_case cases[] = {
	{ REQUEST_READ, 0, 0, 64 * KIB, 0, FAILURE_NONE },
	{ REQUEST_READ, 0, 1, 1, 0, FAILURE_NONE },
	{ REQUEST_READ, 0, 0, 0, -EINVAL, FAILURE_INVALID },
	{ REQUEST_READ, 0, 64 * KIB, 1, -ERANGE, FAILURE_INVALID },
	{ REQUEST_READ, 0, 63 * KIB, 2 * KIB, -ERANGE, FAILURE_INVALID },
	{ REQUEST_READ, 0, UINT64_MAX, 2, -ERANGE, FAILURE_INVALID },
	{ REQUEST_READ, LIBNBD_CMD_FLAG_FUA, 0, 1, -EINVAL, FAILURE_INVALID },
	{ REQUEST_WRITE, LIBNBD_CMD_FLAG_FUA, 512, 512, 0, FAILURE_NONE },
	{ REQUEST_WRITE, 0, 1, 512, -EINVAL, FAILURE_INVALID },
	{ REQUEST_WRITE, 0, 512, 100, -EINVAL, FAILURE_INVALID },
	{ REQUEST_WRITE, 0x8000, 0, 512, -EINVAL, FAILURE_INVALID },
	{ REQUEST_FLUSH, 0, 0, 0, 0, FAILURE_NONE },
	{ REQUEST_FLUSH, LIBNBD_CMD_FLAG_FUA, 0, 0, -EINVAL, FAILURE_INVALID },
	{ REQUEST_TRIM, 0, 0, 64 * KIB, 0, FAILURE_NONE },
	{ REQUEST_TRIM, 0, 100, 512, -EINVAL, FAILURE_INVALID },
	{ REQUEST_ZERO, LIBNBD_CMD_FLAG_FAST_ZERO | LIBNBD_CMD_FLAG_NO_HOLE, 0,
	  512, 0, FAILURE_NONE },
	{ REQUEST_CACHE, 0, 0, 512, 0, FAILURE_NONE },
	{ REQUEST_BLOCK_STATUS, LIBNBD_CMD_FLAG_REQ_ONE, 7, 0, 0,
	  FAILURE_NONE },
	{ REQUEST_BLOCK_STATUS, 0, 64 * KIB, 0, -ERANGE, FAILURE_INVALID },
};

static void
form_range_and_alignment_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum failure_reason reason;

		print_message("case %zu\n", i);
		assert_int_equal(check(&cases[i], &full, false, &reason),
				 cases[i].result);
		assert_int_equal(reason, cases[i].reason);
	}
}

static void
what_the_server_does_not_offer_is_not_supported(void **state)
{
	static const struct check_case refused[] = {
		{ REQUEST_FLUSH, 0, 0, 0, 0, 0 },
		{ REQUEST_TRIM, 0, 0, 512, 0, 0 },
		{ REQUEST_CACHE, 0, 0, 512, 0, 0 },
		{ REQUEST_ZERO, 0, 0, 512, 0, 0 },
		{ REQUEST_WRITE, LIBNBD_CMD_FLAG_FUA, 0, 512, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		enum failure_reason reason;

		assert_int_equal(check(&refused[i], &bare, false, &reason),
				 -EOPNOTSUPP);
		assert_int_equal(reason, FAILURE_NOT_SUPPORTED);
	}
}

static void
nothing_is_written_to_what_is_read_only(void **state)
{
	static const struct check_case writes[] = {
		{ REQUEST_WRITE, 0, 0, 512, 0, 0 },
		{ REQUEST_TRIM, 0, 0, 512, 0, 0 },
		{ REQUEST_ZERO, 0, 0, 512, 0, 0 },
	};
	struct export_info locked = full;

	(void)state;
	locked.is_read_only = true;
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		enum failure_reason reason;

		assert_int_equal(check(&writes[i], &full, true, &reason),
				 -EPERM);
		assert_int_equal(reason, FAILURE_PERMISSION);
		assert_int_equal(check(&writes[i], &locked, false, &reason),
				 -EPERM);
		assert_int_equal(reason, FAILURE_PERMISSION);
	}
}

static void
block_status_without_a_length_goes_to_the_end(void **state)
{
	struct check_facts facts = { .export = &full };
	struct request request = { .command = REQUEST_BLOCK_STATUS,
				   .offset = 60 * KIB };

	(void)state;
	assert_int_equal(check_against_export(&request, &facts), 0);
	assert_int_equal(request.length, 4 * KIB);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(form_range_and_alignment_are_checked),
		cmocka_unit_test(
			what_the_server_does_not_offer_is_not_supported),
		cmocka_unit_test(nothing_is_written_to_what_is_read_only),
		cmocka_unit_test(block_status_without_a_length_goes_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
