/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nbd_ext_aio_pwritev(): nbd_aio_pwrite() with the memory in pieces, which must
 * end in every case as that does. */
#include <errno.h>
#include <libnbd-ext.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/pattern.h"
#include "tests/support/server.h"
#include "tests/unit/api/support.h"

enum {
	SIZE = 1 << 20,
	/* More than leave in one message. */
	N_MANY = 1000,
};

/* One that can do everything, one with blocks of 512 bytes, one that cannot be
 * written to, one that takes no FUA. */
static struct server full;
static struct server blocks;
static struct server fixed;
static struct server bare;

static int
start_servers(void **state)
{
	(void)state;
	server_start_line(&full, SERVER_UNIX, "nbdkit memory 1M");
	server_start_line(&blocks, SERVER_UNIX, "nbdkit " MEMORY_OF_BLOCKS);
	server_start_line(&fixed, SERVER_UNIX, "nbdkit -r memory 1M");
	server_start_line(&bare, SERVER_UNIX, "nbdkit " BARE_ZEROES);
	return 0;
}

static int
stop_servers(void **state)
{
	(void)state;
	server_stop(&full);
	server_stop(&blocks);
	server_stop(&fixed);
	server_stop(&bare);
	return 0;
}

static struct nbd_handle *
connect_to(const struct server *server)
{
	struct nbd_handle *h = nbd_create();

	if (nbd_connect_uri(h, server->uri) != 0)
		fail_msg("%s", nbd_get_error());
	return h;
}

static char buffer[128 << 20];

static void
count_free(void *user)
{
	++*(int *)user;
}

static int
complete(void *user, int *error)
{
	(void)user;
	(void)error;
	return 0;
}

/* What became of a write. */
struct result {
	bool is_taken;
	int errnum;
	char text[200];
	int n_frees;
};

static struct result
await(struct nbd_handle *h, int64_t cookie, const int *n_frees)
{
	struct result result = { .is_taken = cookie > 0 };
	int r = -1;

	/* One that was not taken has released its closure. */
	assert_int_equal(*n_frees, cookie > 0 ? 0 : 1);
	while (cookie > 0 &&
	       (r = nbd_aio_command_completed(h, (uint64_t)cookie)) == 0)
		assert_int_not_equal(nbd_poll(h, -1), -1);
	if (r == -1) {
		const char *text = strchr(nbd_get_error(), ':');

		result.errnum = nbd_get_errno();
		assert_non_null(text);
		strncpy(result.text, text, sizeof(result.text) - 1);
	}
	result.n_frees = *n_frees;
	return result;
}

static struct result
write_whole(struct nbd_handle *h, size_t count, uint64_t offset, uint32_t flags)
{
	int n_frees = 0;
	nbd_completion_callback done = { complete, &n_frees, count_free };
	int64_t cookie = nbd_aio_pwrite(h, buffer, count, offset, done, flags);

	return await(h, cookie, &n_frees);
}

static struct result
write_pieces(struct nbd_handle *h, size_t count, uint64_t offset,
	     uint32_t flags)
{
	int n_frees = 0;
	nbd_completion_callback done = { complete, &n_frees, count_free };
	const struct iovec pieces[] = {
		{ buffer, count / 3 },
		{ NULL, 0 },
		{ buffer + count / 3, count - count / 3 },
	};
	int64_t cookie = nbd_ext_aio_pwritev(h, pieces,
					     sizeof(pieces) / sizeof(pieces[0]),
					     offset, done, flags);

	return await(h, cookie, &n_frees);
}

static void
compare(struct nbd_handle *h, size_t count, uint64_t offset, uint32_t flags)
{
	struct result whole = write_whole(h, count, offset, flags);
	struct result pieces = write_pieces(h, count, offset, flags);

	assert_int_equal(pieces.is_taken, whole.is_taken);
	assert_int_equal(pieces.errnum, whole.errnum);
	assert_string_equal(pieces.text, whole.text);
	assert_int_equal(pieces.n_frees, 1);
	assert_int_equal(whole.n_frees, 1);
}

static void
compare_all(const struct server *server, uint32_t strict)
{
	static const struct {
		size_t count;
		uint64_t offset;
		uint32_t flags;
	} writes[] = {
		{ 512, 0, 0 },
		{ 512, 512, LIBNBD_CMD_FLAG_FUA },
		{ 65536, 4096, 0 },
		{ 512, 0, LIBNBD_CMD_FLAG_PAYLOAD_LEN },
		{ 512, 0, LIBNBD_CMD_FLAG_DF },
		{ 512, 0, 1 << 16 },
		{ 0, 0, 0 },
		{ 0, SIZE + 1, 0 },
		{ 1, SIZE, 0 },
		{ 513, SIZE - 512, 0 },
		{ 512, UINT64_MAX, 0 },
		{ 511, 0, 0 },
		{ 512, 1, 0 },
		{ (32 << 20) + 1, 0, 0 },
		{ (64 << 20) + 1, 0, 0 },
	};
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(server);

	assert_int_equal(nbd_set_strict_mode(h, strict), 0);
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
		compare(h, writes[i].count, writes[i].offset, writes[i].flags);
}

static void
every_check_is_that_of_a_write_in_one_piece(void **state)
{
	(void)state;
	compare_all(&full, LIBNBD_STRICT_MASK);
	compare_all(&blocks, LIBNBD_STRICT_MASK);
	compare_all(&fixed, LIBNBD_STRICT_MASK);
	compare_all(&bare, LIBNBD_STRICT_MASK);
	/* The payload still has a bound, and the server looks itself. */
	compare_all(&full, LIBNBD_STRICT_MASK & ~(LIBNBD_STRICT_BOUNDS |
						  LIBNBD_STRICT_ZERO_SIZE));
	compare_all(&full, LIBNBD_STRICT_MASK & ~(LIBNBD_STRICT_AUTO_FLAG |
						  LIBNBD_STRICT_ALIGN));
	compare_all(&blocks, LIBNBD_STRICT_MASK & ~LIBNBD_STRICT_ALIGN);
	compare_all(&fixed, LIBNBD_STRICT_MASK & ~LIBNBD_STRICT_COMMANDS);
}

static void
states_come_first_then_the_pieces(void **state)
{
	struct nbd_handle *h = nbd_create();
	struct iovec pieces[] = { { buffer, 512 }, { NULL, 512 } };

	(void)state;
	assert_fails_with(nbd_ext_aio_pwritev(h, NULL, 1, 0,
					      NBD_NULL_COMPLETION, 1 << 16),
			  ENOTCONN, "nbd_ext_aio_pwritev");
	nbd_close(h);
	h = connect_to(&full);
	assert_fails_with(nbd_ext_aio_pwritev(h, NULL, 1, 0,
					      NBD_NULL_COMPLETION, 1 << 16),
			  EFAULT, "pieces");
	assert_fails_with(nbd_ext_aio_pwritev(h, pieces, 2, 0,
					      NBD_NULL_COMPLETION, 1 << 16),
			  EFAULT, "piece 1");
	pieces[1] = (struct iovec){ buffer, SIZE_MAX };
	assert_fails_with(
		nbd_ext_aio_pwritev(h, pieces, 2, 0, NBD_NULL_COMPLETION, 0),
		ERANGE, "pieces");
	assert_fails_with(
		nbd_ext_aio_pwritev(h, pieces, 0, 0, NBD_NULL_COMPLETION, 0),
		EINVAL, "count");
	nbd_close(h);
}

/* Cut into N pieces as even as can be, and into the others an empty one. */
static void
write_cut(struct nbd_handle *h, char *data, size_t length, uint64_t offset,
	  size_t n)
{
	static struct iovec pieces[2 * N_MANY];
	size_t at = 0;
	int64_t cookie;
	int r;

	for (size_t i = 0; i < n; i++) {
		size_t end = length * (i + 1) / n;

		pieces[2 * i] = (struct iovec){ data + at, end - at };
		pieces[2 * i + 1] = (struct iovec){ data, 0 };
		at = end;
	}
	cookie = nbd_ext_aio_pwritev(h, pieces, 2 * n, offset,
				     NBD_NULL_COMPLETION, 0);
	assert_true(cookie > 0);
	while ((r = nbd_aio_command_completed(h, (uint64_t)cookie)) == 0)
		assert_int_not_equal(nbd_poll(h, -1), -1);
	assert_int_equal(r, 1);
}

static void
the_pieces_arrive_one_behind_the_other(void **state)
{
	static const size_t lengths[] = { 1, 1000, 4096, 131072, SIZE };
	static const size_t cuts[] = { 1, 2, 3, 63, 64, 65, 128, N_MANY };
	static char seen[SIZE];
	CLEANUP_HANDLE struct nbd_handle *h = connect_to(&full);
	uint64_t seed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (size_t j = 0; j < sizeof(cuts) / sizeof(cuts[0]); j++) {
			size_t length = lengths[i];

			pattern_fill((uint8_t *)buffer, length, ++seed, 0);
			write_cut(h, buffer, length, SIZE - length, cuts[j]);
			assert_int_equal(
				nbd_pread(h, seen, length, SIZE - length, 0),
				0);
			assert_int_equal(pattern_mismatch((uint8_t *)seen,
							  length, seed, 0),
					 length);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_check_is_that_of_a_write_in_one_piece),
		cmocka_unit_test(states_come_first_then_the_pieces),
		cmocka_unit_test(the_pieces_arrive_one_behind_the_other),
	};

	return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
