/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connecting to servers of all styles, and to those that are none. */
#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "tests/unit/engine/peer.h"

/* The data of GO for the default export with block sizes. */
static const uint8_t go_data[] = { 0, 0, 0, 0, 0, 1, 0, 3 };

static void
fixed_newstyle_ends_with_go(void **state)
{
	struct peer *peer = *state;
	struct nbd_handle *h = peer->h;

	peer_connect(peer);
	assert_int_equal(peer_state(peer), PUBLIC_CONNECTING);
	peer_greet(peer);
	peer_expect_option(peer, NBD_OPT_STRUCTURED_REPLY, NULL, 0);
	peer_put_option_reply(peer, NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK, 0);
	peer_say(peer);
	peer_expect_option(peer, NBD_OPT_GO, go_data, sizeof(go_data));

	peer_put_info_export(peer, NBD_OPT_GO, 123456, PEER_FLAGS);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_INFO, 14);
	peer_put_u16(peer, NBD_INFO_BLOCK_SIZE);
	peer_put_u32(peer, 512);
	peer_put_u32(peer, 4096);
	peer_put_u32(peer, 1 << 20);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_INFO, 5);
	peer_put_u16(peer, 0x7777);
	peer_put(peer, "new", 3);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_ACK, 0);
	peer_say(peer);

	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_string_equal(engine_state_name(h), "READY");
	assert_int_equal(engine_direction(h), LIBNBD_AIO_DIRECTION_READ);
	assert_string_equal(h->negotiated.protocol, "newstyle-fixed");
	assert_true(h->negotiated.structured_replies);
	assert_int_equal(h->export.size, 123456);
	assert_int_equal(h->export.flags, PEER_FLAGS);
	assert_int_equal(h->export.block_preferred, 4096);
	assert_true(h->export.contexts_valid);
	assert_int_equal(h->stats.chunks_received, 1);
	assert_int_equal(h->stats.chunks_sent, 2);
}

/* hostile.md 67, 68 */
static void
a_refused_upgrade_is_no_error(void **state)
{
	struct peer *peer = *state;

	peer_connect(peer);
	peer_greet(peer);
	peer_put_option_reply(peer, NBD_OPT_STRUCTURED_REPLY,
			      NBD_REP_ERR_POLICY, 2);
	peer_put(peer, "no", 2);
	peer_say(peer);
	peer_put_info_export(peer, NBD_OPT_GO, 1, 0xffff);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_ACK, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_false(peer->h->negotiated.structured_replies);
	assert_false(peer->h->export.flags & NBD_FLAG_SEND_DF);
}

/* hostile.md 54 */
static void
a_server_without_go_is_asked_with_export_name(void **state)
{
	struct peer *peer = *state;

	peer->h->config.request_structured_replies = false;
	assert_int_equal(string_replace(&peer->h->config.export_name, "disk"),
			 0);
	peer_connect(peer);
	peer_greet(peer);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_ERR_UNSUP, 0);
	peer_say(peer);
	peer_expect_option(peer, NBD_OPT_GO, "\0\0\0\4disk\0\1\0\3", 12);
	peer_expect_option(peer, NBD_OPT_EXPORT_NAME, "disk", 4);
	peer_put_u64(peer, 4096);
	peer_put_u16(peer, NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_int_equal(peer->h->export.size, 4096);
	assert_true(peer->h->export.flags & NBD_FLAG_READ_ONLY);
}

static void
say_hello(struct peer *peer, uint16_t flags)
{
	peer_put_u64(peer, NBD_MAGIC);
	peer_put_u64(peer, NBD_IHAVEOPT);
	peer_put_u16(peer, flags);
	peer_say(peer);
}

/* hostile.md 14, 16 */
static void
plain_newstyle_knows_only_export_name_and_sends_zeroes(void **state)
{
	struct peer *peer = *state;

	peer_connect(peer);
	say_hello(peer, 0);
	peer_expect(peer, "\0\0\0\0", 4);
	peer_expect_option(peer, NBD_OPT_EXPORT_NAME, NULL, 0);
	peer_put_u64(peer, 4096);
	peer_put_u16(peer, NBD_FLAG_HAS_FLAGS);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_CONNECTING);
	peer_put_zeroes(peer, 124);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_string_equal(peer->h->negotiated.protocol, "newstyle");
}

/* hostile.md 13 */
static void
unknown_handshake_flags_are_not_echoed(void **state)
{
	struct peer *peer = *state;

	peer_connect(peer);
	say_hello(peer, 0xffff);
	peer_expect(peer, "\0\0\0\3", 4);
}

static void
put_oldstyle(struct peer *peer, uint16_t upper, uint16_t flags)
{
	peer_put_u64(peer, NBD_MAGIC);
	peer_put_u64(peer, NBD_OLDSTYLE_MAGIC);
	peer_put_u64(peer, 65536);
	peer_put_u16(peer, upper);
	peer_put_u16(peer, flags);
	for (int i = 0; i < 124; i++)
		peer_put(peer, "j", 1);
}

/* hostile.md 11 */
static void
oldstyle_is_ready_at_once(void **state)
{
	struct peer *peer = *state;

	peer->h->config.opt_mode = true;
	peer_connect(peer);
	put_oldstyle(peer, 0, NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_TRIM);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_string_equal(peer->h->negotiated.protocol, "oldstyle");
	assert_int_equal(peer->h->export.size, 65536);
	assert_int_equal(peer->h->stats.bytes_sent, 0);
}

static void
assert_dead(struct peer *peer, int errnum)
{
	assert_true(peer->has_failed);
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
	assert_int_equal(error_last_errno(), errnum);
	assert_int_equal(engine_direction(peer->h), 0);
	assert_int_equal(engine_fd(peer->h), -1);
}

/* hostile.md 9 */
static void
oldstyle_with_handshake_flags_is_an_error(void **state)
{
	struct peer *peer = *state;

	peer_connect(peer);
	put_oldstyle(peer, 1, NBD_FLAG_HAS_FLAGS);
	peer_say(peer);
	assert_dead(peer, EPROTO);
}

/* hostile.md 10 */
static void
oldstyle_without_flags_is_an_error(void **state)
{
	struct peer *peer = *state;

	peer_connect(peer);
	put_oldstyle(peer, 0, 0);
	peer_say(peer);
	assert_dead(peer, EINVAL);
}

/* hostile.md 4 */
static void
something_else_is_shown_in_the_error(void **state)
{
	struct peer *peer = *state;

	peer_connect(peer);
	peer_put(peer, "SSH-2.0\n", 8);
	peer_say(peer);
	assert_dead(peer, EPROTO);
	assert_non_null(strstr(error_last_text(), "SSH-2.0\\x0a"));
}

/* hostile.md 5 */
static void
an_unknown_second_magic_is_an_error(void **state)
{
	struct peer *peer = *state;

	peer_connect(peer);
	peer_put_u64(peer, NBD_MAGIC);
	peer_put_u64(peer, NBD_MAGIC);
	peer_say(peer);
	assert_dead(peer, EPROTO);
}

/* hostile.md 1, 3 */
static void
hanging_up_during_the_greeting_is_an_error(void **state)
{
	struct peer *peer = *state;

	peer_connect(peer);
	peer_put(peer, "NBDMAGICIHAVEOP", 15);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_CONNECTING);
	peer_hang_up(peer);
	assert_dead(peer, ENOTCONN);
}

/* hostile.md 36 */
static void
hanging_up_after_export_name_hints_at_the_reason(void **state)
{
	struct peer *peer = *state;

	peer_connect(peer);
	say_hello(peer, NBD_FLAG_NO_ZEROES);
	peer_hang_up(peer);
	assert_dead(peer, ENOTCONN);
	assert_non_null(strstr(error_last_text(), "TLS"));
}

/* A connection that has sent GO without structured replies. */
static void
get_to_go(struct peer *peer)
{
	peer->h->config.request_structured_replies = false;
	peer_connect(peer);
	peer_greet(peer);
	peer_expect_option(peer, NBD_OPT_GO, go_data, sizeof(go_data));
}

/* hostile.md 19 to 22, 24 to 26, 37, 39, 41, 42 */
static void
impossible_replies_to_go_are_fatal(void **state)
{
	static const struct {
		uint64_t magic;
		uint32_t option, type, length;
		const char *payload;
	} cases[] = {
		{ NBD_REP_MAGIC ^ 1, NBD_OPT_GO, NBD_REP_ACK, 0, "" },
		{ NBD_REP_MAGIC, NBD_OPT_INFO, NBD_REP_ACK, 0, "" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, 77, 0, "" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, NBD_REP_SERVER, 4, "\0\0\0\0" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, NBD_REP_ACK, 1, "x" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, NBD_REP_INFO, UINT32_MAX, "" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, NBD_REP_ERR_POLICY, 4097, "" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, NBD_REP_ACK, 0, "" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, NBD_REP_INFO, 0, "" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, NBD_REP_INFO, 1, "x" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, NBD_REP_INFO, 4, "\0\0\0\0" },
		{ NBD_REP_MAGIC, NBD_OPT_GO, NBD_REP_INFO, 12,
		  "\0\0\0\0\0\0\0\0\1\0\0\0" },
	};
	bool *way = ((struct peer *)*state)->is_bytewise ? &peer_bytewise
							 : &peer_whole;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *fresh = way;
		struct peer *peer;

		assert_int_equal(peer_setup(&fresh), 0);
		peer = fresh;
		get_to_go(peer);
		peer_put_u64(peer, cases[i].magic);
		peer_put_u32(peer, cases[i].option);
		peer_put_u32(peer, cases[i].type);
		peer_put_u32(peer, cases[i].length);
		if (cases[i].length < 20)
			peer_put(peer, cases[i].payload, cases[i].length);
		peer_say(peer);
		assert_int_equal(peer_state(peer), PUBLIC_DEAD);
		assert_true(peer->has_failed);
		peer_teardown(&fresh);
	}
}

static void
a_refused_export_is_left_with_abort_and_the_servers_words(void **state)
{
	struct peer *peer = *state;

	get_to_go(peer);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_ERR_UNKNOWN, 5);
	peer_put(peer, "go\x1b!x", 5);
	peer_say(peer);
	assert_dead(peer, ENOENT);
	assert_non_null(strstr(error_last_text(), "go\\x1b!x"));
	peer_expect_option(peer, NBD_OPT_ABORT, NULL, 0);
}

/* hostile.md 23 */
static void
an_unknown_error_code_is_a_refusal(void **state)
{
	struct peer *peer = *state;

	get_to_go(peer);
	peer_put_option_reply(peer, NBD_OPT_GO, 0x800003e7, 0);
	peer_say(peer);
	assert_dead(peer, ENOTSUP);
	assert_non_null(strstr(error_last_text(), "0x800003e7"));
}

/* hostile.md 44 */
static void
endless_information_is_given_up(void **state)
{
	struct peer *peer = *state;

	get_to_go(peer);
	for (int i = 0; i < 2000 && !peer->has_failed; i++) {
		peer_put_info_export(peer, NBD_OPT_GO, 1, 1);
		peer_say(peer);
	}
	assert_dead(peer, EPROTO);
}

/* hostile.md 43, 53 */
static void
overlong_information_is_skipped(void **state)
{
	struct peer *peer = *state;

	get_to_go(peer);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_INFO, 9000);
	peer_put_zeroes(peer, 9000);
	peer_put_info_export(peer, NBD_OPT_GO, 77, 1);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_ACK, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_int_equal(peer->h->export.size, 77);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(fixed_newstyle_ends_with_go),
		PEER_TEST(a_refused_upgrade_is_no_error),
		PEER_TEST(a_server_without_go_is_asked_with_export_name),
		PEER_TEST(
			plain_newstyle_knows_only_export_name_and_sends_zeroes),
		PEER_TEST(unknown_handshake_flags_are_not_echoed),
		PEER_TEST(oldstyle_is_ready_at_once),
		PEER_TEST(oldstyle_with_handshake_flags_is_an_error),
		PEER_TEST(oldstyle_without_flags_is_an_error),
		PEER_TEST(something_else_is_shown_in_the_error),
		PEER_TEST(an_unknown_second_magic_is_an_error),
		PEER_TEST(hanging_up_during_the_greeting_is_an_error),
		PEER_TEST(hanging_up_after_export_name_hints_at_the_reason),
		PEER_TEST(impossible_replies_to_go_are_fatal),
		PEER_TEST(
			a_refused_export_is_left_with_abort_and_the_servers_words),
		PEER_TEST(an_unknown_error_code_is_a_refusal),
		PEER_TEST(endless_information_is_given_up),
		PEER_TEST(overlong_information_is_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
