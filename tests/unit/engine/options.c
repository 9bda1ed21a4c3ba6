/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option mode: what a user may ask before choosing an export. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/engine/peer.h"

/* In state NEGOTIATING, with structured replies unless refused. */
static void
get_to_negotiating(struct peer *peer)
{
	peer->h->config.opt_mode = true;
	peer_connect(peer);
	peer_greet(peer);
	peer_expect_option(peer, NBD_OPT_STRUCTURED_REPLY, NULL, 0);
	peer_put_option_reply(peer, NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_NEGOTIATING);
	assert_int_equal(engine_direction(peer->h), 0);
}

/* The names a callback was given, joined. */
struct names {
	char text[256];
};

static int
on_export(void *user_data, const char *name, const char *description)
{
	struct names *names = user_data;
	size_t used = strlen(names->text);

	snprintf(names->text + used, sizeof(names->text) - used, "[%s|%s]",
		 name, description);
	return -1;
}

static int
on_context(void *user_data, const char *name)
{
	struct names *names = user_data;
	size_t used = strlen(names->text);

	snprintf(names->text + used, sizeof(names->text) - used, "[%s]", name);
	return -1;
}

static void
start(struct peer *peer, enum option_goal goal, struct names *names,
      struct outcome *outcome)
{
	const struct option_request request = {
		.goal = goal,
		.list = { .callback = on_export, .user_data = names },
		.context = { .callback = on_context, .user_data = names },
		.completion = peer_completion(outcome),
	};

	assert_int_equal(engine_option_start(peer->h, &request), 0);
}

static void
put_server(struct peer *peer, const char *name, uint32_t name_length,
	   const char *description)
{
	uint32_t length = (uint32_t)strlen(description);

	peer_put_option_reply(peer, NBD_OPT_LIST, NBD_REP_SERVER,
			      4 + name_length + length);
	peer_put_u32(peer, name_length);
	peer_put(peer, name, name_length);
	peer_put(peer, description, length);
}

static void
exports_are_listed_one_callback_each(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	struct names names = { 0 };

	get_to_negotiating(peer);
	start(peer, GOAL_LIST, &names, outcome);
	assert_int_equal(peer_state(peer), PUBLIC_CONNECTING);
	peer_expect_option(peer, NBD_OPT_LIST, NULL, 0);
	put_server(peer, "a", 1, "");
	put_server(peer, "", 0, "the default");
	put_server(peer, "n\0n", 3, "no C string");
	peer_put_option_reply(peer, NBD_OPT_LIST, NBD_REP_SERVER, 9000);
	peer_put_zeroes(peer, 9000);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 0);
	peer_put_option_reply(peer, NBD_OPT_LIST, NBD_REP_ACK, 0);
	peer_say(peer);

	assert_string_equal(names.text, "[a|][|the default]");
	assert_int_equal(peer_state(peer), PUBLIC_NEGOTIATING);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, 0);
	assert_int_equal(outcome->n_frees, 1);
	assert_int_equal(peer->h->option.result.count, 2);
	assert_int_equal(peer->h->option.result.error, 0);
}

/* hostile.md 66 */
static void
a_refused_list_leaves_the_connection_alone(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	struct names names = { 0 };

	get_to_negotiating(peer);
	start(peer, GOAL_LIST, &names, outcome);
	peer_put_option_reply(peer, NBD_OPT_LIST, NBD_REP_ERR_POLICY, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_NEGOTIATING);
	assert_int_equal(outcome->error, ENOTSUP);
	assert_true(peer->h->option.result.refused);
	assert_false(peer->has_failed);
}

static void
info_describes_and_go_begins(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	peer->h->config.full_info = true;
	get_to_negotiating(peer);
	start(peer, GOAL_INFO, NULL, outcome);
	peer_expect_option(peer, NBD_OPT_INFO, "\0\0\0\0\0\3\0\3\0\1\0\2", 12);
	peer_put_info_export(peer, NBD_OPT_INFO, 1000, 1);
	peer_put_option_reply(peer, NBD_OPT_INFO, NBD_REP_INFO, 6);
	peer_put_u16(peer, NBD_INFO_NAME);
	peer_put(peer, "real", 4);
	peer_put_option_reply(peer, NBD_OPT_INFO, NBD_REP_ACK, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_NEGOTIATING);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(peer->h->export.size, 1000);
	assert_string_equal(peer->h->export.canonical_name, "real");

	start(peer, GOAL_GO, NULL, outcome);
	assert_int_equal(peer->h->export.flags, 0);
	peer_put_info_export(peer, NBD_OPT_GO, 2000, 1);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_ACK, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_int_equal(outcome->n_calls, 2);
	assert_int_equal(peer->h->export.size, 2000);
	assert_null(peer->h->export.canonical_name);
}

/* hostile.md 56 */
static void
what_was_said_before_a_refusal_is_forgotten(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	get_to_negotiating(peer);
	start(peer, GOAL_GO, NULL, outcome);
	peer_put_info_export(peer, NBD_OPT_GO, 1000, 1);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_ERR_UNKNOWN, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_NEGOTIATING);
	assert_int_equal(outcome->error, ENOENT);
	assert_int_equal(peer->h->export.flags, 0);
	assert_int_equal(peer->h->export.size, 0);
}

/* hostile.md 31 */
static void
a_server_that_shuts_down_is_left(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	get_to_negotiating(peer);
	start(peer, GOAL_LIST, NULL, outcome);
	peer_expect_option(peer, NBD_OPT_LIST, NULL, 0);
	peer_put_option_reply(peer, NBD_OPT_LIST, NBD_REP_ERR_SHUTDOWN, 0);
	peer_say(peer);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, ESHUTDOWN);
	peer_expect_option(peer, NBD_OPT_ABORT, NULL, 0);
	assert_int_equal(peer_state(peer), PUBLIC_CLOSED);
}

static void
abort_closes_without_waiting(void **state)
{
	struct peer *peer = *state;
	const struct option_request request = { .goal = GOAL_ABORT };
	uint8_t byte;

	get_to_negotiating(peer);
	assert_int_equal(engine_option_start(peer->h, &request), 0);
	assert_int_equal(peer_state(peer), PUBLIC_CLOSED);
	peer_expect_option(peer, NBD_OPT_ABORT, NULL, 0);
	assert_int_equal(peer_hear(peer, &byte, 1), 0);
}

/* hostile.md 28: an option that dies is completed, once. */
static void
hanging_up_completes_the_option(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	get_to_negotiating(peer);
	start(peer, GOAL_GO, NULL, outcome);
	peer_put_u64(peer, NBD_REP_MAGIC);
	peer_say(peer);
	peer_hang_up(peer);
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(outcome->error, ENOTCONN);
	assert_int_equal(outcome->n_frees, 1);
	assert_false(peer->h->option.result.refused);
}

static void
closing_the_handle_frees_an_option_without_completing_it(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	get_to_negotiating(peer);
	start(peer, GOAL_LIST, NULL, outcome);
	handle_free(peer->h);
	peer->h = NULL;
	assert_int_equal(outcome->n_calls, 0);
	assert_int_equal(outcome->n_frees, 1);
}

static void
put_context(struct peer *peer, uint32_t option, uint32_t id, const char *name,
	    uint32_t length)
{
	peer_put_option_reply(peer, option, NBD_REP_META_CONTEXT, 4 + length);
	peer_put_u32(peer, id);
	peer_put(peer, name, length);
}

/* hostile.md 77 */
static void
contexts_are_listed_whatever_their_ids(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	struct names names = { 0 };

	get_to_negotiating(peer);
	start(peer, GOAL_LIST_META_CONTEXT, &names, outcome);
	peer_expect_option(peer, NBD_OPT_LIST_META_CONTEXT, "\0\0\0\0\0\0\0\0",
			   8);
	put_context(peer, NBD_OPT_LIST_META_CONTEXT, 7, "base:allocation", 15);
	put_context(peer, NBD_OPT_LIST_META_CONTEXT, 7, "x-foo:", 6);
	peer_put_option_reply(peer, NBD_OPT_LIST_META_CONTEXT, NBD_REP_ACK, 0);
	peer_say(peer);
	assert_string_equal(names.text, "[base:allocation][x-foo:]");
	assert_int_equal(outcome->n_calls, 1);
	assert_int_equal(peer->h->export.n_contexts, 0);
}

/* hostile.md 72, 73, 75 */
static void
only_contexts_that_were_asked_for_are_selected(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	struct names names = { 0 };
	char base[] = "base:allocation";
	char bitmaps[] = "qemu:dirty-bitmap:";
	char *queries[] = { base, bitmaps, NULL };
	const struct option_request request = {
		.goal = GOAL_SET_META_CONTEXT,
		.has_queries = true,
		.queries = queries,
		.context = { .callback = on_context, .user_data = &names },
		.completion = peer_completion(outcome),
	};

	get_to_negotiating(peer);
	assert_int_equal(engine_option_start(peer->h, &request), 0);
	peer_expect_option(peer, NBD_OPT_SET_META_CONTEXT,
			   "\0\0\0\0\0\0\0\2\0\0\0\17base:allocation"
			   "\0\0\0\22qemu:dirty-bitmap:",
			   49);
	put_context(peer, NBD_OPT_SET_META_CONTEXT, 0, "base:allocation\0x",
		    17);
	put_context(peer, NBD_OPT_SET_META_CONTEXT, 1, "base:alloc", 10);
	put_context(peer, NBD_OPT_SET_META_CONTEXT, 2, "base:allocation", 15);
	put_context(peer, NBD_OPT_SET_META_CONTEXT, 2, "base:allocation", 15);
	put_context(peer, NBD_OPT_SET_META_CONTEXT, 9, "qemu:dirty-bitmap:b",
		    19);
	put_context(peer, NBD_OPT_SET_META_CONTEXT, 3, "x:y", 3);
	peer_put_option_reply(peer, NBD_OPT_SET_META_CONTEXT, NBD_REP_ACK, 0);
	peer_say(peer);

	assert_string_equal(names.text,
			    "[base:allocation][qemu:dirty-bitmap:b]");
	assert_int_equal(outcome->error, 0);
	assert_int_equal(peer->h->option.result.count, 2);
	assert_true(peer->h->export.contexts_valid);
	assert_int_equal(peer->h->export.n_contexts, 2);
	assert_int_equal(peer->h->export.contexts[0].id, 2);
}

/* hostile.md 71 */
static void
one_id_for_two_contexts_is_fatal(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	string_list_append(&peer->h->config.meta_contexts, "a:b");
	string_list_append(&peer->h->config.meta_contexts, "c:d");
	get_to_negotiating(peer);
	start(peer, GOAL_SET_META_CONTEXT, &(struct names){ 0 }, outcome);
	put_context(peer, NBD_OPT_SET_META_CONTEXT, 1, "a:b", 3);
	put_context(peer, NBD_OPT_SET_META_CONTEXT, 1, "c:d", 3);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
	assert_int_equal(outcome->error, EPROTO);
	assert_int_equal(outcome->n_calls, 1);
}

/* hostile.md 69 */
static void
a_failed_selection_leaves_no_contexts(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	string_list_append(&peer->h->config.meta_contexts, "a:b");
	get_to_negotiating(peer);
	start(peer, GOAL_SET_META_CONTEXT, &(struct names){ 0 }, outcome);
	put_context(peer, NBD_OPT_SET_META_CONTEXT, 1, "a:b", 3);
	peer_put_option_reply(peer, NBD_OPT_SET_META_CONTEXT,
			      NBD_REP_ERR_TOO_BIG, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_NEGOTIATING);
	assert_int_equal(outcome->error, EINVAL);
	assert_int_equal(peer->h->export.n_contexts, 0);
	assert_false(peer->h->export.contexts_valid);
}

/* hostile.md 70 */
static void
connecting_goes_on_without_contexts(void **state)
{
	struct peer *peer = *state;

	string_list_append(&peer->h->config.meta_contexts, "a:b");
	peer_connect(peer);
	peer_greet(peer);
	peer_put_option_reply(peer, NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK, 0);
	peer_say(peer);
	peer_put_option_reply(peer, NBD_OPT_SET_META_CONTEXT, NBD_REP_ERR_UNSUP,
			      0);
	peer_say(peer);
	peer_put_info_export(peer, NBD_OPT_GO, 1, 1);
	peer_put_option_reply(peer, NBD_OPT_GO, NBD_REP_ACK, 0);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_true(peer->h->export.contexts_valid);
	assert_int_equal(peer->h->export.n_contexts, 0);
}

/* hostile.md 76 */
static void
endless_contexts_are_given_up(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	char name[16];

	get_to_negotiating(peer);
	start(peer, GOAL_LIST_META_CONTEXT, &(struct names){ 0 }, outcome);
	for (uint32_t i = 0; i < 5000 && !peer->has_failed; i++) {
		snprintf(name, sizeof(name), "x:%05u", i);
		put_context(peer, NBD_OPT_LIST_META_CONTEXT, i, name, 7);
		peer_say(peer);
	}
	assert_int_equal(peer_state(peer), PUBLIC_DEAD);
	assert_int_equal(outcome->error, EPROTO);
}

static void
plain_newstyle_has_no_options_but_go(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);
	const struct option_request list = { .goal = GOAL_LIST };

	peer->h->config.opt_mode = true;
	peer_connect(peer);
	peer_put_u64(peer, NBD_MAGIC);
	peer_put_u64(peer, NBD_IHAVEOPT);
	peer_put_u16(peer, NBD_FLAG_NO_ZEROES);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_NEGOTIATING);
	peer_expect(peer, "\0\0\0\2", 4);
	assert_int_equal(engine_option_start(peer->h, &list), -1);
	assert_int_equal(error_last_errno(), ENOTSUP);

	start(peer, GOAL_GO, NULL, outcome);
	peer_expect_option(peer, NBD_OPT_EXPORT_NAME, NULL, 0);
	peer_put_u64(peer, 1);
	peer_put_u16(peer, 1);
	peer_say(peer);
	assert_int_equal(peer_state(peer), PUBLIC_READY);
	assert_int_equal(outcome->n_calls, 1);
}

static void
structured_replies_can_be_asked_for_later(void **state)
{
	struct peer *peer = *state;
	struct outcome *outcome = peer_outcomes(peer, 1);

	peer->h->config.request_structured_replies = false;
	peer->h->config.opt_mode = true;
	peer_connect(peer);
	peer_greet(peer);
	assert_int_equal(peer_state(peer), PUBLIC_NEGOTIATING);
	start(peer, GOAL_STRUCTURED_REPLY, NULL, outcome);
	peer_expect_option(peer, NBD_OPT_STRUCTURED_REPLY, NULL, 0);
	peer_put_option_reply(peer, NBD_OPT_STRUCTURED_REPLY, NBD_REP_ACK, 0);
	peer_say(peer);
	assert_int_equal(outcome->error, 0);
	assert_true(peer->h->negotiated.structured_replies);

	start(peer, GOAL_STRUCTURED_REPLY, NULL, outcome);
	peer_put_option_reply(peer, NBD_OPT_STRUCTURED_REPLY,
			      NBD_REP_ERR_INVALID, 0);
	peer_say(peer);
	assert_int_equal(outcome->error, EINVAL);
	assert_true(peer->h->negotiated.structured_replies);
	assert_int_equal(peer_state(peer), PUBLIC_NEGOTIATING);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(exports_are_listed_one_callback_each),
		PEER_TEST(a_refused_list_leaves_the_connection_alone),
		PEER_TEST(info_describes_and_go_begins),
		PEER_TEST(what_was_said_before_a_refusal_is_forgotten),
		PEER_TEST(a_server_that_shuts_down_is_left),
		PEER_TEST(abort_closes_without_waiting),
		PEER_TEST(hanging_up_completes_the_option),
		PEER_TEST(
			closing_the_handle_frees_an_option_without_completing_it),
		PEER_TEST(contexts_are_listed_whatever_their_ids),
		PEER_TEST(only_contexts_that_were_asked_for_are_selected),
		PEER_TEST(one_id_for_two_contexts_is_fatal),
		PEER_TEST(a_failed_selection_leaves_no_contexts),
		PEER_TEST(connecting_goes_on_without_contexts),
		PEER_TEST(endless_contexts_are_given_up),
		PEER_TEST(plain_newstyle_has_no_options_but_go),
		PEER_TEST(structured_replies_can_be_asked_for_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
