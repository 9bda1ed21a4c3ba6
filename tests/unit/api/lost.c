/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a call returns when the connection ends inside of it, and waits that
 * signals interrupt. The server is the other end of a socketpair.
 */
#include <errno.h>
#include <libnbd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/api/support.h"

static const char oldstyle[152] = "NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53"
				  "\x00\x00\x00\x00\x00\x10\x00\x00"
				  "\x00\x00\x00\x05";
static const char newstyle[18] = "NBDMAGICIHAVEOPT\x00\x03";

/* A handle whose server has said no more than GREETING. */
static struct nbd_handle *
greeted(const char *greeting, size_t size, int *server)
{
	struct nbd_handle *h = nbd_create();
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(write(pair[1], greeting, size), size);
	assert_int_equal(nbd_set_request_structured_replies(h, false), 0);
	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	if (nbd_connect_socket(h, pair[0]) != 0)
		fail_msg("%s", nbd_get_error());
	*server = pair[1];
	return h;
}

struct ending {
	int n_calls;
	int error;
	int n_frees;
};

static int
end(void *data, int *error)
{
	struct ending *ending = data;

	ending->n_calls++;
	ending->error = *error;
	return 0;
}

static void
end_free(void *data)
{
	((struct ending *)data)->n_frees++;
}

#define ENDING(ending) ((nbd_completion_callback){ end, (ending), end_free })

static void
a_command_that_was_queued_has_a_cookie(void **state)
{
	struct ending ending = { 0 };
	int server;
	CLEANUP_HANDLE struct nbd_handle *h = greeted(
		oldstyle, sizeof(oldstyle), &server);
	int64_t cookie;

	(void)state;
	close(server);
	cookie = nbd_aio_flush(h, ENDING(&ending), 0);
	assert_int_equal(cookie, 1);
	while (!nbd_aio_is_closed(h) && !nbd_aio_is_dead(h))
		(void)nbd_poll(h, -1);
	assert_int_equal(ending.n_calls, 1);
	assert_int_equal(ending.error, ENOTCONN);
	assert_int_equal(ending.n_frees, 0);
	assert_int_equal(nbd_aio_in_flight(h), 0);
	assert_fails_with(nbd_aio_command_completed(h, (uint64_t)cookie),
			  ENOTCONN, "command failed");
	assert_int_equal(ending.n_calls, 1);
	assert_int_equal(ending.n_frees, 1);
	assert_fails_with(nbd_aio_flush(h, NBD_NULL_COMPLETION, 0), EINVAL,
			  "invalid state");
}

static void
an_option_that_was_queued_is_no_failure(void **state)
{
	struct ending ending = { 0 };
	int server;
	CLEANUP_HANDLE struct nbd_handle *h = greeted(
		newstyle, sizeof(newstyle), &server);

	(void)state;
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	close(server);
	assert_int_equal(nbd_aio_opt_info(h, ENDING(&ending)), 0);
	while (nbd_aio_is_connecting(h))
		(void)nbd_poll(h, -1);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	assert_int_equal(ending.n_calls, 1);
	assert_int_not_equal(ending.error, 0);
	assert_int_equal(ending.n_frees, 1);
}

/* What is complete and was not retired is complete all the same. */
static void
closing_completes_nothing_twice(void **state)
{
	static const char reply[16] = "\x67\x44\x66\x98\x00\x00\x00\x05"
				      "\x00\x00\x00\x00\x00\x00\x00\x01";
	struct ending endings[2] = { { 0 } };
	int server;
	struct nbd_handle *h = greeted(oldstyle, sizeof(oldstyle), &server);

	(void)state;
	assert_int_equal(nbd_aio_flush(h, ENDING(&endings[0]), 0), 1);
	assert_int_equal(nbd_aio_flush(h, ENDING(&endings[1]), 0), 2);
	assert_int_equal(write(server, reply, sizeof(reply)), sizeof(reply));
	while (endings[0].n_calls == 0)
		assert_int_equal(nbd_poll(h, -1), 1);
	assert_int_equal(endings[0].error, EIO);
	assert_int_equal(endings[1].n_calls, 0);
	nbd_close(h);
	assert_int_equal(endings[0].n_calls, 1);
	assert_int_equal(endings[0].error, EIO);
	assert_int_equal(endings[0].n_frees, 1);
	assert_int_equal(endings[1].n_calls, 1);
	assert_int_equal(endings[1].error, ENOTCONN);
	assert_int_equal(endings[1].n_frees, 1);
	close(server);
}

/* What the caller of a synchronous function sees is why. */
static void
a_synchronous_call_says_why(void **state)
{
	int server;
	CLEANUP_HANDLE struct nbd_handle *h = greeted(
		oldstyle, sizeof(oldstyle), &server);

	(void)state;
	/* Another magic than that of a reply. */
	assert_int_equal(write(server, "nonsense", 8), 8);
	assert_fails_with(nbd_flush(h, 0), EPROTO, "reply magic 0x6e6f6e73");
	assert_int_equal(nbd_aio_is_dead(h), 1);
	close(server);
}

static atomic_int n_signals;

static void
on_signal(int signum)
{
	(void)signum;
	n_signals++;
}

struct waiting {
	pthread_t waiter;
	int server;
};

/* Interrupts the other thread until it was seen often enough, then answers. */
static void *
interrupt(void *data)
{
	static const char reply[16] = "\x67\x44\x66\x98\x00\x00\x00\x00"
				      "\x00\x00\x00\x00\x00\x00\x00\x01";
	const struct waiting *waiting = data;
	char request[28];

	if (recv(waiting->server, request, sizeof(request), MSG_WAITALL) !=
	    sizeof(request))
		return NULL;
	while (n_signals < 20) {
		int before = n_signals;

		pthread_kill(waiting->waiter, SIGUSR1);
		while (n_signals == before)
			sched_yield();
	}
	if (write(waiting->server, reply, sizeof(reply)) != sizeof(reply))
		return NULL;
	return data;
}

/* Runs CALL while signals arrive that do not restart system calls. */
static void
under_signals(int server, int (*call)(struct nbd_handle *h),
	      struct nbd_handle *h)
{
	/* No SA_RESTART. */
	const struct sigaction action = { .sa_handler = on_signal };
	struct sigaction saved;
	struct waiting waiting = { pthread_self(), server };
	pthread_t thread;
	void *result;

	n_signals = 0;
	sigaction(SIGUSR1, &action, &saved);
	assert_int_equal(pthread_create(&thread, NULL, interrupt, &waiting), 0);
	if (call(h) < 0)
		fail_msg("%s", nbd_get_error());
	pthread_join(thread, &result);
	sigaction(SIGUSR1, &saved, NULL);
	assert_non_null(result);
	assert_true(n_signals >= 20);
}

static int
call_flush(struct nbd_handle *h)
{
	return nbd_flush(h, 0);
}

static int
call_poll(struct nbd_handle *h)
{
	return nbd_poll(h, -1) == 1 && nbd_aio_in_flight(h) == 0 ? 0 : -1;
}

static int
call_poll2(struct nbd_handle *h)
{
	return nbd_poll2(h, -1, -1) == 1 && nbd_aio_in_flight(h) == 0 ? 0 : -1;
}

static void
signals_do_not_end_a_wait(void **state)
{
	static int (*const calls[])(struct nbd_handle *
				    h) = { call_flush, call_poll, call_poll2 };

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int server;
		CLEANUP_HANDLE struct nbd_handle *h = greeted(
			oldstyle, sizeof(oldstyle), &server);

		if (calls[i] != call_flush)
			assert_int_equal(
				nbd_aio_flush(h, NBD_NULL_COMPLETION, 0), 1);
		under_signals(server, calls[i], h);
		close(server);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_that_was_queued_has_a_cookie),
		cmocka_unit_test(an_option_that_was_queued_is_no_failure),
		cmocka_unit_test(closing_completes_nothing_twice),
		cmocka_unit_test(a_synchronous_call_says_why),
		cmocka_unit_test(signals_do_not_end_a_wait),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
