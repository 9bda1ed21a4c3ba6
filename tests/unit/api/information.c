/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of an export and of the connection: each question answered
 * both ways by a server that can be told what to say.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/server.h"
#include "tests/unit/api/support.h"

/* A server that answers as SETTINGS say, which are methods of nbdkit-eval. */
static struct nbd_handle *
connect_to(struct server *server, const char *options, const char *settings)
{
	struct nbd_handle *h = nbd_create();
	char line[1024];

	snprintf(line, sizeof(line),
		 "nbdkit%s eval get_size=echo\t1048576 "
		 "pread=dd\tif=/dev/zero\tcount=$3\tiflag=count_bytes "
		 "%s",
		 options, settings);
	server_start_line(server, SERVER_UNIX, line);
	if (nbd_connect_uri(h, server->uri) != 0)
		fail_msg("%s", nbd_get_error());
	return h;
}

static const char can_nothing[] =
	"can_write=exit\t3 can_flush=exit\t3 can_trim=exit\t3 "
	"can_zero=exit\t3 is_rotational=exit\t3 can_multi_conn=exit\t3 "
	"can_cache=echo\tnone can_fua=echo\tnone";
static const char can_all[] =
	"pwrite=cat\t>/dev/null flush=true trim=true zero=true cache=true "
	"can_write=exit\t0 can_flush=exit\t0 can_trim=exit\t0 "
	"can_zero=exit\t0 can_fast_zero=exit\t0 is_rotational=exit\t0 "
	"can_multi_conn=exit\t0 can_cache=echo\tnative can_fua=echo\tnative";

static const struct {
	const char *name;
	int (*ask)(struct nbd_handle *h);
	int of_nothing; /* what a server says that can do nothing */
	int of_all;
} flags[] = {
	{ "is_read_only", nbd_is_read_only, 1, 0 },
	{ "is_rotational", nbd_is_rotational, 0, 1 },
	{ "can_flush", nbd_can_flush, 0, 1 },
	{ "can_fua", nbd_can_fua, 0, 1 },
	{ "can_trim", nbd_can_trim, 0, 1 },
	{ "can_zero", nbd_can_zero, 0, 1 },
	{ "can_fast_zero", nbd_can_fast_zero, 0, 1 },
	{ "can_cache", nbd_can_cache, 0, 1 },
	{ "can_multi_conn", nbd_can_multi_conn, 0, 1 },
	{ "can_df", nbd_can_df, 0, 1 },
	/* nbdkit has no extended headers; tests/interop asks qemu-nbd. */
	{ "can_block_status_payload", nbd_can_block_status_payload, 0, 0 },
	{ "structured", nbd_get_structured_replies_negotiated, 0, 1 },
	{ "extended", nbd_get_extended_headers_negotiated, 0, 0 },
	{ "tls", nbd_get_tls_negotiated, 0, 0 },
};

enum {
	N_FLAGS = sizeof(flags) / sizeof(flags[0]),
};

static void
each_flag_is_the_servers(void **state)
{
	struct server nothing, all;
	CLEANUP_HANDLE struct nbd_handle *of_nothing = connect_to(
		&nothing, " --no-sr", can_nothing);
	CLEANUP_HANDLE struct nbd_handle *of_all = connect_to(&all, "",
							      can_all);

	(void)state;
	for (size_t i = 0; i < N_FLAGS; i++) {
		if (flags[i].ask(of_nothing) != flags[i].of_nothing)
			fail_msg("%s of nothing: %d", flags[i].name,
				 flags[i].ask(of_nothing));
		if (flags[i].ask(of_all) != flags[i].of_all)
			fail_msg("%s of all: %d", flags[i].name,
				 flags[i].ask(of_all));
	}
	/* Still known when the connection is closed in order. */
	assert_int_equal(nbd_shutdown(of_all, 0), 0);
	for (size_t i = 0; i < N_FLAGS; i++)
		assert_int_equal(flags[i].ask(of_all), flags[i].of_all);
	server_stop(&nothing);
	server_stop(&all);
}

static void
nothing_is_known_before_the_server_has_told(void **state)
{
	struct server server;
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	static const char part[] = "server has not returned export";

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	for (size_t i = 0; i < N_FLAGS - 3; i++)
		assert_fails_with(flags[i].ask(h), EINVAL, part);
	assert_fails_with(nbd_get_size(h), EINVAL, part);
	assert_fails_with(nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM), EINVAL,
			  part);
	assert_fails_with(nbd_can_meta_context(h, "base:allocation"), EINVAL,
			  part);
	assert_null(nbd_get_canonical_export_name(h));
	assert_int_equal(nbd_get_errno(), EINVAL);
	assert_null(nbd_get_export_description(h));
	assert_int_equal(nbd_get_errno(), EINVAL);
	assert_string_equal(nbd_get_protocol(h), "newstyle-fixed");
	server_stop(&server);
}

static void
block_sizes_are_asked_for_unless_switched_off(void **state)
{
	struct server server;
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *without = nbd_create();

	(void)state;
	server_start_line(&server, SERVER_UNIX,
			  "nbdkit --filter=blocksize-policy memory 16M "
			  "blocksize-minimum=512 blocksize-preferred=4096 "
			  "blocksize-maximum=8388608");
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM), 512);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED), 4096);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM), 8 << 20);
	assert_int_equal(nbd_get_block_size(h, LIBNBD_SIZE_PAYLOAD), 8 << 20);
	assert_fails_with(nbd_get_block_size(h, 4), EINVAL,
			  "size_type: invalid value for parameter: 4");
	assert_fails_with(nbd_get_block_size(h, -1), EINVAL, "size_type");

	assert_int_equal(nbd_set_request_block_size(without, false), 0);
	assert_int_equal(nbd_get_request_block_size(without), 0);
	assert_int_equal(nbd_connect_uri(without, server.uri), 0);
	assert_int_equal(nbd_get_block_size(without, LIBNBD_SIZE_MINIMUM), 0);
	assert_int_equal(nbd_get_block_size(without, LIBNBD_SIZE_PAYLOAD),
			 32 << 20);
	server_stop(&server);
}

static void
names_and_descriptions_come_with_full_info(void **state)
{
	struct server server;
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *without = nbd_create();

	(void)state;
	server_start_line(&server, SERVER_UNIX,
			  "nbdkit eval get_size=echo\t512 open=true "
			  "default_export=echo\tdisk "
			  "export_description=echo\twords");
	assert_int_equal(nbd_set_full_info(h, true), 0);
	assert_int_equal(nbd_get_full_info(h), 1);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_text_is(nbd_get_canonical_export_name(h), "disk");
	assert_text_is(nbd_get_export_description(h), "words");
	assert_text_is(nbd_get_export_name(h), "");

	assert_int_equal(nbd_connect_uri(without, server.uri), 0);
	assert_null(nbd_get_canonical_export_name(without));
	assert_int_equal(nbd_get_errno(), ENOTSUP);
	assert_null(nbd_get_export_description(without));
	assert_int_equal(nbd_get_errno(), ENOTSUP);
	server_stop(&server);
}

static void
contexts_are_none_unless_requested(void **state)
{
	struct server server;
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *not_now = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *none = nbd_create();

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_int_equal(nbd_add_meta_context(h, "base:allocation"), 0);
	assert_int_equal(nbd_add_meta_context(h, "x:unknown"), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_can_meta_context(h, "base:allocation"), 1);
	assert_int_equal(nbd_can_meta_context(h, "x:unknown"), 0);
	assert_int_equal(nbd_can_meta_context(h, "base:"), 0);

	assert_int_equal(nbd_add_meta_context(not_now, "base:allocation"), 0);
	assert_int_equal(nbd_set_request_meta_context(not_now, false), 0);
	assert_int_equal(nbd_get_request_meta_context(not_now), 0);
	assert_int_equal(nbd_connect_uri(not_now, server.uri), 0);
	assert_fails_with(nbd_can_meta_context(not_now, "base:allocation"),
			  EINVAL,
			  "need a successful server meta context request "
			  "first");

	assert_int_equal(nbd_connect_uri(none, server.uri), 0);
	assert_int_equal(nbd_can_meta_context(none, "base:allocation"), 0);
	server_stop(&server);
}

/* Without fixed newstyle no option can be answered. */
static void
handshake_flags_decide_about_the_protocol(void **state)
{
	struct server server;
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_HANDLE struct nbd_handle *haggles = nbd_create();

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_int_equal(nbd_set_handshake_flags(h, 0), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_string_equal(nbd_get_protocol(h), "newstyle");
	assert_int_equal(nbd_get_handshake_flags(h), 0);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 0);
	assert_int_equal(nbd_get_size(h), 1 << 20);

	assert_int_equal(nbd_set_handshake_flags(haggles, 0), 0);
	assert_int_equal(nbd_set_opt_mode(haggles, true), 0);
	assert_int_equal(nbd_connect_uri(haggles, server.uri), 0);
	assert_int_equal(nbd_aio_is_negotiating(haggles), 1);
	assert_fails_with(nbd_opt_info(haggles), ENOTSUP,
			  "server is not using");
	assert_fails_with(nbd_opt_starttls(haggles), ENOTSUP, "newstyle");
	assert_fails_with(nbd_opt_extended_headers(haggles), ENOTSUP,
			  "newstyle");
	assert_fails_with(nbd_opt_structured_reply(haggles), ENOTSUP,
			  "newstyle");
	assert_int_equal(nbd_opt_go(haggles), 0);
	assert_int_equal(nbd_get_size(haggles), 1 << 20);
	server_stop(&server);
}

static void
bytes_and_messages_are_counted(void **state)
{
	struct server server;
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	uint64_t sent, received;
	char buffer[512];

	(void)state;
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
	assert_int_equal(nbd_stats_bytes_sent(h), 0);
	assert_int_equal(nbd_stats_bytes_received(h), 0);
	assert_int_equal(nbd_stats_chunks_sent(h), 0);
	assert_int_equal(nbd_stats_chunks_received(h), 0);

	assert_int_equal(nbd_set_request_extended_headers(h, false), 0);
	assert_int_equal(nbd_get_request_extended_headers(h), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	/* The flags; STRUCTURED_REPLY and GO with a name of nothing that asks
	 * for one item: options count, their replies do not. */
	assert_int_equal(nbd_stats_bytes_sent(h), 4 + 16 + 16 + 4 + 2 + 2);
	assert_int_equal(nbd_stats_chunks_sent(h), 2);
	assert_int_equal(nbd_stats_chunks_received(h), 1);

	sent = nbd_stats_bytes_sent(h);
	received = nbd_stats_bytes_received(h);
	assert_int_equal(nbd_pread(h, buffer, 512, 0, 0), 0);
	assert_int_equal(nbd_stats_bytes_sent(h), sent + 28);
	assert_int_equal(nbd_stats_chunks_sent(h), 3);
	assert_int_equal(nbd_stats_bytes_received(h), received + 20 + 8 + 512);
	assert_int_equal(nbd_stats_chunks_received(h), 2);

	assert_int_equal(nbd_pwrite(h, buffer, 512, 0, 0), 0);
	assert_int_equal(nbd_stats_bytes_sent(h), sent + 28 + 28 + 512);
	assert_int_equal(nbd_shutdown(h, 0), 0);
	assert_int_equal(nbd_stats_chunks_sent(h), 5);
	server_stop(&server);
}

/* Stale bytes show who has written what. */
static void
buffers_are_initialised_unless_switched_off(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char buffer[512];

	(void)state;
	assert_int_equal(nbd_get_pread_initialize(h), 1);
	memset(buffer, 'x', sizeof(buffer));
	assert_int_equal(nbd_pread(h, buffer, sizeof(buffer), 0, 0), -1);
	assert_int_equal(buffer[0], 0);
	assert_int_equal(buffer[511], 0);
	memset(buffer, 'x', sizeof(buffer));
	assert_int_equal(nbd_aio_pread(h, buffer, sizeof(buffer), 0,
				       NBD_NULL_COMPLETION, 0),
			 -1);
	assert_int_equal(buffer[511], 0);

	assert_int_equal(nbd_set_pread_initialize(h, false), 0);
	assert_int_equal(nbd_get_pread_initialize(h), 0);
	memset(buffer, 'x', sizeof(buffer));
	assert_int_equal(nbd_pread(h, buffer, sizeof(buffer), 0, 0), -1);
	assert_int_equal(buffer[0], 'x');
	/* A NULL buffer is no reason to crash in either case. */
	assert_int_equal(nbd_pread(h, NULL, 1, 0, 0), -1);
	assert_int_equal(nbd_set_pread_initialize(h, true), 0);
	assert_int_equal(nbd_pread(h, NULL, 1, 0, 0), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_flag_is_the_servers),
		cmocka_unit_test(nothing_is_known_before_the_server_has_told),
		cmocka_unit_test(block_sizes_are_asked_for_unless_switched_off),
		cmocka_unit_test(names_and_descriptions_come_with_full_info),
		cmocka_unit_test(contexts_are_none_unless_requested),
		cmocka_unit_test(handshake_flags_decide_about_the_protocol),
		cmocka_unit_test(bytes_and_messages_are_counted),
		cmocka_unit_test(buffers_are_initialised_unless_switched_off),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
