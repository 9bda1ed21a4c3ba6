/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Extended headers inside of TLS, with a qemu-nbd that insists on it: one
 * that shows a certificate and wants to see one, and one that shares a key.
 * Argument: the script that finds it.
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
#include "tests/support/tls_material.h"
#include "tests/support/workdir.h"

#define GIB   (UINT64_C(1) << 30)
#define DEPTH "qemu:allocation-depth"

enum {
	SEED = 11,
	N_COMMANDS = 48,
	COMMAND_SIZE = 96 << 10,
};

/* How server and client know each other. */
struct way {
	enum server_transport transport;
	bool is_by_key;
	char *dir; /* of the image and of what both sides have to show */
	struct server server;
};

static const char *script;

static struct nbd_handle *
new_handle(const struct way *way)
{
	CLEANUP_FREE char *keys = workdir_path(way->dir, "keys.psk");
	struct nbd_handle *h = nbd_create();

	assert_non_null(h);
	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_REQUIRE));
	if (way->is_by_key) {
		assert_nbd_ok(nbd_set_tls_psk_file(h, keys));
		assert_nbd_ok(nbd_set_tls_username(h, "alice"));
	} else {
		assert_nbd_ok(nbd_set_tls_certificates(h, way->dir));
	}
	assert_nbd_ok(nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION));
	assert_nbd_ok(nbd_add_meta_context(h, DEPTH));
	return h;
}

static void
connect_to(struct nbd_handle *h, const struct way *way)
{
	if (way->server.socket)
		assert_nbd_ok(nbd_connect_unix(h, way->server.socket));
	else
		assert_nbd_ok(
			nbd_connect_tcp(h, "127.0.0.1", way->server.port));
	assert_int_equal(nbd_get_tls_negotiated(h), 1);
}

static struct nbd_handle *
open_way(const struct way *way)
{
	struct nbd_handle *h = new_handle(way);

	connect_to(h, way);
	return h;
}

static void
finish(struct nbd_handle *h)
{
	assert_nbd_ok(nbd_shutdown(h, 0));
	assert_int_equal(nbd_aio_is_closed(h), 1);
	nbd_close(h);
}

static void
they_are_agreed_on_inside_of_tls(void **state)
{
	const struct way *way = *state;
	struct nbd_handle *h = open_way(way);

	assert_int_equal(nbd_get_extended_headers_negotiated(h), 1);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
	assert_int_equal(nbd_can_block_status_payload(h), 1);
	finish(h);

	h = new_handle(way);
	assert_nbd_ok(nbd_set_request_extended_headers(h, false));
	connect_to(h, way);
	assert_int_equal(nbd_get_extended_headers_negotiated(h), 0);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
	finish(h);
}

/* What TLS the program asks for begins leaves the rest to the program. */
static void
option_mode_asks_for_one_after_the_other(void **state)
{
	const struct way *way = *state;
	struct nbd_handle *h = new_handle(way);

	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_DISABLE));
	assert_nbd_ok(nbd_set_opt_mode(h, true));
	if (way->server.socket)
		assert_nbd_ok(nbd_connect_unix(h, way->server.socket));
	else
		assert_nbd_ok(
			nbd_connect_tcp(h, "127.0.0.1", way->server.port));
	assert_int_equal(nbd_get_tls_negotiated(h), 0);
	assert_int_equal(nbd_get_extended_headers_negotiated(h), 0);
	assert_int_equal(nbd_opt_starttls(h), 1);
	assert_int_equal(nbd_get_tls_negotiated(h), 1);
	assert_int_equal(nbd_get_extended_headers_negotiated(h), 0);
	assert_int_equal(nbd_opt_extended_headers(h), 1);
	assert_nbd_ok(nbd_opt_go(h));
	assert_int_equal(nbd_get_size(h), 16 * GIB);
	assert_nbd_ok(nbd_zero(h, 5 * GIB, 0, 0));
	finish(h);
}

struct seen {
	unsigned n_calls;
	uint64_t longest;
	uint64_t length;
};

static int
on_extents(void *user_data, const char *context, uint64_t offset,
	   nbd_extent *entries, size_t n, int *error)
{
	struct seen *seen = user_data;

	(void)context;
	(void)offset;
	(void)error;
	seen->n_calls++;
	for (size_t i = 0; i < n; i++) {
		seen->length += entries[i].length;
		if (entries[i].length > seen->longest)
			seen->longest = entries[i].length;
	}
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
one_command_reaches_over_4_gib(void **state)
{
	char base[] = LIBNBD_CONTEXT_BASE_ALLOCATION;
	char *only_base[] = { base, NULL };
	struct nbd_handle *h = open_way(*state);
	struct seen seen;
	uint8_t byte = 1;

	assert_nbd_ok(nbd_pwrite(h, &byte, 1, 7 * GIB, 0));
	assert_nbd_ok(nbd_zero(h, 6 * GIB, 2 * GIB, 0));
	assert_nbd_ok(nbd_pread(h, &byte, 1, 7 * GIB, 0));
	assert_int_equal(byte, 0);
	byte = 1;
	assert_nbd_ok(nbd_pwrite(h, &byte, 1, 15 * GIB, 0));
	assert_nbd_ok(nbd_trim(h, 16 * GIB, 0, 0));
	assert_nbd_ok(nbd_pread(h, &byte, 1, 15 * GIB, 0));
	assert_int_equal(byte, 0);
	/* It understands 5 GiB here, too, but does not want to. */
	assert_nbd_errno(nbd_cache(h, 5 * GIB, 0, 0), EINVAL);
	assert_non_null(strstr(nbd_get_error(), "5368709120"));

	assert_nbd_ok(nbd_block_status_64(h, 16 * GIB, 0, see(&seen), 0));
	assert_int_equal(seen.n_calls, 2);
	assert_true(seen.longest > UINT32_MAX);
	assert_nbd_ok(nbd_block_status_filter(h, 16 * GIB, 0, only_base,
					      see(&seen), 0));
	assert_int_equal(seen.n_calls, 1);
	assert_int_equal(seen.length, 16 * GIB);
	finish(h);
}

static int
on_completion(void *user_data, int *error)
{
	int *seen = user_data;

	assert_int_equal(*seen, 0);
	*seen = *error ? *error : -1;
	return 1;
}

/* Issues N_COMMANDS reads or writes between BUFFER and the disk, and waits. */
static void
transfer(struct nbd_handle *h, uint8_t *buffer, bool writes)
{
	int done[N_COMMANDS] = { 0 };

	for (size_t i = 0; i < N_COMMANDS; i++) {
		const nbd_completion_callback completion = {
			.callback = on_completion,
			.user_data = &done[i],
		};
		uint8_t *piece = buffer + i * COMMAND_SIZE;
		const uint64_t offset = 9 * GIB + i * COMMAND_SIZE;

		if (writes)
			assert_nbd_ok(nbd_aio_pwrite(h, piece, COMMAND_SIZE,
						     offset, completion, 0));
		else
			assert_nbd_ok(nbd_aio_pread(h, piece, COMMAND_SIZE,
						    offset, completion, 0));
	}
	while (nbd_aio_in_flight(h) > 0)
		assert_nbd_ok(nbd_poll(h, -1));
	for (size_t i = 0; i < N_COMMANDS; i++)
		assert_int_equal(done[i], -1);
}

static void
many_commands_are_in_flight(void **state)
{
	const size_t size = (size_t)N_COMMANDS * COMMAND_SIZE;
	CLEANUP_FREE uint8_t *buffer = malloc(size);
	struct nbd_handle *h = open_way(*state);

	assert_non_null(buffer);
	pattern_fill(buffer, size, SEED, 9 * GIB);
	transfer(h, buffer, true);
	memset(buffer, 0, size);
	transfer(h, buffer, false);
	assert_int_equal(pattern_mismatch(buffer, size, SEED, 9 * GIB), size);
	finish(h);
}

static void
start(struct way *way)
{
	CLEANUP_FREE char *image = NULL;
	CLEANUP_FREE char *credentials = NULL;

	way->dir = workdir_make();
	image = workdir_path(way->dir, "disk.qcow2");
	if (way->is_by_key) {
		free(tls_make_key(way->dir, "alice"));
	} else {
		tls_make_authority(way->dir, "the tests");
		tls_make_server(way->dir);
		tls_make_client(way->dir);
	}
	test_require_program("qemu-img");
	if (!process_run((const char *const[]){ "qemu-img", "create", "-q",
						"-f", "qcow2", image, "16G",
						NULL }))
		test_broken("qemu-img cannot create %s", image);
	if (asprintf(&credentials,
		     "tls-creds-%s,id=tls0,endpoint=server,%sdir=%s",
		     way->is_by_key ? "psk" : "x509",
		     way->is_by_key ? "" : "verify-peer=on,", way->dir) < 0)
		test_broken("out of memory");
	newer_qemu_start(
		&way->server, way->transport, script,
		(const char *const[]){ "-t", "-e", "16", "--discard=unmap",
				       "--allocation-depth", "-f", "qcow2",
				       "--object", credentials, "--tls-creds",
				       "tls0", image, NULL });
}

static void
stop(struct way *way)
{
	server_stop(&way->server);
	workdir_remove(way->dir);
}

int
main(int argc, char **argv)
{
	static struct way ways[] = {
		{ .transport = SERVER_TCP, .is_by_key = false },
		{ .transport = SERVER_UNIX, .is_by_key = true },
	};
	int n_failed = 0;

	if (argc != 2)
		test_broken("usage: interop-tls-extended SCRIPT");
	script = argv[1];
	fixture_check_library();
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
#define TEST(name) cmocka_unit_test_prestate(name, &ways[i])
		const struct CMUnitTest tests[] = {
			TEST(they_are_agreed_on_inside_of_tls),
			TEST(option_mode_asks_for_one_after_the_other),
			TEST(one_command_reaches_over_4_gib),
			TEST(many_commands_are_in_flight),
		};

		start(&ways[i]);
		n_failed += cmocka_run_group_tests_name(
			ways[i].is_by_key ? "by key" : "by certificate", tests,
			NULL, NULL);
		stop(&ways[i]);
#undef TEST
	}
	return n_failed;
}
