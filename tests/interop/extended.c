/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Extended headers with a server that nobody here wrote: a qemu-nbd that has
 * them. Argument: the script that finds it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/newer_qemu.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/workdir.h"

#define GIB   (UINT64_C(1) << 30)
#define DEPTH "qemu:allocation-depth"

enum {
	SEED = 7,
	BLOCK = 1 << 20,
};

static const char *script;
static char *dir;
static struct server raw;   /* a sparse file of 16 GiB */
static struct server qcow2; /* an image of 16 GiB, with its depths */

static void
cleanup_handle(struct nbd_handle **h)
{
	nbd_close(*h);
}

#define CLEANUP_HANDLE __attribute__((cleanup(cleanup_handle)))

static struct nbd_handle *
new_handle(void)
{
	struct nbd_handle *h = nbd_create();

	assert_non_null(h);
	assert_nbd_ok(nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION));
	return h;
}

static struct nbd_handle *
open_server(const struct server *server)
{
	struct nbd_handle *h = new_handle();

	assert_nbd_ok(nbd_connect_uri(h, server->uri));
	return h;
}

/* What the callbacks of one block status were told. */
struct seen {
	unsigned n_calls;
	uint64_t n_extents;
	uint64_t length;
	uint64_t longest;
	nbd_extent first;
	char contexts[256];
};

static int
on_extents(void *user_data, const char *context, uint64_t offset,
	   nbd_extent *entries, size_t n, int *error)
{
	struct seen *seen = user_data;

	(void)offset;
	(void)error;
	if (seen->n_calls++ == 0)
		seen->first = entries[0];
	seen->n_extents += n;
	for (size_t i = 0; i < n; i++) {
		seen->length += entries[i].length;
		if (entries[i].length > seen->longest)
			seen->longest = entries[i].length;
	}
	snprintf(seen->contexts + strlen(seen->contexts),
		 sizeof(seen->contexts) - strlen(seen->contexts), "%s;",
		 context);
	return 0;
}

static nbd_extent64_callback
see(struct seen *seen)
{
	*seen = (struct seen){ 0 };
	return (nbd_extent64_callback){ .callback = on_extents,
					.user_data = seen };
}

static void
they_are_agreed_on_unless_switched_off(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *with = open_server(&raw);
	CLEANUP_HANDLE struct nbd_handle *without = new_handle();
	CLEANUP_HANDLE struct nbd_handle *simple = new_handle();

	(void)state;
	assert_int_equal(nbd_get_extended_headers_negotiated(with), 1);
	assert_int_equal(nbd_get_structured_replies_negotiated(with), 1);
	assert_int_equal(nbd_can_block_status_payload(with), 1);

	assert_nbd_ok(nbd_set_request_extended_headers(without, false));
	assert_nbd_ok(nbd_connect_uri(without, raw.uri));
	assert_int_equal(nbd_get_extended_headers_negotiated(without), 0);
	assert_int_equal(nbd_get_structured_replies_negotiated(without), 1);
	assert_int_equal(nbd_can_block_status_payload(without), 0);

	assert_nbd_ok(nbd_set_request_structured_replies(simple, false));
	assert_nbd_ok(nbd_connect_uri(simple, raw.uri));
	assert_int_equal(nbd_get_extended_headers_negotiated(simple), 0);
	assert_int_equal(nbd_get_structured_replies_negotiated(simple), 0);
}

static void
option_mode_asks_for_them_by_hand(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = new_handle();

	(void)state;
	assert_nbd_ok(nbd_set_opt_mode(h, true));
	assert_nbd_ok(nbd_set_request_structured_replies(h, false));
	assert_nbd_ok(nbd_connect_uri(h, raw.uri));
	assert_int_equal(nbd_get_extended_headers_negotiated(h), 0);
	assert_int_equal(nbd_opt_structured_reply(h), 1);
	assert_int_equal(nbd_opt_extended_headers(h), 1);
	/* Agreed once is agreed for good. */
	assert_int_equal(nbd_opt_extended_headers(h), 0);
	assert_int_equal(nbd_opt_structured_reply(h), 0);
	assert_int_equal(nbd_get_extended_headers_negotiated(h), 1);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
	assert_nbd_ok(nbd_opt_info(h));
	assert_int_equal(nbd_get_size(h), 16 * GIB);
	assert_nbd_ok(nbd_opt_go(h));
	assert_nbd_ok(nbd_flush(h, 0));
	assert_nbd_ok(nbd_shutdown(h, 0));
}

static int
on_completion(void *user_data, int *error)
{
	int *seen = user_data;

	*seen = *error ? *error : -1;
	return 1;
}

static void
the_asynchronous_option_completes(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = new_handle();
	int seen = 0;
	nbd_completion_callback completion = { .callback = on_completion,
					       .user_data = &seen };

	(void)state;
	assert_nbd_ok(nbd_set_opt_mode(h, true));
	assert_nbd_ok(nbd_set_request_extended_headers(h, false));
	assert_nbd_ok(nbd_connect_uri(h, raw.uri));
	assert_nbd_ok(nbd_aio_opt_extended_headers(h, completion));
	while (nbd_aio_is_connecting(h))
		assert_nbd_ok(nbd_poll(h, -1));
	assert_int_equal(seen, -1);
	assert_nbd_ok(nbd_aio_opt_extended_headers(h, completion));
	while (nbd_aio_is_connecting(h))
		assert_nbd_ok(nbd_poll(h, -1));
	assert_int_equal(seen, EINVAL);
	assert_nbd_ok(nbd_opt_abort(h));
}

/* The same bytes are seen by a connection with the old headers. */
static void
what_is_written_is_what_others_read(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = open_server(&qcow2);
	CLEANUP_HANDLE struct nbd_handle *other = new_handle();
	CLEANUP_FREE uint8_t *buffer = malloc(BLOCK);
	const uint64_t offsets[] = { 0, 5 * GIB + 512, 16 * GIB - BLOCK };

	(void)state;
	assert_nbd_ok(nbd_set_request_extended_headers(other, false));
	assert_nbd_ok(nbd_connect_uri(other, qcow2.uri));
	for (size_t i = 0; i < 3; i++) {
		pattern_fill(buffer, BLOCK, SEED, offsets[i]);
		assert_nbd_ok(nbd_pwrite(h, buffer, BLOCK, offsets[i],
					 i == 1 ? LIBNBD_CMD_FLAG_FUA : 0));
	}
	assert_nbd_ok(nbd_flush(h, 0));
	for (size_t i = 0; i < 3; i++) {
		memset(buffer, 0, BLOCK);
		assert_nbd_ok(nbd_pread(h, buffer, BLOCK, offsets[i], 0));
		assert_int_equal(
			pattern_mismatch(buffer, BLOCK, SEED, offsets[i]),
			BLOCK);
		memset(buffer, 0, BLOCK);
		assert_nbd_ok(nbd_pread(other, buffer, BLOCK, offsets[i], 0));
		assert_int_equal(
			pattern_mismatch(buffer, BLOCK, SEED, offsets[i]),
			BLOCK);
	}
	assert_nbd_ok(nbd_zero(h, BLOCK / 2, 0, LIBNBD_CMD_FLAG_FUA));
	assert_nbd_ok(nbd_cache(h, BLOCK, 0, 0));
	assert_nbd_ok(nbd_pread(other, buffer, BLOCK, 0, 0));
	assert_true(pattern_is_all(buffer, BLOCK / 2, 0));
	assert_nbd_ok(nbd_shutdown(h, 0));
	assert_nbd_ok(nbd_shutdown(other, 0));
}

static void
many_commands_are_in_flight(void **state)
{
	enum {
		N = 64,
		SIZE = 128 << 10
	};
	CLEANUP_HANDLE struct nbd_handle *h = open_server(&raw);
	CLEANUP_FREE uint8_t *written = malloc((size_t)N * SIZE);
	CLEANUP_FREE uint8_t *read_back = malloc((size_t)N * SIZE);
	int done[N] = { 0 };

	(void)state;
	pattern_fill(written, (size_t)N * SIZE, SEED, 0);
	for (int pass = 0; pass < 2; pass++) {
		memset(done, 0, sizeof(done));
		for (size_t i = 0; i < N; i++) {
			nbd_completion_callback completion = {
				.callback = on_completion,
				.user_data = &done[i],
			};
			size_t at = i * SIZE;

			if (pass == 0)
				assert_nbd_ok(nbd_aio_pwrite(h, written + at,
							     SIZE, at,
							     completion, 0));
			else
				assert_nbd_ok(nbd_aio_pread(h, read_back + at,
							    SIZE, at,
							    completion, 0));
		}
		while (nbd_aio_in_flight(h) > 0)
			assert_nbd_ok(nbd_poll(h, -1));
		for (size_t i = 0; i < N; i++)
			assert_int_equal(done[i], -1);
	}
	assert_memory_equal(written, read_back, (size_t)N * SIZE);
}

static void
one_command_reaches_over_4_gib(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = open_server(&raw);
	uint8_t byte = 1;
	struct seen seen;

	(void)state;
	assert_nbd_ok(nbd_pwrite(h, &byte, 1, 7 * GIB, 0));
	assert_nbd_ok(nbd_zero(h, 6 * GIB, 2 * GIB, 0));
	assert_nbd_ok(nbd_pread(h, &byte, 1, 7 * GIB, 0));
	assert_int_equal(byte, 0);
	assert_nbd_ok(nbd_trim(h, 10 * GIB, 5 * GIB, 0));
	assert_nbd_ok(nbd_trim(h, 16 * GIB, 0, 0));
	assert_nbd_ok(nbd_block_status_64(h, 16 * GIB, 0, see(&seen), 0));
	assert_int_equal(seen.n_calls, 1);
	assert_true(seen.longest > UINT32_MAX);
	assert_nbd_errno(nbd_trim(h, 16 * GIB, 512, 0), ENOSPC);
	assert_nbd_errno(nbd_block_status_64(h, 16 * GIB, 512, see(&seen), 0),
			 EINVAL);
}

static int
on_narrow(void *user_data, const char *context, uint64_t offset,
	  uint32_t *entries, size_t n, int *error)
{
	uint32_t *first = user_data;

	(void)context;
	(void)offset;
	(void)n;
	(void)error;
	*first = entries[0];
	return 0;
}

static void
the_narrow_call_sees_as_much_as_it_can(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = open_server(&raw);
	uint32_t first = 0;
	nbd_extent_callback extent = { .callback = on_narrow,
				       .user_data = &first };

	(void)state;
	assert_nbd_ok(nbd_trim(h, 16 * GIB, 0, 0));
	assert_nbd_ok(nbd_block_status(h, 16 * GIB, 0, extent, 0));
	assert_int_equal(first, UINT32_MAX - (64 << 20) + 1);
}

static void
a_filter_picks_contexts(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = new_handle();
	char base[] = LIBNBD_CONTEXT_BASE_ALLOCATION;
	char depth[] = DEPTH;
	char unknown[] = "x-no:such";
	char *only_depth[] = { depth, NULL };
	char *both[] = { depth, base, NULL };
	char *twice[] = { depth, depth, NULL };
	char *wrong[] = { base, unknown, NULL };
	char *none[] = { NULL };
	struct seen seen;

	(void)state;
	assert_nbd_ok(nbd_add_meta_context(h, DEPTH));
	assert_nbd_ok(nbd_connect_uri(h, qcow2.uri));
	assert_int_equal(nbd_can_meta_context(h, DEPTH), 1);
	assert_int_equal(nbd_can_block_status_payload(h), 1);

	assert_nbd_ok(nbd_block_status_64(h, GIB, GIB, see(&seen), 0));
	assert_int_equal(seen.n_calls, 2);
	assert_nbd_ok(nbd_block_status_filter(h, GIB, GIB, only_depth,
					      see(&seen), 0));
	assert_string_equal(seen.contexts, DEPTH ";");
	assert_nbd_ok(nbd_block_status_filter(h, GIB, GIB, both, see(&seen),
					      LIBNBD_CMD_FLAG_REQ_ONE));
	assert_int_equal(seen.n_calls, 2);
	assert_int_equal(seen.n_extents, 2);
	assert_nbd_ok(
		nbd_block_status_filter(h, GIB, GIB, twice, see(&seen), 0));
	assert_string_equal(seen.contexts, DEPTH ";");

	assert_nbd_errno(
		nbd_block_status_filter(h, GIB, GIB, wrong, see(&seen), 0),
		EINVAL);
	assert_non_null(strstr(nbd_get_error(), unknown));
	/* That one the server refuses. */
	assert_nbd_errno(
		nbd_block_status_filter(h, GIB, GIB, none, see(&seen), 0),
		EINVAL);
	assert_nbd_ok(nbd_block_status_filter(h, GIB, GIB, only_depth,
					      see(&seen), 0));
	assert_nbd_ok(nbd_shutdown(h, 0));
}

static void
a_filter_may_be_asynchronous(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = open_server(&qcow2);
	char base[] = LIBNBD_CONTEXT_BASE_ALLOCATION;
	char *contexts[] = { base, NULL };
	struct seen seen;
	int64_t cookie;
	int completed;

	(void)state;
	cookie = nbd_aio_block_status_filter(
		h, 8 * GIB, GIB, contexts, see(&seen), NBD_NULL_COMPLETION, 0);
	assert_nbd_ok(cookie);
	/* The names need not live on. */
	memset(base, 0, sizeof(base));
	while ((completed = nbd_aio_command_completed(h, (uint64_t)cookie)) ==
	       0)
		assert_nbd_ok(nbd_poll(h, -1));
	assert_int_equal(completed, 1);
	assert_int_equal(seen.n_calls, 1);
}

/* A refusal in the server leaves the connection as it was. */
static void
errors_come_back_one_by_one(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = open_server(&raw);
	uint8_t sector[512] = { 0 };

	(void)state;
	assert_nbd_ok(nbd_set_strict_mode(h, LIBNBD_STRICT_MASK &
						     ~LIBNBD_STRICT_BOUNDS));
	assert_nbd_errno(nbd_pread(h, sector, 512, 16 * GIB, 0), EINVAL);
	assert_int_equal(nbd_pwrite(h, sector, 512, 16 * GIB, 0), -1);
	assert_int_equal(nbd_trim(h, 8 * GIB, 12 * GIB, 0), -1);
	assert_nbd_ok(nbd_pread(h, sector, 512, 16 * GIB - 512, 0));
	assert_int_equal(nbd_aio_is_ready(h), 1);
}

static void
requests_are_counted_as_32_bytes(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = open_server(&raw);
	uint64_t sent = nbd_stats_bytes_sent(h);
	uint64_t received = nbd_stats_bytes_received(h);

	(void)state;
	assert_nbd_ok(nbd_flush(h, 0));
	assert_int_equal(nbd_stats_bytes_sent(h) - sent, 32);
	assert_int_equal(nbd_stats_bytes_received(h) - received, 32);
}

static int
start(void **state)
{
	CLEANUP_FREE char *file = NULL;
	CLEANUP_FREE char *image = NULL;

	(void)state;
	dir = workdir_make();
	file = workdir_sparse_file(dir, "disk", 16 * GIB);
	image = workdir_path(dir, "disk.qcow2");
	test_require_program("qemu-img");
	if (!process_run((const char *const[]){ "qemu-img", "create", "-q",
						"-f", "qcow2", image, "16G",
						NULL }))
		test_broken("qemu-img cannot create %s", image);
	newer_qemu_start(&raw, SERVER_UNIX, script,
			 (const char *const[]){ "-t", "-e", "16",
						"--discard=unmap", "-f", "raw",
						file, NULL });
	newer_qemu_start(&qcow2, SERVER_TCP, script,
			 (const char *const[]){ "-t", "-e", "16",
						"--discard=unmap",
						"--allocation-depth", "-f",
						"qcow2", image, NULL });
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	server_stop(&raw);
	server_stop(&qcow2);
	workdir_remove(dir);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_agreed_on_unless_switched_off),
		cmocka_unit_test(option_mode_asks_for_them_by_hand),
		cmocka_unit_test(the_asynchronous_option_completes),
		cmocka_unit_test(what_is_written_is_what_others_read),
		cmocka_unit_test(many_commands_are_in_flight),
		cmocka_unit_test(one_command_reaches_over_4_gib),
		cmocka_unit_test(the_narrow_call_sees_as_much_as_it_can),
		cmocka_unit_test(a_filter_picks_contexts),
		cmocka_unit_test(a_filter_may_be_asynchronous),
		cmocka_unit_test(errors_come_back_one_by_one),
		cmocka_unit_test(requests_are_counted_as_32_bytes),
	};

	if (argc != 2)
		test_broken("usage: interop-extended SCRIPT");
	script = argv[1];
	fixture_check_library();
	return cmocka_run_group_tests(tests, start, stop);
}
