/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* errno to status and back, details through grpc-status-details-bin. */
#include "proto/errors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec_free.h"
#include "proto/errno_names.h"
#include "tests/support/unit.h"
#include "tests/unit/proto/bytes.h"

#define REASON(name) NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_##name

static const struct rpc_failure no_space = {
	.errnum = ENOSPC,
	.reason = REASON(NBD),
	.applied = NBDCLIENTD__V1__APPLIED__APPLIED_NO,
	.message = "write of 4096 bytes at 0: no space left",
	.volume = "disk0",
	.endpoint = "nbd://server/disk",
	.hint = "make the disk larger",
};

static void
errno_names_are_known_both_ways(void **state)
{
	(void)state;
	assert_string_equal(errno_name(ENOSPC), "ENOSPC");
	assert_string_equal(errno_name(ESHUTDOWN), "ESHUTDOWN");
	assert_string_equal(errno_name(0), "");
	assert_string_equal(errno_name(9999), "");
	assert_int_equal(errno_from_name("EOVERFLOW"), EOVERFLOW);
	assert_int_equal(errno_from_name("ENONSENSE"), 0);
	assert_int_equal(errno_from_name(""), 0);
	assert_int_equal(errno_to_x86_64(ESHUTDOWN), 108);
	assert_int_equal(errno_to_x86_64(-1), 0);
	for (int errnum = 1; errnum < 200; errnum++)
		if (*errno_name(errnum))
			assert_int_equal(errno_from_name(errno_name(errnum)),
					 errnum);
}

static void
an_errno_decides_the_status(void **state)
{
	/* clang-format off */
	static const struct {
		int errnum;
		grpc_status_code status;
	} rows[] = {
		{ EPERM, GRPC_STATUS_PERMISSION_DENIED },
		{ EROFS, GRPC_STATUS_PERMISSION_DENIED },
		{ EIO, GRPC_STATUS_INTERNAL },
		{ ENOMEM, GRPC_STATUS_RESOURCE_EXHAUSTED },
		{ EINVAL, GRPC_STATUS_INVALID_ARGUMENT },
		{ ENOSPC, GRPC_STATUS_RESOURCE_EXHAUSTED },
		{ EOVERFLOW, GRPC_STATUS_OUT_OF_RANGE },
		{ ENOTSUP, GRPC_STATUS_UNIMPLEMENTED },
		{ ESHUTDOWN, GRPC_STATUS_UNAVAILABLE },
		{ ETIMEDOUT, GRPC_STATUS_DEADLINE_EXCEEDED },
		{ 0, GRPC_STATUS_INTERNAL },
		{ 12345, GRPC_STATUS_INTERNAL },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
			errors_status(rows[i].errnum, REASON(UNSPECIFIED)),
			rows[i].status);
		assert_int_equal(errors_status(rows[i].errnum, REASON(NBD)),
				 rows[i].status);
	}
}

static void
a_reason_says_more_than_an_errno(void **state)
{
	(void)state;
	assert_int_equal(errors_status(EIO, REASON(UNKNOWN_VOLUME)),
			 GRPC_STATUS_NOT_FOUND);
	assert_int_equal(errors_status(0, REASON(SERVER_UNREACHABLE)),
			 GRPC_STATUS_UNAVAILABLE);
	assert_int_equal(errors_status(EINVAL, REASON(LIMIT)),
			 GRPC_STATUS_RESOURCE_EXHAUSTED);
	assert_int_equal(errors_status(0, REASON(INVALID)),
			 GRPC_STATUS_INVALID_ARGUMENT);
	assert_int_equal(errors_status(ERANGE, REASON(INVALID)),
			 GRPC_STATUS_OUT_OF_RANGE);
	assert_int_equal(errors_status(EINVAL, REASON(NOT_SUPPORTED)),
			 GRPC_STATUS_UNIMPLEMENTED);
}

static void
every_status_has_a_name_and_an_errno(void **state)
{
	(void)state;
	assert_string_equal(errors_status_name(GRPC_STATUS_UNAVAILABLE),
			    "UNAVAILABLE");
	assert_int_equal(errors_errno(GRPC_STATUS_OK), 0);
	for (int code = 1; code <= GRPC_STATUS_UNAUTHENTICATED; code++)
		assert_true(errors_errno((grpc_status_code)code) > 0);
	assert_string_equal(errors_status_name((grpc_status_code)99),
			    "UNKNOWN");
}

static void
details_come_back_as_they_were(void **state)
{
	grpc_slice slice = errors_encode(GRPC_STATUS_RESOURCE_EXHAUSTED,
					 &no_space);
	CLEANUP_MESSAGE Nbdclientd__V1__ErrorDetail *detail = errors_decode(
		slice);

	(void)state;
	assert_non_null(detail);
	assert_string_equal(detail->errno_name, "ENOSPC");
	assert_int_equal(detail->errno_value, 28);
	assert_string_equal(detail->volume, no_space.volume);
	assert_string_equal(detail->endpoint, no_space.endpoint);
	assert_string_equal(detail->hint, no_space.hint);
	assert_int_equal(detail->reason, no_space.reason);
	assert_int_equal(detail->applied, no_space.applied);
	grpc_slice_unref(slice);
}

static void
texts_from_a_server_are_made_fit_to_send(void **state)
{
	char endless[5000];
	struct rpc_failure failure = { .errnum = EIO, .hint = endless };
	CLEANUP_MESSAGE Nbdclientd__V1__ErrorDetail *detail = NULL;
	grpc_slice slice;

	(void)state;
	memset(endless, 'x', sizeof(endless) - 1);
	endless[sizeof(endless) - 1] = '\0';
	failure.message = endless;
	failure.endpoint = "bad \xff\xc3 text \xc3\xa4";
	slice = errors_encode(GRPC_STATUS_INTERNAL, &failure);
	/* Base64 makes it a third longer; gRPC allows 8192 in all. */
	assert_true(GRPC_SLICE_LENGTH(slice) < 4096);
	detail = errors_decode(slice);
	assert_non_null(detail);
	assert_string_equal(detail->endpoint, "bad ?? text \xc3\xa4");
	assert_int_equal(strspn(detail->hint, "x"), strlen(detail->hint));
	assert_true(strlen(detail->hint) > 500);
	grpc_slice_unref(slice);
}

static void
an_io_error_says_the_same(void **state)
{
	CLEANUP_MESSAGE Nbdclientd__V1__IoError *error = errors_to_io_error(
		&no_space);

	(void)state;
	assert_non_null(error);
	assert_int_equal(error->code, GRPC_STATUS_RESOURCE_EXHAUSTED);
	assert_string_equal(error->message, no_space.message);
	assert_string_equal(error->detail->errno_name, "ENOSPC");
}

static void
broken_details_are_no_details(void **state)
{
	grpc_slice slice = errors_encode(GRPC_STATUS_RESOURCE_EXHAUSTED,
					 &no_space);
	const uint8_t *bytes = GRPC_SLICE_START_PTR(slice);
	size_t length = GRPC_SLICE_LENGTH(slice);
	uint32_t seed = 2;

	(void)state;
	for (size_t cut = 0; cut < length; cut++) {
		grpc_slice part = grpc_slice_from_copied_buffer(
			(const char *)bytes, cut);

		assert_null(errors_decode(part));
		grpc_slice_unref(part);
	}
	for (int round = 0; round < 5000; round++) {
		uint8_t *changed = bytes_mutate(bytes, length, &seed);

		codec_message_free(errors_decode(
			grpc_slice_from_static_buffer(changed, length)));
		free(changed);
	}
	grpc_slice_unref(slice);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errno_names_are_known_both_ways),
		cmocka_unit_test(an_errno_decides_the_status),
		cmocka_unit_test(a_reason_says_more_than_an_errno),
		cmocka_unit_test(every_status_has_a_name_and_an_errno),
		cmocka_unit_test(details_come_back_as_they_were),
		cmocka_unit_test(texts_from_a_server_are_made_fit_to_send),
		cmocka_unit_test(an_io_error_says_the_same),
		cmocka_unit_test(broken_details_are_no_details),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
