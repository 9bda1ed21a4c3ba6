/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests of the streams as requests of the core, and failures as statuses. */
#include "daemon/rpc/io_command.h"

#include <errno.h>
#include <string.h>

#include "daemon/core/failure.h"
#include "daemon/core/loop.h"
#include "daemon/rpc/status.h"
#include "proto/codec_free.h"
#include "proto/errors.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"

#define COMMAND(name) NBDCLIENTD__V1__COMMAND__COMMAND_##name

static void
assert_refused(struct io_request *from)
{
	struct request request = { 0 };
	struct failure failure = { 0 };

	assert_int_equal(io_command_fill(&request, from, &failure), -EINVAL);
	assert_int_equal(failure.reason, FAILURE_INVALID);
	assert_int_equal(rpc_status_code(&failure),
			 GRPC_STATUS_INVALID_ARGUMENT);
	request_done(&request);
	io_request_done(from);
	failure_done(&failure);
}

static void
every_command_has_its_own(void **state)
{
	static const struct {
		uint32_t from;
		enum request_command to;
	} commands[] = {
		{ COMMAND(READ), REQUEST_READ },
		{ COMMAND(WRITE), REQUEST_WRITE },
		{ COMMAND(FLUSH), REQUEST_FLUSH },
		{ COMMAND(TRIM), REQUEST_TRIM },
		{ COMMAND(CACHE), REQUEST_CACHE },
		{ COMMAND(WRITE_ZEROES), REQUEST_ZERO },
		{ COMMAND(BLOCK_STATUS), REQUEST_BLOCK_STATUS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct io_request from = { .command = commands[i].from,
					   .offset = 1,
					   .length = 2,
					   .flags = 3 };
		struct failure failure = { 0 };
		struct request request = { 0 };

		assert_int_equal(io_command_fill(&request, &from, &failure), 0);
		assert_int_equal(request.command, commands[i].to);
		assert_int_equal(request.offset, 1);
		assert_int_equal(request.length, 2);
		assert_int_equal(request.flags, 3);
		assert_int_equal(request.deadline, 0);
		request_done(&request);
	}
}

static void
other_numbers_are_no_commands(void **state)
{
	static const uint32_t numbers[] = { 0, 3, 9, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_refused(&(struct io_request){ .command = numbers[i] });
}

static void
the_bytes_of_a_write_are_handed_over(void **state)
{
	struct io_request from = { .command = COMMAND(WRITE) };
	struct failure failure = { 0 };
	struct request request = { 0 };
	const void *given;
	void *bytes;

	(void)state;
	from.data = payload_allocate(100000, &bytes);
	memset(bytes, 7, 100000);
	given = from.data.bytes;
	assert_int_equal(io_command_size(&from), 100000);
	assert_int_equal(io_command_fill(&request, &from, &failure), 0);
	assert_ptr_equal(request.payload.data, given);
	assert_int_equal(request.payload.size, 100000);
	assert_null(from.data.owner);
	request_done(&request);
}

static void
only_writes_carry_bytes(void **state)
{
	struct io_request from = { .command = COMMAND(READ) };
	void *bytes;

	(void)state;
	from.data = payload_allocate(1, &bytes);
	assert_refused(&from);
}

static void
a_read_fits_a_message(void **state)
{
	(void)state;
	assert_refused(&(struct io_request){ .command = COMMAND(READ),
					     .length = RPC_WRITE_MAX + 1 });
}

static void
a_timeout_becomes_a_deadline(void **state)
{
	struct io_request from = { .command = COMMAND(FLUSH),
				   .timeout_ms = UINT32_MAX };
	struct failure failure = { 0 };
	struct request request = { 0 };
	uint64_t earliest = clock_now() + (uint64_t)UINT32_MAX * 1000000;

	(void)state;
	assert_int_equal(io_command_fill(&request, &from, &failure), 0);
	assert_true(request.deadline >= earliest);
	assert_true(request.deadline <=
		    clock_now() + (uint64_t)UINT32_MAX * 1000000);
}

static void
a_failure_keeps_its_words(void **state)
{
	struct failure failure = { .maybe_applied = true };
	Nbdclientd__V1__IoError *error;

	(void)state;
	failure_set(&failure, ENOTCONN, FAILURE_SERVER_UNREACHABLE,
		    "write: the connection was lost");
	failure_set_hint(&failure, "Look at the server.");
	failure_set_place(&failure, "disk", "nbd://example.com");
	failure.maybe_applied = true;
	error = rpc_error_from_failure(&failure);
	assert_int_equal(error->code, GRPC_STATUS_UNAVAILABLE);
	assert_string_equal(error->message, "write: the connection was lost");
	assert_string_equal(error->detail->errno_name, "ENOTCONN");
	assert_string_equal(error->detail->volume, "disk");
	assert_string_equal(error->detail->endpoint, "nbd://example.com");
	assert_string_equal(error->detail->hint, "Look at the server.");
	assert_int_equal(error->detail->applied,
			 NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE);
	codec_message_free(error);
	failure_done(&failure);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_has_its_own),
		cmocka_unit_test(other_numbers_are_no_commands),
		cmocka_unit_test(the_bytes_of_a_write_are_handed_over),
		cmocka_unit_test(only_writes_carry_bytes),
		cmocka_unit_test(a_read_fits_a_message),
		cmocka_unit_test(a_timeout_becomes_a_deadline),
		cmocka_unit_test(a_failure_keeps_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
