/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plain stream: results instead of errno values, and no signals. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-lib/stream/stream.h"
#include "tests/support/unit.h"

struct ends {
	struct stream *stream;
	int peer;
};

static int
make_ends_with(struct stream *(*make)(int fd), void **state)
{
	static struct ends ends;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == -1)
		return -1;
	ends.stream = make(pair[0]);
	ends.peer = pair[1];
	*state = &ends;
	return ends.stream ? 0 : -1;
}

static int
make_ends(void **state)
{
	return make_ends_with(socket_stream_new, state);
}

static int
make_private_ends(void **state)
{
	return make_ends_with(socket_stream_new_private, state);
}

static int
close_ends(void **state)
{
	struct ends *ends = *state;

	stream_close(ends->stream);
	if (ends->peer >= 0)
		close(ends->peer);
	return 0;
}

static ssize_t
receive_some(struct stream *stream, char *buffer, size_t size)
{
	const struct iovec vector = { .iov_base = buffer, .iov_len = size };

	return stream_receive(stream, &vector, 1);
}

static void
receiving_fills_the_vectors_in_turn(void **state)
{
	struct ends *ends = *state;
	char first[2];
	char second[8];
	const struct iovec vectors[] = { { first, 2 }, { second, 8 } };

	assert_int_equal(write(ends->peer, "hello", 5), 5);
	assert_int_equal(stream_receive(ends->stream, vectors, 2), 5);
	assert_memory_equal(first, "he", 2);
	assert_memory_equal(second, "llo", 3);
	assert_false(stream_has_pending(ends->stream));
}

static void
receiving_nothing_says_again_and_the_end_says_zero(void **state)
{
	struct ends *ends = *state;
	char byte;

	assert_int_equal(receive_some(ends->stream, &byte, 1), STREAM_AGAIN);
	close(ends->peer);
	ends->peer = -1;
	assert_int_equal(receive_some(ends->stream, &byte, 1), 0);
}

static void
sending_to_a_closed_peer_fails_without_a_signal(void **state)
{
	struct ends *ends = *state;
	char text[] = "x";
	const struct iovec vector = { text, 1 };

	close(ends->peer);
	ends->peer = -1;
	assert_int_equal(stream_send(ends->stream, &vector, 1, false),
			 STREAM_FAILED);
	assert_int_equal(errno, EPIPE);
}

static void
sending_takes_what_fits_and_then_says_again(void **state)
{
	struct ends *ends = *state;
	static char bulk[1 << 20];
	const struct iovec vector = { bulk, sizeof(bulk) };
	ssize_t n;
	ssize_t total = 0;

	while ((n = stream_send(ends->stream, &vector, 1, true)) > 0)
		total += n;
	assert_int_equal(n, STREAM_AGAIN);
	assert_true(total > 0);
}

static void
shutting_the_write_side_ends_the_peers_stream(void **state)
{
	struct ends *ends = *state;
	char byte;

	assert_int_equal(stream_shut_write(ends->stream), 0);
	assert_int_equal(read(ends->peer, &byte, 1), 0);
	assert_int_equal(write(ends->peer, "y", 1), 1);
	assert_int_equal(receive_some(ends->stream, &byte, 1), 1);
}

static bool
is_blocking(const struct stream *stream)
{
	return !(fcntl(stream->fd, F_GETFL) & O_NONBLOCK);
}

static void
a_socket_that_others_know_never_sleeps(void **state)
{
	struct ends *ends = *state;

	assert_false(stream_can_sleep(ends->stream));
	assert_false(is_blocking(ends->stream));
}

static void
a_private_socket_sleeps_only_when_told_to(void **state)
{
	struct ends *ends = *state;
	char text[8];
	const struct iovec vector = { text, sizeof(text) };

	assert_true(stream_can_sleep(ends->stream));
	assert_int_equal(receive_some(ends->stream, text, 1), STREAM_AGAIN);
	sending_takes_what_fits_and_then_says_again(state);
	assert_int_equal(write(ends->peer, "late", 4), 4);
	assert_int_equal(stream_receive_sleeping(ends->stream, &vector, 1), 4);
	assert_int_equal(shutdown(ends->peer, SHUT_WR), 0);
	assert_int_equal(stream_receive_sleeping(ends->stream, &vector, 1), 0);
}

static void
a_disclosed_socket_is_non_blocking_for_good(void **state)
{
	struct ends *ends = *state;

	assert_true(stream_can_sleep(ends->stream));
	assert_true(is_blocking(ends->stream));
	stream_disclose(ends->stream);
	assert_false(is_blocking(ends->stream));
	assert_false(stream_can_sleep(ends->stream));
	assert_false(is_blocking(ends->stream));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			receiving_fills_the_vectors_in_turn, make_ends,
			close_ends),
		cmocka_unit_test_setup_teardown(
			receiving_nothing_says_again_and_the_end_says_zero,
			make_ends, close_ends),
		cmocka_unit_test_setup_teardown(
			sending_to_a_closed_peer_fails_without_a_signal,
			make_ends, close_ends),
		cmocka_unit_test_setup_teardown(
			sending_takes_what_fits_and_then_says_again, make_ends,
			close_ends),
		cmocka_unit_test_setup_teardown(
			shutting_the_write_side_ends_the_peers_stream,
			make_ends, close_ends),
		cmocka_unit_test_setup_teardown(
			a_socket_that_others_know_never_sleeps, make_ends,
			close_ends),
		cmocka_unit_test_setup_teardown(
			a_private_socket_sleeps_only_when_told_to,
			make_private_ends, close_ends),
		cmocka_unit_test_setup_teardown(
			a_disclosed_socket_is_non_blocking_for_good,
			make_private_ends, close_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
