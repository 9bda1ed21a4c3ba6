/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a program's own loop lives on: descriptors, directions, events, polls
 * and cookies.
 */
#include <errno.h>
#include <fcntl.h>
#include <libnbd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/server.h"
#include "tests/unit/api/situations.h"
#include "tests/unit/api/support.h"

enum {
	READ = LIBNBD_AIO_DIRECTION_READ,
	WRITE = LIBNBD_AIO_DIRECTION_WRITE,
};

static int
start(void **state)
{
	(void)state;
	situations_start();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	situations_stop();
	return 0;
}

static void
the_direction_follows_the_state(void **state)
{
	static const unsigned expected[N_SITUATIONS] = {
		0, READ, 0, READ, 0, 0
	};

	(void)state;
	for (size_t i = 0; i < N_SITUATIONS; i++) {
		struct nbd_handle *h = situations[i].make();

		if (nbd_aio_get_direction(h) != expected[i])
			fail_msg("%s: direction %u", situations[i].name,
				 nbd_aio_get_direction(h));
		situation_end(h);
	}
}

static void
a_descriptor_is_there_while_a_socket_is(void **state)
{
	static const bool expected[N_SITUATIONS] = { false, true,  true,
						     true,  false, false };

	(void)state;
	for (size_t i = 0; i < N_SITUATIONS; i++) {
		struct nbd_handle *h = situations[i].make();
		int fd = nbd_aio_get_fd(h);

		if (expected[i]) {
			assert_true(fd >= 0);
			assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
			assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		} else {
			assert_fails_with(nbd_aio_get_fd(h), EINVAL,
					  "connection is not in a connected "
					  "state");
		}
		situation_end(h);
	}
}

/* The lock-free questions, in the order of the situations. */
static void
exactly_one_state_is_the_state(void **state)
{
	int (*const is[N_SITUATIONS])(struct nbd_handle *) = {
		nbd_aio_is_created,     nbd_aio_is_connecting,
		nbd_aio_is_negotiating, nbd_aio_is_ready,
		nbd_aio_is_closed,      nbd_aio_is_dead,
	};

	(void)state;
	for (size_t i = 0; i < N_SITUATIONS; i++) {
		struct nbd_handle *h = situations[i].make();
		const char *name = nbd_connection_state(h);

		for (size_t j = 0; j < N_SITUATIONS; j++)
			if (is[j](h) != (i == j))
				fail_msg("%s: state %zu", situations[i].name,
					 j);
		assert_int_equal(nbd_aio_is_processing(h), 0);
		assert_memory_equal(name, situations[i].state,
				    strlen(situations[i].state));
		assert_memory_equal(name + strlen(situations[i].state), ": ",
				    2);
		situation_end(h);
	}
}

static void
unexpected_events_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SITUATIONS; i++) {
		struct nbd_handle *h = situations[i].make();
		unsigned direction = nbd_aio_get_direction(h);
		char expected[64];

		snprintf(expected, sizeof(expected),
			 "external event 1 is invalid in state %s",
			 situations[i].state);
		assert_fails_with(nbd_aio_notify_write(h), EINVAL, expected);
		expected[strlen("external event ")] = '0';
		if (direction & READ)
			assert_int_equal(nbd_aio_notify_read(h), 0);
		else
			assert_fails_with(nbd_aio_notify_read(h), EINVAL,
					  expected);
		/* Nothing has changed by that. */
		assert_int_equal(nbd_aio_get_direction(h), direction);
		assert_memory_equal(nbd_connection_state(h),
				    situations[i].state,
				    strlen(situations[i].state));
		situation_end(h);
	}
}

static void
polling_for_nothing_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SITUATIONS; i++) {
		struct nbd_handle *h = situations[i].make();
		char expected[64];

		snprintf(expected, sizeof(expected),
			 "nothing to poll for in state %s",
			 situations[i].state);
		if (nbd_aio_get_direction(h)) {
			assert_int_equal(nbd_poll(h, 0), 0);
			assert_int_equal(nbd_poll2(h, -1, 0), 0);
		} else {
			assert_fails_with(nbd_poll(h, 0), EINVAL, expected);
			assert_fails_with(nbd_poll2(h, -1, 0), EINVAL,
					  expected);
		}
		situation_end(h);
	}
}

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void
a_poll_ends_when_its_time_is_over(void **state)
{
	struct nbd_handle *h = situation_connected();
	double start_time = now();

	(void)state;
	assert_int_equal(nbd_poll(h, 50), 0);
	assert_true(now() - start_time > 0.04);
	assert_int_equal(nbd_poll2(h, -1, 50), 0);
	assert_true(now() - start_time > 0.09);
	situation_end(h);
}

static void
poll2_wakes_up_for_the_other_descriptor(void **state)
{
	struct nbd_handle *h = situation_connected();
	int pipe_fds[2];

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(nbd_poll2(h, pipe_fds[0], 0), 0);
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	assert_int_equal(nbd_poll2(h, pipe_fds[0], -1), 1);
	/* It only looks: the byte is still there. */
	assert_int_equal(nbd_poll2(h, pipe_fds[0], -1), 1);
	assert_int_equal(nbd_aio_is_ready(h), 1);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	situation_end(h);
}

static void
cookies_tell_what_became_of_commands(void **state)
{
	struct nbd_handle *h = situation_connected();
	char buffer[512];
	int64_t good, bad;
	int completed;

	(void)state;
	assert_fails_with(nbd_aio_command_completed(h, 0), EINVAL, "cookie");
	assert_int_equal(nbd_aio_command_completed(h, 77), 0);
	assert_fails_with(nbd_aio_peek_command_completed(h), EINVAL,
			  "no commands are in flight");
	assert_int_equal(nbd_aio_in_flight(h), 0);

	assert_int_equal(nbd_set_strict_mode(h, 0), 0);
	good = nbd_aio_pread(h, buffer, 512, 0, NBD_NULL_COMPLETION, 0);
	bad = nbd_aio_pread(h, buffer, 512, 1 << 20, NBD_NULL_COMPLETION, 0);
	assert_int_equal(good, 1);
	assert_int_equal(bad, 2);
	assert_int_equal(nbd_aio_in_flight(h), 2);
	/* Nothing arrives without an event. */
	assert_int_equal(nbd_aio_peek_command_completed(h), 0);
	assert_int_equal(nbd_get_errno(), 0);
	while (nbd_aio_in_flight(h) > 0)
		assert_int_equal(nbd_poll(h, -1), 1);

	assert_true(nbd_aio_peek_command_completed(h) >= 1);
	assert_int_equal(nbd_aio_command_completed(h, (uint64_t)good), 1);
	assert_int_equal(nbd_aio_command_completed(h, (uint64_t)good), 0);
	assert_int_equal(nbd_aio_peek_command_completed(h), bad);
	completed = nbd_aio_command_completed(h, (uint64_t)bad);
	assert_int_equal(completed, -1);
	assert_int_equal(nbd_get_errno(), EINVAL);
	assert_non_null(strstr(nbd_get_error(),
			       "nbd_aio_command_completed: read: command "
			       "failed"));
	assert_int_equal(nbd_aio_command_completed(h, (uint64_t)bad), 0);
	assert_fails_with(nbd_aio_peek_command_completed(h), EINVAL, "flight");
	situation_end(h);
}

/* A loop of the program's own, as the manual of poll(2) has it. */
static void
run_loop(struct nbd_handle *h)
{
	struct pollfd fd = { .fd = nbd_aio_get_fd(h) };
	unsigned direction = nbd_aio_get_direction(h);

	fd.events = (short)((direction & READ ? POLLIN : 0) |
			    (direction & WRITE ? POLLOUT : 0));
	assert_int_equal(poll(&fd, 1, 10000), 1);
	if (fd.revents & (POLLIN | POLLHUP))
		(void)nbd_aio_notify_read(h);
	else
		(void)nbd_aio_notify_write(h);
}

static void
writes_larger_than_the_socket_go_both_ways(void **state)
{
	enum {
		SIZE = 1 << 20,
		N = 32
	};
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	struct server server;
	static char data[SIZE];

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	process_signal(server.pid, SIGSTOP);
	for (size_t i = 0; i < N; i++) {
		assert_true(nbd_aio_pwrite(h, data, SIZE, 0,
					   NBD_NULL_COMPLETION, 0) > 0);
	}
	assert_int_equal(nbd_aio_is_processing(h), 1);
	assert_int_equal(nbd_aio_is_ready(h), 0);
	assert_int_equal(nbd_aio_get_direction(h), READ | WRITE);
	assert_memory_equal(nbd_connection_state(h), "PROCESSING: ", 12);
	process_signal(server.pid, SIGCONT);
	while (nbd_aio_in_flight(h) > 0)
		run_loop(h);
	assert_int_equal(nbd_aio_is_ready(h), 1);
	assert_int_equal(nbd_aio_get_direction(h), READ);
	server_stop(&server);
}

/* The refusal shows only later, as a hang-up; the name has no other address,
 * so the handle can be connected again. */
static void
a_loop_sees_a_refused_connection(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	int n = 0;

	(void)state;
	(void)nbd_aio_connect_tcp(h, "127.0.0.1", "1");
	while (nbd_aio_is_connecting(h) && n++ < 10)
		run_loop(h);
	assert_int_equal(nbd_aio_is_created(h), 1);
	assert_int_equal(nbd_get_errno(), ECONNREFUSED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_direction_follows_the_state),
		cmocka_unit_test(a_descriptor_is_there_while_a_socket_is),
		cmocka_unit_test(exactly_one_state_is_the_state),
		cmocka_unit_test(unexpected_events_are_refused),
		cmocka_unit_test(polling_for_nothing_is_refused),
		cmocka_unit_test(a_poll_ends_when_its_time_is_over),
		cmocka_unit_test(poll2_wakes_up_for_the_other_descriptor),
		cmocka_unit_test(cookies_tell_what_became_of_commands),
		cmocka_unit_test(writes_larger_than_the_socket_go_both_ways),
		cmocka_unit_test(a_loop_sees_a_refused_connection),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start, stop);
}
