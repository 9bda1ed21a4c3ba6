/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Completions that are taken where they come about, and those that are passed
 * on: of a server and a client on one queue, in one thread. */
#include "daemon/rpc/operation.h"

#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <sys/socket.h>

#include "tests/support/unit.h"

struct ends {
	grpc_completion_queue *queue;
	grpc_server *server;
	grpc_channel *channel;
	/* One call, seen from both sides. */
	grpc_call *client;
	grpc_call *served;
	grpc_call_details details;
	grpc_metadata_array metadata;
	grpc_metadata_array initial, trailing;
	grpc_status_code status;
	grpc_slice status_text;
};

/* What the events were told. */
static int n_run;
static bool was_ok;

static void
count(struct rpc_event *event, bool ok)
{
	(void)event;
	n_run++;
	was_ok = ok;
}

/* Runs one event, as the RPC thread does: which. */
static struct rpc_event *
run_next(struct ends *ends)
{
	grpc_event next = grpc_completion_queue_next(
		ends->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

	assert_int_equal(next.type, GRPC_OP_COMPLETE);
	rpc_event_run(next.tag, next.success != 0);
	return next.tag;
}

static void
begin_call(struct ends *ends)
{
	struct rpc_event asked = { .run = count };
	struct rpc_event accepted = { .run = count };
	grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA };
	struct rpc_event *first;

	ends->client = grpc_channel_create_call(
		ends->channel, NULL, GRPC_PROPAGATE_DEFAULTS, ends->queue,
		grpc_slice_from_static_string("/a/b"), NULL,
		gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	grpc_call_details_init(&ends->details);
	grpc_metadata_array_init(&ends->metadata);
	assert_int_equal(grpc_server_request_call(ends->server, &ends->served,
						  &ends->details,
						  &ends->metadata, ends->queue,
						  ends->queue, &accepted),
			 GRPC_CALL_OK);
	operation_start(ends->client, &op, 1, &asked);
	first = run_next(ends);
	assert_ptr_not_equal(run_next(ends), first);
	assert_true(was_ok);
}

static int
set_up(void **state)
{
	static struct ends ends;
	grpc_server_credentials *of_server =
		grpc_insecure_server_credentials_create();
	grpc_channel_credentials *of_client =
		grpc_insecure_credentials_create();
	int fds[2];

	grpc_init();
	ends = (struct ends){ .status_text = grpc_empty_slice() };
	ends.queue = grpc_completion_queue_create_for_next(NULL);
	ends.server = grpc_server_create(NULL, NULL);
	grpc_server_register_completion_queue(ends.server, ends.queue, NULL);
	grpc_server_start(ends.server);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       fds) < 0)
		return -1;
	grpc_server_add_channel_from_fd(ends.server, fds[0], of_server);
	ends.channel = grpc_channel_create_from_fd("test", fds[1], of_client,
						   NULL);
	grpc_server_credentials_release(of_server);
	grpc_channel_credentials_release(of_client);
	grpc_metadata_array_init(&ends.initial);
	grpc_metadata_array_init(&ends.trailing);
	begin_call(&ends);
	n_run = 0;
	*state = &ends;
	return 0;
}

static int
tear_down(void **state)
{
	struct ends *ends = *state;
	struct rpc_event over = { .run = count };

	grpc_call_unref(ends->client);
	grpc_call_unref(ends->served);
	grpc_channel_destroy(ends->channel);
	grpc_server_shutdown_and_notify(ends->server, ends->queue, &over);
	while (run_next(ends) != &over)
		;
	grpc_server_destroy(ends->server);
	grpc_completion_queue_shutdown(ends->queue);
	while (grpc_completion_queue_next(
		       ends->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL)
		       .type != GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(ends->queue);
	grpc_call_details_destroy(&ends->details);
	grpc_metadata_array_destroy(&ends->metadata);
	grpc_metadata_array_destroy(&ends->initial);
	grpc_metadata_array_destroy(&ends->trailing);
	grpc_slice_unref(ends->status_text);
	grpc_shutdown();
	return 0;
}

static void
what_has_left_is_told_at_once_and_not_again(void **state)
{
	struct ends *ends = *state;
	struct rpc_event sent = { .run = count };
	struct rpc_event after = { .run = count };
	grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA };
	bool ok = false;

	assert_true(operation_start_now(ends->queue, ends->served, &op, 1,
					&sent, &ok));
	assert_true(ok);
	assert_int_equal(n_run, 0);
	operation_start(ends->served, NULL, 0, &after);
	assert_ptr_equal(run_next(ends), &after);
	assert_int_equal(n_run, 1);
}

static void
what_is_not_done_is_told_later(void **state)
{
	struct ends *ends = *state;
	struct rpc_event closed = { .run = count };
	grpc_op watch = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };
	grpc_op status = { .op = GRPC_OP_RECV_STATUS_ON_CLIENT };
	grpc_op initial = { .op = GRPC_OP_RECV_INITIAL_METADATA };
	grpc_op both[2];
	struct rpc_event ended = { .run = count };
	int cancelled = 0;
	bool ok;

	watch.data.recv_close_on_server.cancelled = &cancelled;
	assert_false(operation_start_now(ends->queue, ends->served, &watch, 1,
					 &closed, &ok));
	initial.data.recv_initial_metadata.recv_initial_metadata =
		&ends->initial;
	status.data.recv_status_on_client.trailing_metadata = &ends->trailing;
	status.data.recv_status_on_client.status = &ends->status;
	status.data.recv_status_on_client.status_details = &ends->status_text;
	both[0] = initial;
	both[1] = status;
	operation_start(ends->client, both, 2, &ended);
	grpc_call_cancel(ends->client, NULL);
	while (!cancelled)
		run_next(ends);
	assert_in_range(n_run, 1, 2);
	if (n_run == 1)
		assert_ptr_equal(run_next(ends), &ended);
	assert_int_equal(ends->status, GRPC_STATUS_CANCELLED);
}

/* A server's status ends the call, and gRPC tells of that, too. */
static void
another_completion_is_passed_on_with_its_outcome(void **state)
{
	struct ends *ends = *state;
	struct rpc_event closed = { .run = count };
	struct rpc_event finished = { .run = count };
	grpc_op watch = { .op = GRPC_OP_RECV_CLOSE_ON_SERVER };
	grpc_op ops[2] = { { .op = GRPC_OP_SEND_INITIAL_METADATA },
			   { .op = GRPC_OP_SEND_STATUS_FROM_SERVER } };
	int cancelled = 0;
	bool ok = true;
	bool is_told;

	watch.data.recv_close_on_server.cancelled = &cancelled;
	operation_start(ends->served, &watch, 1, &closed);
	ops[1].data.send_status_from_server.status = GRPC_STATUS_ABORTED;
	is_told = operation_start_now(ends->queue, ends->served, ops, 2,
				      &finished, &ok);
	assert_true(ok);
	/* Whichever it was that came first: each is told once. */
	if (!is_told) {
		struct rpc_event *first = run_next(ends);

		assert_ptr_equal(run_next(ends) == &closed ? first : &finished,
				 &finished);
	} else {
		assert_ptr_equal(run_next(ends), &closed);
	}
	assert_true(was_ok);
	assert_int_equal(n_run, is_told ? 1 : 2);
}

static void
a_failure_that_is_passed_on_stays_one(void **state)
{
	struct rpc_event event = { .run = count,
				   .is_passed_on = true,
				   .has_failed = true };

	(void)state;
	rpc_event_run(&event, true);
	assert_false(was_ok);
	rpc_event_run(&event, true);
	assert_true(was_ok);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_has_left_is_told_at_once_and_not_again, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_done_is_told_later,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			another_completion_is_passed_on_with_its_outcome,
			set_up, tear_down),
		cmocka_unit_test(a_failure_that_is_passed_on_stays_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
