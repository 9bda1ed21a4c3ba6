/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS as a stream, against a server of GnuTLS's: what leaves in which records,
 * who waits for what, and how a session may end. Comments name the rows of the
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
#include "tests/support/pattern.h"
#include "tests/support/unit.h"
#include "tests/unit/stream/tls_server.h"

enum {
	BULK = 8 << 20,
};

static void
small_messages_leave_at_once_and_arrive(void **state)
{
	struct ends *ends = *state;
	char text[8] = "ping";
	const struct iovec vector = { text, 4 };

	assert_int_equal(stream_send(ends->stream, &vector, 1, false), 4);
	assert_int_equal(gnutls_record_recv(ends->server, text, sizeof(text)),
			 4);
	ends_server_says(ends, "pong", 4);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 4);
	assert_memory_equal(text, "pong", 4);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), STREAM_AGAIN);
	assert_false(stream_has_pending(ends->stream));
	assert_int_equal(stream_wants(ends->stream), STREAM_WANTS_READ);
}

static void
more_keeps_a_message_until_what_follows(void **state)
{
	struct ends *ends = *state;
	char text[64];
	const struct iovec first = { (char[]){ "head" }, 4 };
	const struct iovec second = { (char[]){ "tail" }, 4 };

	assert_int_equal(stream_send(ends->stream, &first, 1, true), 4);
	assert_int_equal(gnutls_record_recv(ends->server, text, sizeof(text)),
			 GNUTLS_E_AGAIN);
	assert_true(stream_wants(ends->stream) & STREAM_WANTS_WRITE);
	assert_int_equal(stream_send(ends->stream, &second, 1, false), 4);
	assert_int_equal(gnutls_record_recv(ends->server, text, sizeof(text)),
			 4);
	assert_int_equal(gnutls_record_recv(ends->server, text, sizeof(text)),
			 4);
	assert_memory_equal(text, "tail", 4);
}

/* Headers, payloads in many pieces: still full records. */
static void
vectors_are_gathered_into_full_records(void **state)
{
	struct ends *ends = *state;
	static uint8_t bytes[70000];
	static uint8_t heard[20000];
	const struct iovec vectors[] = {
		{ bytes, 28 },
		{ bytes + 28, 0 },
		{ bytes + 28, 40000 },
		{ bytes + 40028, 28 },
		{ bytes + 40056, 29944 },
	};
	size_t total = 0;

	pattern_fill(bytes, sizeof(bytes), 1, 0);
	assert_int_equal(stream_send(ends->stream, vectors, 5, false),
			 sizeof(bytes));
	while (total < sizeof(bytes)) {
		size_t rest = sizeof(bytes) - total;
		ssize_t n = gnutls_record_recv(ends->server, heard,
					       sizeof(heard));

		assert_int_equal(n, rest < 16384 ? rest : 16384);
		assert_int_equal(pattern_mismatch(heard, (size_t)n, 1, total),
				 n);
		total += (size_t)n;
	}
}

/* The server reads a little whenever the client cannot go on. */
static void
a_full_socket_holds_up_what_does_not_fit(void **state)
{
	struct ends *ends = *state;
	CLEANUP_FREE uint8_t *bytes = malloc(BULK);
	CLEANUP_FREE uint8_t *heard = malloc(BULK);
	size_t sent = 0;
	size_t n_heard = 0;
	unsigned n_blocked = 0;

	assert_true(bytes && heard);
	pattern_fill(bytes, BULK, 2, 0);
	while (n_heard < BULK) {
		const struct iovec rest = { bytes + sent, BULK - sent };
		ssize_t n = sent < BULK
				    ? stream_send(ends->stream, &rest, 1, false)
				    : stream_flush(ends->stream);

		if (n > 0)
			sent += (size_t)n;
		if (n == STREAM_AGAIN) {
			n_blocked++;
			assert_true(stream_wants(ends->stream) &
				    STREAM_WANTS_WRITE);
		}
		n = gnutls_record_recv(ends->server, heard + n_heard,
				       BULK - n_heard);
		if (n > 0)
			n_heard += (size_t)n;
		else
			assert_int_equal(n, GNUTLS_E_AGAIN);
	}
	assert_true(n_blocked > 0);
	assert_int_equal(pattern_mismatch(heard, BULK, 2, 0), BULK);
	assert_int_equal(stream_flush(ends->stream), 0);
	assert_int_equal(stream_wants(ends->stream), STREAM_WANTS_READ);
}

/* Row 97. */
static void
the_rest_of_a_record_is_pending(void **state)
{
	struct ends *ends = *state;
	char text[8];

	ends_server_says(ends, "onetwothree", 11);
	assert_int_equal(ends_receive(ends, text, 3), 3);
	assert_memory_equal(text, "one", 3);
	assert_false(ends_is_readable(ends));
	assert_true(stream_has_pending(ends->stream));
	assert_int_equal(ends_receive(ends, text, 3), 3);
	assert_true(stream_has_pending(ends->stream));
	assert_int_equal(ends_receive(ends, text, 8), 5);
	assert_memory_equal(text, "three", 5);
}

static void
many_records_fill_many_vectors_in_one_call(void **state)
{
	struct ends *ends = *state;
	char first[5];
	char second[100];
	const struct iovec vectors[] = { { first, 5 }, { second, 100 } };

	for (int i = 0; i < 10; i++)
		ends_server_says(ends, "abc", 3);
	assert_int_equal(stream_receive(ends->stream, vectors, 2), 30);
	assert_memory_equal(first, "abcab", 5);
	assert_memory_equal(second, "cabcabc", 7);
	assert_false(stream_has_pending(ends->stream));
}

/* Row 96. */
static void
records_of_one_byte_are_a_stream_all_the_same(void **state)
{
	struct ends *ends = *state;
	char text[100];

	for (int i = 0; i < 100; i++)
		ends_server_says(ends, &"xyz"[i % 3], 1);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(text[i], "xyz"[i % 3]);
}

/* Row 96. */
static void
an_update_of_keys_is_answered(void **state)
{
	struct ends *ends = *state;
	char text[8];
	const struct iovec vector = { (char[]){ "more" }, 4 };

	assert_int_equal(
		gnutls_session_key_update(ends->server, GNUTLS_KU_PEER), 0);
	ends_server_says(ends, "new", 3);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 3);
	assert_int_equal(stream_send(ends->stream, &vector, 1, false), 4);
	/* The answer interrupts the server's reading. */
	assert_int_equal(gnutls_record_recv(ends->server, text, sizeof(text)),
			 GNUTLS_E_AGAIN);
	assert_int_equal(gnutls_record_recv(ends->server, text, sizeof(text)),
			 4);
	assert_memory_equal(text, "more", 4);
}

/* Row 96: what is no data interrupts the reading, but is no reason to wait. */
static void
data_behind_other_messages_is_read_at_once(void **state)
{
	struct ends *ends = *state;
	char text[40];

	for (int i = 0; i < 5; i++) {
		assert_int_equal(gnutls_session_key_update(ends->server, 0), 0);
		ends_server_says(ends, "data", 4);
	}
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 20);
	assert_false(ends_is_readable(ends));
}

/* Row 96. */
static void
a_flood_of_key_updates_ends_the_session(void **state)
{
	struct ends *ends = *state;
	char text[8];
	ssize_t n = STREAM_AGAIN;

	for (int i = 0; i < 1000 && n == STREAM_AGAIN; i++) {
		(void)gnutls_session_key_update(ends->server, 0);
		n = ends_receive(ends, text, sizeof(text));
	}
	assert_int_equal(n, STREAM_FAILED);
	assert_int_equal(errno, 0);
	assert_non_null(strstr(stream_failure(ends->stream, "recv"),
			       "gnutls_record_recv: "));
}

/* Row 94. */
static void
an_end_without_goodbye_is_an_error(void **state)
{
	struct ends *ends = *state;
	char text[8];

	ends_server_says(ends, "last", 4);
	ends_server_leaves(ends);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 4);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), STREAM_FAILED);
	assert_int_equal(errno, 0);
	assert_non_null(strstr(stream_failure(ends->stream, "recv"),
			       "gnutls_record_recv: "));
	/* It stays that way. */
	assert_int_equal(ends_receive(ends, text, sizeof(text)), STREAM_FAILED);
}

/* Row 95. */
static void
after_our_goodbye_the_end_needs_none(void **state)
{
	struct ends *ends = *state;
	char text[8];

	assert_int_equal(stream_shut_write(ends->stream), 0);
	assert_int_equal(gnutls_record_recv(ends->server, text, sizeof(text)),
			 0);
	ends_server_says(ends, "last", 4);
	ends_server_leaves(ends);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 4);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 0);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 0);
}

/* As nbd-server 3.15.0 answered one of its commands. */
static void
clear_text_inside_of_a_session_is_an_error(void **state)
{
	struct ends *ends = *state;
	char text[16] = "gDf\x98";

	assert_int_equal(send(ends->server_fd, text, sizeof(text), 0),
			 sizeof(text));
	assert_int_equal(ends_receive(ends, text, sizeof(text)), STREAM_FAILED);
	assert_non_null(strstr(stream_failure(ends->stream, "recv"),
			       "gnutls_record_recv: "));
}

static void
the_servers_goodbye_is_the_end_of_the_stream(void **state)
{
	struct ends *ends = *state;
	char text[8];

	ends_server_says(ends, "last", 4);
	assert_int_equal(gnutls_bye(ends->server, GNUTLS_SHUT_WR), 0);
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 4);
	/* The socket is open, but nothing will ever come. */
	assert_true(stream_has_pending(ends->stream));
	assert_int_equal(ends_receive(ends, text, sizeof(text)), 0);
}

static void
shutting_the_write_side_says_goodbye(void **state)
{
	struct ends *ends = *state;
	char text[8];

	assert_int_equal(stream_shut_write(ends->stream), 0);
	assert_int_equal(gnutls_record_recv(ends->server, text, sizeof(text)),
			 0);
	assert_int_equal(recv(ends->server_fd, text, sizeof(text), 0), 0);
}

/* GnuTLS writes nothing to a socket itself; here sendmsg() does. */
static void
sending_to_a_server_that_has_gone_raises_no_signal(void **state)
{
	struct ends *ends = *state;
	const struct iovec vector = { (char[]){ "text" }, 4 };
	ssize_t n;

	ends_server_leaves(ends);
	n = stream_send(ends->stream, &vector, 1, false);
	if (n > 0)
		n = stream_flush(ends->stream);
	assert_int_equal(n, STREAM_FAILED);
	assert_int_equal(errno, EPIPE);
	assert_string_equal(stream_failure(ends->stream, "send"), "send");
	assert_int_equal(stream_send(ends->stream, &vector, 1, false),
			 STREAM_FAILED);
}

static void
closing_says_nothing(void **state)
{
	struct ends *ends = *state;
	char text[8];

	stream_close(ends->stream);
	ends->stream = NULL;
	assert_int_equal(gnutls_record_recv(ends->server, text, sizeof(text)),
			 GNUTLS_E_PREMATURE_TERMINATION);
}

int
main(void)
{
#define SESSION_TEST(f) \
	cmocka_unit_test_setup_teardown(f, ends_setup, ends_teardown)
	const struct CMUnitTest tests[] = {
		SESSION_TEST(small_messages_leave_at_once_and_arrive),
		SESSION_TEST(more_keeps_a_message_until_what_follows),
		SESSION_TEST(vectors_are_gathered_into_full_records),
		SESSION_TEST(a_full_socket_holds_up_what_does_not_fit),
		SESSION_TEST(the_rest_of_a_record_is_pending),
		SESSION_TEST(many_records_fill_many_vectors_in_one_call),
		SESSION_TEST(records_of_one_byte_are_a_stream_all_the_same),
		SESSION_TEST(an_update_of_keys_is_answered),
		SESSION_TEST(data_behind_other_messages_is_read_at_once),
		SESSION_TEST(a_flood_of_key_updates_ends_the_session),
		SESSION_TEST(an_end_without_goodbye_is_an_error),
		SESSION_TEST(after_our_goodbye_the_end_needs_none),
		SESSION_TEST(clear_text_inside_of_a_session_is_an_error),
		SESSION_TEST(the_servers_goodbye_is_the_end_of_the_stream),
		SESSION_TEST(shutting_the_write_side_says_goodbye),
		SESSION_TEST(
			sending_to_a_server_that_has_gone_raises_no_signal),
		SESSION_TEST(closing_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
