/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data channel, against a server in this process. */
#include "proto/channel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"
#include "tests/unit/proto/server.h"

#define LONG_MS 60000
#define BLOCK   512
#define MANY    1000

#define READ  NBDCLIENTD__V1__COMMAND__COMMAND_READ
#define WRITE NBDCLIENTD__V1__COMMAND__COMMAND_WRITE
#define FLUSH NBDCLIENTD__V1__COMMAND__COMMAND_FLUSH

struct fixture {
	struct server *server;
	struct client *client;
	struct channel *channel;
	struct channel_request requests[MANY];
	size_t n_ok;
	size_t n_failed;
	size_t n_maybe;
	struct client_error error;
	/* For requests that beget requests. */
	size_t n_more;
};

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->server = server_start();
	fixture->client = client_connect(server_address(fixture->server),
					 &fixture->error);
	assert_non_null(fixture->client);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	channel_free(fixture->channel);
	client_free(fixture->client);
	server_stop(fixture->server);
	free(fixture);
	return 0;
}

static void
open_channel(struct fixture *fixture, const char *volume)
{
	fixture->channel = channel_open(fixture->client, volume, LONG_MS,
					&fixture->error);
	assert_non_null(fixture->channel);
}

static void
count_reply(struct channel_request *request, struct io_reply *reply,
	    const struct client_error *error)
{
	struct fixture *fixture = request->user;

	assert_true((reply == NULL) != (error == NULL));
	/* Once, and only once. */
	assert_ptr_equal(request->on_reply, count_reply);
	request->on_reply = NULL;
	if (reply) {
		fixture->n_ok++;
		if (request->io.command == READ)
			assert_int_equal(reply->data.length,
					 request->io.length);
		return;
	}
	fixture->n_failed++;
	fixture->n_maybe += error->applied ==
			    NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE;
	fixture->error = *error;
}

static void
submit(struct fixture *fixture, size_t index, uint32_t command, uint64_t offset,
       uint64_t length)
{
	struct channel_request *request = &fixture->requests[index];
	void *room;

	*request = (struct channel_request){ .io.command = command,
					     .io.offset = offset,
					     .io.length = length,
					     .on_reply = count_reply,
					     .user = fixture };
	if (command == WRITE) {
		request->io.data = payload_allocate(length, &room);
		memset(room, (int)index, length);
	}
	channel_submit(fixture->channel, request);
}

static void
wait_for_all(struct fixture *fixture)
{
	while (channel_pending(fixture->channel) > 0)
		assert_true(channel_wait(fixture->channel, LONG_MS) > 0);
}

static void
the_opening_is_passed_on(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	assert_int_equal(channel_opened(fixture->channel)->max_in_flight,
			 SERVER_MAX_IN_FLIGHT);
	assert_int_equal(
		channel_close(fixture->channel, LONG_MS, &fixture->error), 0);
}

static void
a_volume_that_is_not_there_is_said_so(void **state)
{
	struct fixture *fixture = *state;

	assert_null(channel_open(fixture->client, "missing", LONG_MS,
				 &fixture->error));
	assert_int_equal(fixture->error.failure, CLIENT_REFUSED);
	assert_string_equal(fixture->error.errno_name, "ENOENT");
	assert_string_equal(fixture->error.volume, "missing");
}

static void
an_opening_has_a_time_limit(void **state)
{
	struct fixture *fixture = *state;

	assert_null(channel_open(fixture->client, "slow", 30, &fixture->error));
	assert_int_equal(fixture->error.failure, CLIENT_TIMED_OUT);
}

static void
many_requests_travel_in_few_messages(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	for (size_t i = 0; i < MANY; i++)
		submit(fixture, i, WRITE, i * BLOCK, BLOCK);
	assert_int_equal(channel_pending(fixture->channel), MANY);
	wait_for_all(fixture);
	assert_int_equal(fixture->n_ok, MANY);
	/* The first alone, then as many as the daemon wants in flight. */
	assert_in_range(server_n_messages(fixture->server),
			MANY / SERVER_MAX_IN_FLIGHT, MANY / 2);
	assert_int_equal(
		channel_close(fixture->channel, LONG_MS, &fixture->error), 0);
}

/* As many writes as may be in flight: how many came in one message at most. */
static size_t
count_together(struct fixture *fixture, uint64_t length)
{
	for (size_t i = 0; i < SERVER_MAX_IN_FLIGHT; i++)
		submit(fixture, i, WRITE, 0, length);
	wait_for_all(fixture);
	return server_take_most(fixture->server);
}

static void
of_many_small_writes_some_leave_before_the_rest(void **state)
{
	const size_t all_but_the_first = SERVER_MAX_IN_FLIGHT - 1;
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	/* Nine fit into 60 KiB. */
	assert_int_equal(count_together(fixture, 6 * 1024), 9);
	/* All fit. */
	assert_true(count_together(fixture, 2 * 1024) >= all_but_the_first);
	/* Four would. */
	assert_true(count_together(fixture, 12 * 1024) >= all_but_the_first);
	assert_int_equal(
		channel_close(fixture->channel, LONG_MS, &fixture->error), 0);
}

static void
check_block(struct channel_request *request, struct io_reply *reply,
	    const struct client_error *error)
{
	struct fixture *fixture = request->user;
	size_t index = (size_t)(request - fixture->requests);
	const uint8_t *bytes = reply->data.bytes;

	assert_null(error);
	assert_int_equal(reply->data.length, BLOCK);
	for (size_t i = 0; i < BLOCK; i++)
		assert_int_equal(bytes[i], (uint8_t)index);
	fixture->n_ok++;
}

static void
each_reply_finds_its_request(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	for (size_t i = 0; i < MANY; i++)
		submit(fixture, i, WRITE, i * BLOCK, BLOCK);
	wait_for_all(fixture);
	fixture->n_ok = 0;
	for (size_t i = 0; i < MANY; i++) {
		fixture->requests[i] =
			(struct channel_request){ .io.command = READ,
						  .io.offset = i * BLOCK,
						  .io.length = BLOCK,
						  .on_reply = check_block,
						  .user = fixture };
		channel_submit(fixture->channel, &fixture->requests[i]);
	}
	wait_for_all(fixture);
	assert_int_equal(fixture->n_ok, MANY);
}

static void
submit_again(struct channel_request *request, struct io_reply *reply,
	     const struct client_error *error)
{
	struct fixture *fixture = request->user;

	assert_non_null(reply);
	assert_null(error);
	fixture->n_ok++;
	if (fixture->n_more > 0) {
		fixture->n_more--;
		channel_submit(fixture->channel, request);
	}
}

static void
a_callback_may_submit(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	fixture->n_more = 500;
	for (size_t i = 0; i < 8; i++) {
		fixture->requests[i] = (struct channel_request){
			.io.command = READ,
			.io.length = BLOCK,
			.on_reply = submit_again,
			.user = fixture,
		};
		channel_submit(fixture->channel, &fixture->requests[i]);
	}
	wait_for_all(fixture);
	assert_int_equal(fixture->n_ok, 508);
}

static void
one_failed_request_does_not_end_the_channel(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	submit(fixture, 0, READ, UINT64_C(1) << 40, BLOCK);
	submit(fixture, 1, READ, 0, BLOCK);
	wait_for_all(fixture);
	assert_int_equal(fixture->n_ok, 1);
	assert_int_equal(fixture->n_failed, 1);
	assert_int_equal(fixture->error.failure, CLIENT_REFUSED);
	assert_string_equal(fixture->error.message, "beyond the end");
	assert_string_equal(fixture->error.volume, "disk");
	assert_int_equal(
		channel_close(fixture->channel, LONG_MS, &fixture->error), 0);
}

static void
a_request_that_is_too_large_fails_alone(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	submit(fixture, 0, READ, 0, BLOCK);
	submit(fixture, 1, WRITE, 0, 5 * MIB);
	submit(fixture, 2, READ, 0, BLOCK);
	wait_for_all(fixture);
	assert_int_equal(fixture->n_ok, 2);
	assert_int_equal(fixture->n_failed, 1);
	assert_string_equal(fixture->error.errno_name, "EMSGSIZE");
	assert_int_equal(fixture->n_maybe, 0);
}

static void
a_channel_that_is_dropped_fails_every_request_once(void **state)
{
	struct fixture *fixture = *state;
	const size_t n = 50;

	open_channel(fixture, "drop");
	for (size_t i = 0; i < n; i++)
		submit(fixture, i, WRITE, 0, BLOCK);
	wait_for_all(fixture);
	assert_int_equal(fixture->n_failed, n);
	/* Only those that were sent can have been carried out. */
	assert_in_range(fixture->n_maybe, 1, SERVER_MAX_IN_FLIGHT);
	assert_string_equal(fixture->error.message, "the daemon is leaving");
	/* And so does every later one. */
	submit(fixture, 0, READ, 0, BLOCK);
	assert_int_equal(channel_wait(fixture->channel, LONG_MS), 1);
	assert_int_equal(fixture->n_failed, n + 1);
	assert_int_equal(
		channel_close(fixture->channel, LONG_MS, &fixture->error),
		-ESHUTDOWN);
}

static void
a_channel_that_ends_well_too_soon_is_a_failure(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "closing");
	submit(fixture, 0, READ, 0, BLOCK);
	wait_for_all(fixture);
	assert_int_equal(fixture->n_failed, 1);
	assert_string_equal(fixture->error.errno_name, "EPIPE");
}

static void
an_answer_to_nothing_ends_the_channel(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "stranger");
	submit(fixture, 0, READ, 0, BLOCK);
	wait_for_all(fixture);
	assert_int_equal(fixture->n_failed, 1);
	assert_int_equal(fixture->error.failure, CLIENT_BROKEN);
	assert_string_equal(fixture->error.errno_name, "EBADMSG");
}

static void
a_daemon_that_dies_fails_every_request(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	submit(fixture, 0, READ, 0, BLOCK);
	wait_for_all(fixture);
	server_kill(fixture->server);
	for (size_t i = 1; i < 40; i++)
		submit(fixture, i, WRITE, 0, BLOCK);
	wait_for_all(fixture);
	assert_int_equal(fixture->n_ok, 1);
	assert_int_equal(fixture->n_failed, 39);
	assert_int_equal(fixture->error.failure, CLIENT_NOT_REACHABLE);
}

static void
freeing_a_channel_ends_its_requests(void **state)
{
	struct fixture *fixture = *state;
	const size_t n = 100;

	open_channel(fixture, "disk");
	for (size_t i = 0; i < n; i++)
		submit(fixture, i, WRITE, 0, BLOCK);
	channel_free(fixture->channel);
	fixture->channel = NULL;
	assert_int_equal(fixture->n_ok + fixture->n_failed, n);
	assert_int_equal(fixture->error.failure, CLIENT_INTERRUPTED);
}

static void
interrupting_the_client_ends_its_requests(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	client_interrupt(fixture->client);
	submit(fixture, 0, WRITE, 0, BLOCK);
	submit(fixture, 1, WRITE, 0, BLOCK);
	wait_for_all(fixture);
	assert_int_equal(fixture->n_failed, 2);
	assert_int_equal(fixture->error.failure, CLIENT_INTERRUPTED);
}

static void
waiting_for_nothing_takes_no_time(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	assert_int_equal(channel_wait(fixture->channel, CLIENT_FOREVER), 0);
}

static void
a_unary_call_and_a_channel_share_a_client(void **state)
{
	struct fixture *fixture = *state;
	struct payload data;

	open_channel(fixture, "disk");
	submit(fixture, 0, WRITE, 0, BLOCK);
	/* Replies may come while the call is waited for. */
	assert_int_equal(client_read(fixture->client, "disk", 0, 1, LONG_MS,
				     &data, &fixture->error),
			 0);
	payload_release(&data);
	wait_for_all(fixture);
	assert_int_equal(fixture->n_ok, 1);
}

static void
closing_waits_for_what_is_pending(void **state)
{
	struct fixture *fixture = *state;

	open_channel(fixture, "disk");
	for (size_t i = 0; i < 100; i++)
		submit(fixture, i, FLUSH, 0, 0);
	assert_int_equal(
		channel_close(fixture->channel, LONG_MS, &fixture->error), 0);
	assert_int_equal(fixture->n_ok, 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_opening_is_passed_on),
		TEST(a_volume_that_is_not_there_is_said_so),
		TEST(an_opening_has_a_time_limit),
		TEST(many_requests_travel_in_few_messages),
		TEST(of_many_small_writes_some_leave_before_the_rest),
		TEST(each_reply_finds_its_request),
		TEST(a_callback_may_submit),
		TEST(one_failed_request_does_not_end_the_channel),
		TEST(a_request_that_is_too_large_fails_alone),
		TEST(a_channel_that_is_dropped_fails_every_request_once),
		TEST(a_channel_that_ends_well_too_soon_is_a_failure),
		TEST(an_answer_to_nothing_ends_the_channel),
		TEST(a_daemon_that_dies_fails_every_request),
		TEST(freeing_a_channel_ends_its_requests),
		TEST(interrupting_the_client_ends_its_requests),
		TEST(waiting_for_nothing_takes_no_time),
		TEST(a_unary_call_and_a_channel_share_a_client),
		TEST(closing_waits_for_what_is_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
