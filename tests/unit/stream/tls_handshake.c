/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a TLS session begins, or does not. Comments name the rows of the
 * catalogue of hostile servers that a test plays.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-lib/base/error.h"
#include "client-lib/stream/tls_internal.h"
#include "common/cleanup.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"
#include "tests/unit/stream/tls_server.h"

static void
assert_last_error(const char *part)
{
	if (!strstr(error_last_text(), part))
		fail_msg("\"%s\" is not in: %s", part, error_last_text());
}

/* The handshake with a server of this priority; the outcome. */
static int
shake_hands_with(const char *priority)
{
	struct ends ends;
	int result;

	ends_make(&ends, priority);
	assert_true(ends_begin(&ends));
	result = ends_shake_hands(&ends);
	ends_close(&ends);
	return result;
}

static void
versions_1_2_and_1_3_are_spoken(void **state)
{
	(void)state;
	assert_int_equal(
		shake_hands_with(SERVER_PRIORITY ":-VERS-ALL:+VERS-TLS1.3"), 0);
	assert_int_equal(
		shake_hands_with(SERVER_PRIORITY ":-VERS-ALL:+VERS-TLS1.2"), 0);
}

/* Row 91. */
static void
older_versions_are_not(void **state)
{
	(void)state;
	assert_int_equal(
		shake_hands_with(SERVER_PRIORITY ":-VERS-ALL:+VERS-TLS1.1"),
		STREAM_FAILED);
	assert_int_equal(error_last_errno(), 0);
	assert_last_error("gnutls_handshake: ");
}

static void
aes_is_preferred_where_the_processor_has_it(void **state)
{
	CLEANUP_FREE char *session = NULL;
	struct ends ends;

	(void)state;
#if defined(__x86_64__)
	if (!__builtin_cpu_supports("aes"))
		skip();
#else
	skip();
#endif
	ends_make(&ends, SERVER_PRIORITY);
	assert_true(ends_begin(&ends));
	assert_int_equal(ends_shake_hands(&ends), 0);
	session = tls_stream_describe(ends.stream);
	assert_non_null(strstr(session, "AES-128-GCM"));
	ends_close(&ends);
}

static void
a_priority_that_makes_no_sense_is_refused(void **state)
{
	struct ends ends;

	(void)state;
	ends_make(&ends, SERVER_PRIORITY);
	ends.parameters.priority = "ABNORMAL";
	assert_false(ends_begin(&ends));
	assert_int_equal(error_last_errno(), 0);
	assert_last_error("gnutls_priority_set_direct: ABNORMAL:+ECDHE-PSK");
	ends_close(&ends);
}

static void
a_user_whom_the_server_does_not_know_is_told_so(void **state)
{
	CLEANUP_FREE char *path = NULL;
	struct ends ends;

	(void)state;
	ends_make(&ends, SERVER_PRIORITY);
	path = workdir_text_file(ends.dir, "other", "bob:00112233\n");
	ends.parameters.psk_file = path;
	ends.parameters.username = "bob";
	assert_true(ends_begin(&ends));
	assert_int_equal(ends_shake_hands(&ends), STREAM_FAILED);
	assert_last_error("gnutls_handshake: ");
	ends_close(&ends);
}

static void
a_wrong_key_is_found_out(void **state)
{
	CLEANUP_FREE char *path = NULL;
	struct ends ends;

	(void)state;
	ends_make(&ends, SERVER_PRIORITY);
	path = workdir_text_file(ends.dir, "wrong", "alice:00112233\n");
	ends.parameters.psk_file = path;
	assert_true(ends_begin(&ends));
	assert_int_equal(ends_shake_hands(&ends), STREAM_FAILED);
	assert_last_error("gnutls_handshake: ");
	ends_close(&ends);
}

/* A server that has only certificates cannot talk us out of our key. */
static void
who_brings_a_key_takes_no_certificate(void **state)
{
	(void)state;
	assert_int_equal(shake_hands_with("NORMAL"), STREAM_FAILED);
	assert_last_error("gnutls_handshake: ");
}

/* Rows 82 and 83: what comes ahead of the server's first message. */
static void
clear_text_ahead_of_the_handshake_ends_it(void **state)
{
	static const char reply[] = "\x00\x03\xe8\x89\x04\x55\x65\xa9 etc";
	struct ends ends;

	(void)state;
	ends_make(&ends, SERVER_PRIORITY);
	assert_int_equal(send(ends.server_fd, reply, sizeof(reply), 0),
			 sizeof(reply));
	assert_true(ends_begin(&ends));
	assert_int_equal(ends_shake_hands(&ends), STREAM_FAILED);
	assert_last_error("gnutls_handshake: ");
	ends_close(&ends);
}

/* Row 84. */
static void
a_server_that_leaves_ends_it(void **state)
{
	struct ends ends;

	(void)state;
	ends_make(&ends, SERVER_PRIORITY);
	assert_true(ends_begin(&ends));
	assert_int_equal(tls_stream_handshake(ends.stream), STREAM_AGAIN);
	ends_server_leaves(&ends);
	assert_int_equal(tls_stream_handshake(ends.stream), STREAM_FAILED);
	assert_last_error("gnutls_handshake: ");
	ends_close(&ends);
}

/* The name that the server is told when HOSTNAME is expected, or "". */
static void
assert_name_told(const char *hostname, const char *expected)
{
	char name[64] = "";
	size_t size = sizeof(name);
	unsigned type;
	struct ends ends;

	ends_make(&ends, SERVER_PRIORITY);
	ends.parameters.hostname = hostname;
	assert_true(ends_begin(&ends));
	assert_int_equal(ends_shake_hands(&ends), 0);
	(void)gnutls_server_name_get(ends.server, name, &size, &type, 0);
	assert_string_equal(name, expected);
	ends_close(&ends);
}

static void
the_server_is_told_a_dns_name_but_no_address(void **state)
{
	(void)state;
	assert_name_told("disks.example.org", "disks.example.org");
	assert_name_told("disks.example.org.", "disks.example.org");
	assert_name_told("localhost", "localhost");
	assert_name_told("", "");
	assert_name_told("127.0.0.1", "");
	assert_name_told("::1", "");
	assert_name_told("fe80::1%eth0", "");
}

/* Row 85: one call is one look at the socket. */
static void
a_silent_server_is_waited_for_without_turning(void **state)
{
	struct ends ends;

	(void)state;
	ends_make(&ends, SERVER_PRIORITY);
	assert_true(ends_begin(&ends));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tls_stream_handshake(ends.stream),
				 STREAM_AGAIN);
		assert_int_equal(stream_wants(ends.stream), STREAM_WANTS_READ);
	}
	ends_close(&ends);
}

/* The first message finds a socket that takes nothing. */
static void
a_full_socket_is_waited_for_without_turning(void **state)
{
	static char bulk[65536];
	struct ends ends;
	ssize_t n;

	(void)state;
	ends_make(&ends, SERVER_PRIORITY);
	while (send(ends.stream->fd, bulk, sizeof(bulk), MSG_DONTWAIT) > 0)
		;
	assert_true(ends_begin(&ends));
	assert_int_equal(tls_stream_handshake(ends.stream), STREAM_AGAIN);
	assert_true(stream_wants(ends.stream) & STREAM_WANTS_WRITE);
	while ((n = recv(ends.server_fd, bulk, sizeof(bulk), MSG_DONTWAIT)) > 0)
		;
	assert_int_equal(ends_shake_hands(&ends), 0);
	ends_close(&ends);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_1_2_and_1_3_are_spoken),
		cmocka_unit_test(older_versions_are_not),
		cmocka_unit_test(aes_is_preferred_where_the_processor_has_it),
		cmocka_unit_test(a_priority_that_makes_no_sense_is_refused),
		cmocka_unit_test(
			a_user_whom_the_server_does_not_know_is_told_so),
		cmocka_unit_test(a_wrong_key_is_found_out),
		cmocka_unit_test(who_brings_a_key_takes_no_certificate),
		cmocka_unit_test(clear_text_ahead_of_the_handshake_ends_it),
		cmocka_unit_test(a_server_that_leaves_ends_it),
		cmocka_unit_test(the_server_is_told_a_dns_name_but_no_address),
		cmocka_unit_test(a_silent_server_is_waited_for_without_turning),
		cmocka_unit_test(a_full_socket_is_waited_for_without_turning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
