/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls with many messages, against a server in this process. */
#include "proto/client_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "nbdclientd/v1/io.pb-c.h"
#include "nbdclientd/v1/negotiation.pb-c.h"
#include "tests/support/unit.h"
#include "tests/unit/proto/server.h"

/* Nothing that is waited for takes so long. */
#define LONG_MS 60000

struct fixture {
	struct server *server;
	struct client *client;
};

static int
set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct client_error error;

	assert_non_null(fixture);
	fixture->server = server_start();
	fixture->client = client_connect(server_address(fixture->server),
					 &error);
	assert_non_null(fixture->client);
	*state = fixture;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *fixture = *state;

	client_free(fixture->client);
	server_stop(fixture->server);
	free(fixture);
	return 0;
}

static struct client_stream *
open_block_status(struct fixture *fixture, const char *volume)
{
	Nbdclientd__V1__BlockStatusRequest request =
		NBDCLIENTD__V1__BLOCK_STATUS_REQUEST__INIT;
	struct client_error error;
	char copy[64];

	snprintf(copy, sizeof(copy), "%s", volume);
	request.volume = copy;
	return client_stream_open(fixture->client, RPC_IO_BLOCK_STATUS,
				  &request, LONG_MS, &error);
}

static void
a_stream_is_read_to_its_end(void **state)
{
	struct client_stream *stream = open_block_status(*state, "disk");
	Nbdclientd__V1__BlockStatusResponse *response;
	struct client_error error;

	assert_non_null(stream);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(
			client_stream_receive(stream, &response, &error), 1);
		assert_true(response->contexts[0]->offset == i * 1024);
		codec_message_free(response);
	}
	assert_int_equal(client_stream_receive(stream, &response, &error), 0);
	assert_null(response);
	assert_int_equal(client_stream_receive(stream, &response, &error), 0);
	client_stream_free(stream);
}

static void
a_stream_that_fails_says_why_again_and_again(void **state)
{
	struct client_stream *stream = open_block_status(*state, "missing");
	void *response;
	struct client_error error;

	assert_int_equal(client_stream_receive(stream, &response, &error), 1);
	codec_message_free(response);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			client_stream_receive(stream, &response, &error),
			-ENOENT);
		assert_string_equal(error.message,
				    "no volume is called missing");
	}
	client_stream_free(stream);
}

static void
a_stream_ends_at_nonsense(void **state)
{
	struct client_stream *stream = open_block_status(*state, "nonsense");
	void *response;
	struct client_error error;

	assert_int_equal(client_stream_receive(stream, &response, &error), 1);
	codec_message_free(response);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			client_stream_receive(stream, &response, &error),
			-EBADMSG);
		assert_int_equal(error.failure, CLIENT_BROKEN);
	}
	client_stream_free(stream);
}

static void
a_stream_may_be_left_early(void **state)
{
	struct client_stream *stream = open_block_status(*state, "slow");

	assert_non_null(stream);
	client_stream_free(stream);
}

static int
negotiate_step(struct client_stream *stream, uint64_t id,
	       Nbdclientd__V1__NegotiateRequest__StepCase step,
	       Nbdclientd__V1__NegotiateResponse **response,
	       struct client_error *error)
{
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;
	Nbdclientd__V1__NegotiateConnect connect =
		NBDCLIENTD__V1__NEGOTIATE_CONNECT__INIT;
	Nbdclientd__V1__NegotiateList list =
		NBDCLIENTD__V1__NEGOTIATE_LIST__INIT;
	Nbdclientd__V1__NegotiateAbort abort_step =
		NBDCLIENTD__V1__NEGOTIATE_ABORT__INIT;

	request.id = id;
	request.step_case = step;
	if (step == NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_CONNECT)
		request.connect = &connect;
	else if (step == NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_LIST)
		request.list = &list;
	else
		request.abort = &abort_step;
	return client_stream_step(stream, &request, response, error);
}

static void
negotiation_goes_step_by_step(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;
	Nbdclientd__V1__NegotiateResponse *response;
	struct client_stream *stream = client_stream_open(
		fixture->client, RPC_NEGOTIATION_NEGOTIATE, NULL, LONG_MS,
		&error);

	assert_non_null(stream);
	assert_int_equal(
		negotiate_step(stream, 7,
			       NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_CONNECT,
			       &response, &error),
		1);
	assert_int_equal(response->id, 7);
	assert_int_equal(response->result_case,
			 NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_ERROR);
	codec_message_free(response);
	assert_int_equal(
		negotiate_step(stream, 8,
			       NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_LIST,
			       &response, &error),
		1);
	assert_int_equal(response->id, 8);
	codec_message_free(response);
	assert_int_equal(
		negotiate_step(stream, 9,
			       NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_ABORT,
			       &response, &error),
		0);
	/* The call is over: there is no next step. */
	assert_int_equal(
		negotiate_step(stream, 10,
			       NBDCLIENTD__V1__NEGOTIATE_REQUEST__STEP_LIST,
			       &response, &error),
		-EPIPE);
	client_stream_free(stream);
}

static void
half_closing_lets_the_daemon_finish(void **state)
{
	struct fixture *fixture = *state;
	struct client_error error;
	void *response;
	struct client_stream *stream = client_stream_open(
		fixture->client, RPC_NEGOTIATION_NEGOTIATE, NULL, LONG_MS,
		&error);
	Nbdclientd__V1__NegotiateRequest request =
		NBDCLIENTD__V1__NEGOTIATE_REQUEST__INIT;

	assert_int_equal(client_stream_send(stream, &request, &error), 0);
	assert_int_equal(client_stream_half_close(stream, &error), 0);
	assert_int_equal(client_stream_receive(stream, &response, &error), 1);
	codec_message_free(response);
	assert_int_equal(client_stream_receive(stream, &response, &error), 0);
	client_stream_free(stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stream_is_read_to_its_end),
		TEST(a_stream_that_fails_says_why_again_and_again),
		TEST(a_stream_ends_at_nonsense),
		TEST(a_stream_may_be_left_early),
		TEST(negotiation_goes_step_by_step),
		TEST(half_closing_lets_the_daemon_finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
