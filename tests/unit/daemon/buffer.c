/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes that lie in pieces: any range of them is found and none is copied that
 * need not be. */
#include "daemon/core/buffer.h"

#include <string.h>

#include "daemon/core/part.h"
#include "tests/support/pattern.h"
#include "tests/support/unit.h"

enum {
	SIZE = 1000,
	N_PIECES = 6,
};

static unsigned char bytes[SIZE];

static const struct iovec pieces[N_PIECES] = {
	{ bytes, 1 },         { bytes + 1, 0 },     { bytes + 1, 399 },
	{ bytes + 400, 400 }, { bytes + 800, 199 }, { bytes + 999, 1 },
};

static int n_released;

static void
release(void *owner)
{
	(void)owner;
	n_released++;
}

static struct buffer
scattered(void)
{
	pattern_fill(bytes, SIZE, 5, 0);
	n_released = 0;
	return (struct buffer){ .size = SIZE,
				.pieces = pieces,
				.n_pieces = N_PIECES,
				.release = release,
				.owner = bytes };
}

static void
any_range_of_pieces_is_read(void **state)
{
	struct buffer buffer = scattered();
	unsigned char seen[SIZE];

	(void)state;
	for (size_t from = 0; from < SIZE; from += 37)
		for (size_t to = from; to <= SIZE; to += 41) {
			memset(seen, 0, sizeof(seen));
			buffer_read(&buffer, from, to - from, seen);
			assert_memory_equal(seen, bytes + from, to - from);
		}
}

static void
any_range_of_pieces_is_cut_without_a_copy(void **state)
{
	struct buffer buffer = scattered();

	(void)state;
	for (size_t from = 0; from < SIZE; from += 13)
		for (size_t to = from; to <= SIZE; to += 29) {
			struct iovec cut[N_PIECES];
			const unsigned char *next = bytes + from;
			size_t n = buffer_cut(&buffer, from, to - from, cut,
					      N_PIECES);

			assert_int_equal(
				buffer_cut(&buffer, from, to - from, NULL, 0),
				n);
			for (size_t i = 0; i < n; i++) {
				assert_true(cut[i].iov_len > 0);
				assert_ptr_equal(cut[i].iov_base, next);
				next += cut[i].iov_len;
			}
			assert_ptr_equal(next, bytes + to);
		}
}

static void
a_part_takes_no_more_pieces_than_it_needs(void **state)
{
	struct buffer buffer = scattered();
	struct buffer whole = { .data = bytes, .size = SIZE };
	struct part inside = { .length = 300 };
	struct part across = { .length = 700 };
	struct part plain = { .length = 10 };

	(void)state;
	assert_int_equal(part_set_payload(&inside, &buffer, 50), 0);
	assert_ptr_equal(inside.data, bytes + 50);
	assert_null(inside.pieces);
	assert_int_equal(part_set_payload(&plain, &whole, 70), 0);
	assert_ptr_equal(plain.data, bytes + 70);
	assert_int_equal(part_set_payload(&across, &buffer, 200), 0);
	assert_null(across.data);
	assert_int_equal(across.n_pieces, 3);
	assert_ptr_equal(across.pieces[0].iov_base, bytes + 200);
	assert_int_equal(across.pieces[2].iov_len, 100);
	/* They are the buffer's, and were only lent. */
	part_done(&across);
	assert_int_equal(n_released, 0);
}

static void
shared_pieces_go_with_their_last_holder(void **state)
{
	struct buffer buffer = scattered();
	struct buffer other;
	unsigned char seen[SIZE];

	(void)state;
	assert_int_equal(buffer_share(&buffer), 0);
	other = buffer_ref(&buffer);
	buffer_release(&buffer);
	assert_int_equal(n_released, 0);
	buffer_read(&other, 0, SIZE, seen);
	assert_memory_equal(seen, bytes, SIZE);
	buffer_release(&other);
	assert_int_equal(n_released, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_range_of_pieces_is_read),
		cmocka_unit_test(any_range_of_pieces_is_cut_without_a_copy),
		cmocka_unit_test(a_part_takes_no_more_pieces_than_it_needs),
		cmocka_unit_test(shared_pieces_go_with_their_last_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
