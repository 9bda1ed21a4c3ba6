/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which exit code an answer of the daemon means. */
#include <grpc/status.h>

#include "cli/daemon.h"
#include "cli/errors.h"
#include "tests/support/unit.h"

#define REASON(name) NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_##name

static int
code(enum client_failure failure, int reason, int status)
{
	struct client_error error = {
		.failure = failure,
		.reason = (Nbdclientd__V1__ErrorReason)reason,
		.status = status,
	};

	return daemon_exit_code(&error);
}

static int
refused(int reason, int status)
{
	return code(CLIENT_REFUSED, reason, status);
}

static void
the_way_to_the_daemon_counts_first(void **state)
{
	(void)state;
	assert_int_equal(code(CLIENT_NOT_REACHABLE, 0, GRPC_STATUS_UNAVAILABLE),
			 EXIT_NO_DAEMON);
	assert_int_equal(
		code(CLIENT_NOT_PERMITTED, 0, GRPC_STATUS_PERMISSION_DENIED),
		EXIT_PERMISSION);
	assert_int_equal(
		code(CLIENT_TIMED_OUT, 0, GRPC_STATUS_DEADLINE_EXCEEDED),
		EXIT_TIMEOUT);
	assert_int_equal(code(CLIENT_INTERRUPTED, 0, GRPC_STATUS_CANCELLED),
			 EXIT_CANCELLED);
	assert_int_equal(code(CLIENT_BROKEN, 0, GRPC_STATUS_INTERNAL),
			 EXIT_GENERAL);
}

static void
then_the_reason_counts(void **state)
{
	(void)state;
	assert_int_equal(refused(REASON(UNKNOWN_VOLUME), GRPC_STATUS_NOT_FOUND),
			 EXIT_UNKNOWN_VOLUME);
	assert_int_equal(refused(REASON(UNKNOWN_EXPORT), GRPC_STATUS_NOT_FOUND),
			 EXIT_NBD);
	assert_int_equal(
		refused(REASON(PERMISSION), GRPC_STATUS_PERMISSION_DENIED),
		EXIT_PERMISSION);
	assert_int_equal(
		refused(REASON(SERVER_UNREACHABLE), GRPC_STATUS_UNAVAILABLE),
		EXIT_SERVER_UNREACHABLE);
	assert_int_equal(refused(REASON(NBD), GRPC_STATUS_INTERNAL), EXIT_NBD);
	assert_int_equal(refused(REASON(TLS), GRPC_STATUS_UNAVAILABLE),
			 EXIT_TLS);
	assert_int_equal(refused(REASON(BUSY), GRPC_STATUS_UNAVAILABLE),
			 EXIT_BUSY);
	assert_int_equal(
		refused(REASON(NOT_SUPPORTED), GRPC_STATUS_UNIMPLEMENTED),
		EXIT_NOT_SUPPORTED);
}

static void
a_wrong_offset_is_not_a_wrong_uri(void **state)
{
	(void)state;
	assert_int_equal(refused(REASON(INVALID), GRPC_STATUS_OUT_OF_RANGE),
			 EXIT_NBD);
	assert_int_equal(refused(REASON(INVALID), GRPC_STATUS_INVALID_ARGUMENT),
			 EXIT_USAGE);
}

static void
without_a_reason_the_status_counts(void **state)
{
	(void)state;
	assert_int_equal(refused(0, GRPC_STATUS_NOT_FOUND),
			 EXIT_UNKNOWN_VOLUME);
	assert_int_equal(refused(0, GRPC_STATUS_UNAVAILABLE),
			 EXIT_SERVER_UNREACHABLE);
	assert_int_equal(refused(0, GRPC_STATUS_DATA_LOSS), EXIT_DATA_LOSS);
	assert_int_equal(refused(0, GRPC_STATUS_UNKNOWN), EXIT_GENERAL);
}

static void
no_refusal_counts_as_success(void **state)
{
	(void)state;
	for (int reason = 0; reason <= 11; reason++)
		for (int status = 1; status <= 16; status++) {
			int is = refused(reason, status);

			assert_in_range(is, EXIT_GENERAL, EXIT_NOT_SUPPORTED);
			assert_int_not_equal(is, EXIT_NO);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_way_to_the_daemon_counts_first),
		cmocka_unit_test(then_the_reason_counts),
		cmocka_unit_test(a_wrong_offset_is_not_a_wrong_uri),
		cmocka_unit_test(without_a_reason_the_status_counts),
		cmocka_unit_test(no_refusal_counts_as_success),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
