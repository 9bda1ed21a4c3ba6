/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What <libnbd-ext.h> adds, on real servers: some of them stand still, one
 * speaks very slowly.
 */
#include <libnbd-ext.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"

enum {
	SOON = 200,   /* milliseconds: a timeout that a test waits for */
	LATER = 5000, /* what it must never take */
	BLOCK = 65536,
};

static void
cleanup_handle(struct nbd_handle **h)
{
	nbd_close(*h);
}

#define CLEANUP_HANDLE __attribute__((cleanup(cleanup_handle)))

/* Of the test that runs. */
static struct server server;
static int64_t begun;

static int64_t
now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int
start(void **state)
{
	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 64M");
	begun = now_ms();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

static struct nbd_handle *
connected(void)
{
	struct nbd_handle *h = nbd_create();

	assert_nbd_ok(nbd_connect_uri(h, server.uri));
	return h;
}

/* The call failed with ERRNUM, when its time was over and not much later. */
static void
assert_given_up(struct nbd_handle *h, int result, int errnum)
{
	int64_t taken = now_ms() - begun;

	if (result != -1 || nbd_get_errno() != errnum)
		fail_msg("result %d, errno %d: %s", result, nbd_get_errno(),
			 nbd_get_error());
	assert_true(taken >= SOON);
	assert_true(taken < LATER);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	assert_int_equal(nbd_aio_in_flight(h), 0);
	assert_nbd_errno(nbd_flush(h, 0), EINVAL);
}

static void
timeouts_are_none_unless_set(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_ext_get_connect_timeout(h), 0);
	assert_int_equal(nbd_ext_get_call_timeout(h), 0);
	assert_nbd_ok(nbd_ext_set_connect_timeout(h, 1234));
	assert_nbd_ok(nbd_ext_set_call_timeout(h, 4321));
	assert_int_equal(nbd_ext_get_connect_timeout(h), 1234);
	assert_int_equal(nbd_ext_get_call_timeout(h), 4321);
	assert_nbd_errno(nbd_ext_set_connect_timeout(h, -1), EINVAL);
	assert_nbd_errno(nbd_ext_set_call_timeout(h, -1), EINVAL);
	assert_int_equal(nbd_ext_get_call_timeout(h), 4321);
}

static void
connecting_to_a_silent_server_ends(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	process_stop(server.pid);
	assert_nbd_ok(nbd_ext_set_connect_timeout(h, SOON));
	assert_given_up(h, nbd_connect_uri(h, server.uri), ETIMEDOUT);
}

static void
a_command_without_an_answer_ends(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connected();
	uint8_t buffer[BLOCK], other[BLOCK], copy[BLOCK];
	int64_t cookie;

	(void)state;
	assert_nbd_ok(nbd_ext_set_call_timeout(h, SOON));
	assert_nbd_ok(nbd_set_pread_initialize(h, false));
	process_stop(server.pid);
	cookie = nbd_aio_pread(h, other, BLOCK, 0, NBD_NULL_COMPLETION, 0);
	assert_nbd_ok(cookie);
	memset(buffer, 'x', BLOCK);
	memset(other, 'y', BLOCK);
	assert_given_up(h, nbd_pread(h, buffer, BLOCK, 0, 0), ETIMEDOUT);
	assert_int_equal(nbd_aio_command_completed(h, (uint64_t)cookie), -1);
	assert_int_equal(nbd_get_errno(), ENOTCONN);

	/* The answers that come now have nowhere to go. */
	memcpy(copy, buffer, BLOCK);
	process_signal(server.pid, SIGCONT);
	usleep(1000 * SOON);
	assert_memory_equal(buffer, copy, BLOCK);
	assert_true(pattern_is_all(other, BLOCK, 'y'));
}

static void
a_write_that_nobody_reads_ends(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connected();
	CLEANUP_FREE uint8_t *buffer = calloc(1, 32 << 20);

	(void)state;
	assert_nbd_ok(nbd_ext_set_call_timeout(h, SOON));
	process_stop(server.pid);
	assert_given_up(h, nbd_pwrite(h, buffer, 32 << 20, 0, 0), ETIMEDOUT);
}

static void
a_shutdown_that_nobody_hears_ends(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connected();

	(void)state;
	assert_nbd_ok(nbd_ext_set_call_timeout(h, SOON));
	process_stop(server.pid);
	assert_given_up(h, nbd_shutdown(h, 0), ETIMEDOUT);
}

static int
ignore(void *user_data, const char *name, const char *description)
{
	(void)user_data;
	(void)name;
	(void)description;
	return 0;
}

static void
an_option_without_an_answer_ends(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	nbd_list_callback list = { .callback = ignore };

	(void)state;
	assert_nbd_ok(nbd_set_opt_mode(h, true));
	assert_nbd_ok(nbd_connect_uri(h, server.uri));
	assert_nbd_ok(nbd_ext_set_call_timeout(h, SOON));
	process_stop(server.pid);
	assert_given_up(h, nbd_opt_list(h, list), ETIMEDOUT);
}

static void
what_is_quick_is_not_bounded(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	uint8_t buffer[BLOCK];

	(void)state;
	assert_nbd_ok(nbd_ext_set_connect_timeout(h, LATER));
	assert_nbd_ok(nbd_ext_set_call_timeout(h, SOON));
	assert_nbd_ok(nbd_connect_uri(h, server.uri));
	/* The time is each call's own: this takes longer than one may. */
	for (size_t i = 0; now_ms() - begun < 2 * SOON; i++)
		assert_nbd_ok(nbd_pread(h, buffer, BLOCK, i % 512 * BLOCK, 0));
	/* A poll has its own timeout. */
	assert_int_equal(nbd_poll(h, 2 * SOON), 0);
	assert_nbd_ok(nbd_pread(h, buffer, BLOCK, 0, 0));
	assert_nbd_ok(nbd_shutdown(h, 0));
}

/* A byte of the greeting now and then. */
static void *
trickle(void *fd)
{
	static const char greeting[] = "NBDMAGICIHAVEOPT";

	for (size_t i = 0; i < sizeof(greeting) - 1; i++) {
		usleep(50 * 1000);
		if (send(*(int *)fd, &greeting[i], 1, MSG_NOSIGNAL) != 1)
			break;
	}
	return NULL;
}

static void
a_little_now_and_then_gains_no_time(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	pthread_t thread;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_nbd_ok(nbd_ext_set_connect_timeout(h, SOON));
	assert_int_equal(pthread_create(&thread, NULL, trickle, &pair[1]), 0);
	begun = now_ms();
	assert_given_up(h, nbd_connect_socket(h, pair[0]), ETIMEDOUT);
	assert_true(now_ms() - begun < 16 * 50);
	pthread_join(thread, NULL);
	close(pair[1]);
}

static void
on_signal(int signum)
{
	(void)signum;
}

static void
signals_gain_no_time(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connected();
	struct sigaction action = { .sa_handler = on_signal };
	struct sigaction saved;
	struct itimerval often = { .it_interval = { .tv_usec = 10000 },
				   .it_value = { .tv_usec = 10000 } };
	struct itimerval never = { .it_value = { 0 } };

	(void)state;
	assert_nbd_ok(nbd_ext_set_call_timeout(h, SOON));
	process_stop(server.pid);
	sigaction(SIGALRM, &action, &saved);
	setitimer(ITIMER_REAL, &often, NULL);
	begun = now_ms();
	assert_given_up(h, nbd_flush(h, 0), ETIMEDOUT);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &saved, NULL);
}

static void *
cancel_soon(void *h)
{
	usleep(SOON * 1000);
	if (nbd_ext_cancel(h) != 0)
		abort();
	return NULL;
}

static pthread_t
start_canceller(struct nbd_handle *h)
{
	pthread_t thread;

	assert_nbd_ok(nbd_ext_set_cancellable(h, true));
	begun = now_ms();
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, h), 0);
	return thread;
}

static void
a_command_can_be_cancelled(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connected();
	pthread_t thread;
	uint8_t buffer[BLOCK];

	(void)state;
	process_stop(server.pid);
	thread = start_canceller(h);
	assert_given_up(h, nbd_pread(h, buffer, BLOCK, 0, 0), ECANCELED);
	pthread_join(thread, NULL);
}

static void
connecting_can_be_cancelled(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	pthread_t thread = start_canceller(h);

	(void)state;
	process_stop(server.pid);
	assert_given_up(h, nbd_connect_uri(h, server.uri), ECANCELED);
	pthread_join(thread, NULL);
}

static void
a_poll_can_be_cancelled(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connected();
	pthread_t thread = start_canceller(h);

	(void)state;
	assert_given_up(h, nbd_poll(h, -1), ECANCELED);
	pthread_join(thread, NULL);
}

static struct nbd_handle *to_cancel;

static void
cancel_in_handler(int signum)
{
	(void)signum;
	nbd_ext_cancel(to_cancel);
}

static void
a_signal_handler_can_cancel(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connected();
	struct sigaction action = { .sa_handler = cancel_in_handler };
	struct sigaction saved;
	struct itimerval once = { .it_value = { .tv_usec = SOON * 1000 } };

	(void)state;
	assert_nbd_ok(nbd_ext_set_cancellable(h, true));
	to_cancel = h;
	process_stop(server.pid);
	sigaction(SIGALRM, &action, &saved);
	begun = now_ms();
	setitimer(ITIMER_REAL, &once, NULL);
	assert_given_up(h, nbd_flush(h, 0), ECANCELED);
	sigaction(SIGALRM, &saved, NULL);
}

static void
a_cancel_ahead_of_its_call_counts_unless_forgotten(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = connected();

	(void)state;
	assert_int_equal(nbd_ext_get_cancellable(h), 0);
	assert_nbd_errno(nbd_ext_cancel(h), EINVAL);
	assert_nbd_ok(nbd_ext_set_cancellable(h, true));
	assert_int_equal(nbd_ext_get_cancellable(h), 1);
	assert_nbd_ok(nbd_ext_cancel(h));
	assert_nbd_ok(nbd_ext_cancel(h));
	assert_nbd_ok(nbd_ext_set_cancellable(h, true));
	assert_nbd_ok(nbd_flush(h, 0));
	/* Nobody listens. */
	assert_nbd_ok(nbd_ext_set_cancellable(h, false));
	assert_nbd_ok(nbd_ext_cancel(h));
	assert_nbd_ok(nbd_flush(h, 0));

	assert_nbd_ok(nbd_ext_set_cancellable(h, true));
	assert_nbd_ok(nbd_ext_cancel(h));
	process_stop(server.pid);
	assert_nbd_errno(nbd_flush(h, 0), ECANCELED);
	assert_int_equal(nbd_aio_is_dead(h), 1);
}

static void
a_name_is_reached_by_the_wanted_addresses_only(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	struct server tcp;
	char uri[64];

	(void)state;
	server_start_line(&tcp, SERVER_TCP, "nbdkit memory 1M");
	assert_int_equal(nbd_ext_get_address_family(h), LIBNBD_EXT_ADDRESS_ANY);
	assert_nbd_errno(nbd_ext_set_address_family(h, 3), EINVAL);
	assert_nbd_errno(nbd_ext_set_address_family(h, -1), EINVAL);
	assert_nbd_ok(nbd_ext_set_address_family(h, LIBNBD_EXT_ADDRESS_IPV6));
	assert_int_equal(nbd_ext_get_address_family(h),
			 LIBNBD_EXT_ADDRESS_IPV6);
	/* An address of the other kind is no address of this name. */
	assert_int_equal(nbd_connect_tcp(h, "127.0.0.1", tcp.port), -1);
	assert_non_null(strstr(nbd_get_error(), "getaddrinfo: "));
	assert_int_equal(nbd_aio_is_created(h), 1);
	assert_nbd_ok(nbd_ext_set_address_family(h, LIBNBD_EXT_ADDRESS_IPV4));
	assert_int_equal(nbd_connect_tcp(h, "::1", tcp.port), -1);
	assert_non_null(strstr(nbd_get_error(), "getaddrinfo: "));
	/* The server listens on 127.0.0.1 only. */
	snprintf(uri, sizeof(uri), "nbd://localhost:%s", tcp.port);
	assert_nbd_ok(nbd_connect_uri(h, uri));
	assert_nbd_errno(nbd_ext_set_address_family(h, LIBNBD_EXT_ADDRESS_ANY),
			 EINVAL);
	assert_nbd_ok(nbd_shutdown(h, 0));
	server_stop(&tcp);
}

/* Runs a server only if its environment is as it should be. */
static char script[] =
	"test \"$WORD\" = 'a b' && test -z \"$FROM_PARENT\" || exit 1; "
	"test \"$LISTEN_FDNAMES\" != wrong || exit 1; "
	"exec \"$@\" --exit-with-parent memory 1M";

static void
a_subprocess_gets_the_environment_that_was_set(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *activated = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *inherits = nbd_create();
	char sh[] = "sh", c[] = "-c", name[] = "sh", nbdkit[] = "nbdkit",
	     single[] = "-s";
	char *command[] = { sh, c, script, name, nbdkit, single, NULL };
	char *served[] = { sh, c, script, name, nbdkit, NULL };
	CLEANUP_FREE char *path = NULL;
	char word[] = "WORD=a b", names[] = "LISTEN_FDNAMES=wrong";
	char *environment[] = { word, names, NULL, NULL };
	char wrong[] = "WORD", nameless[] = "=x";
	char *without_value[] = { word, wrong, NULL };
	char *without_name[] = { nameless, NULL };

	(void)state;
	assert_true(asprintf(&path, "PATH=%s", getenv("PATH")) > 0);
	environment[2] = path;
	setenv("FROM_PARENT", "yes", 1);
	assert_nbd_errno(nbd_ext_set_subprocess_environment(h, without_value),
			 EINVAL);
	assert_nbd_errno(nbd_ext_set_subprocess_environment(h, without_name),
			 EINVAL);
	environment[1] = path;
	environment[2] = NULL;
	assert_nbd_ok(nbd_ext_set_subprocess_environment(h, environment));
	/* The list was copied. */
	memset(word, 'x', sizeof(word) - 1);
	assert_nbd_ok(nbd_connect_command(h, command));
	assert_int_equal(nbd_get_size(h), 1 << 20);
	memcpy(word, "WORD=a b", sizeof(word));

	environment[1] = names;
	environment[2] = path;
	assert_nbd_ok(
		nbd_ext_set_subprocess_environment(activated, environment));
	assert_nbd_ok(nbd_connect_systemd_socket_activation(activated, served));
	assert_int_equal(nbd_get_size(activated), 1 << 20);

	/* Without a list it is ours, which the script does not like. */
	assert_nbd_ok(
		nbd_ext_set_subprocess_environment(inherits, environment));
	assert_nbd_ok(nbd_ext_set_subprocess_environment(inherits, NULL));
	assert_int_equal(nbd_connect_command(inherits, command), -1);
	assert_int_equal(nbd_aio_is_dead(inherits), 1);
	unsetenv("FROM_PARENT");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(timeouts_are_none_unless_set),
		TEST(connecting_to_a_silent_server_ends),
		TEST(a_command_without_an_answer_ends),
		TEST(a_write_that_nobody_reads_ends),
		TEST(a_shutdown_that_nobody_hears_ends),
		TEST(an_option_without_an_answer_ends),
		TEST(what_is_quick_is_not_bounded),
		TEST(a_little_now_and_then_gains_no_time),
		TEST(signals_gain_no_time),
		TEST(a_command_can_be_cancelled),
		TEST(connecting_can_be_cancelled),
		TEST(a_poll_can_be_cancelled),
		TEST(a_signal_handler_can_cancel),
		TEST(a_cancel_ahead_of_its_call_counts_unless_forgotten),
		TEST(a_name_is_reached_by_the_wanted_addresses_only),
		TEST(a_subprocess_gets_the_environment_that_was_set),
	};

	fixture_check_library();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
