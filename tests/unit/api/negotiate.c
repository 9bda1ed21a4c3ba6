/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option mode: each option, what it returns, what it leaves behind. */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/server.h"
#include "tests/unit/api/support.h"

static struct server server;

static int
start_server(void **state)
{
	(void)state;
	server_start_line(&server, SERVER_UNIX,
			  "nbdkit --filter=exportname memory 1M "
			  "exportname=one exportname=two "
			  "exportname-list=explicit exportname-strict=true "
			  "exportdesc=fixed:words");
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

static struct nbd_handle *
negotiating(void)
{
	struct nbd_handle *h = nbd_create();

	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	assert_int_equal(nbd_set_full_info(h, true), 0);
	if (nbd_connect_uri(h, server.uri) != 0)
		fail_msg("%s", nbd_get_error());
	/* The URI, which names no export, has set the name to "". */
	assert_int_equal(nbd_set_export_name(h, "one"), 0);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	return h;
}

/* The names a callback got, each followed by a comma. */
struct names {
	char text[256];
};

static int
add_name(void *data, const char *name)
{
	struct names *names = data;
	size_t length = strlen(names->text);

	snprintf(names->text + length, sizeof(names->text) - length, "%s,",
		 name);
	return 0;
}

static int
add_export(void *data, const char *name, const char *description)
{
	add_name(data, name);
	return add_name(data, description);
}

static void
nothing_is_to_be_polled_for_while_negotiating(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();

	(void)state;
	assert_int_equal(nbd_aio_get_direction(h), 0);
	assert_int_equal(nbd_aio_is_connecting(h), 0);
	assert_fails_with(nbd_poll(h, 0), EINVAL,
			  "nothing to poll for in state NEGOTIATING");
	assert_fails_with(nbd_aio_in_flight(h), EINVAL, "NEGOTIATING");
	assert_true(nbd_aio_get_fd(h) >= 0);
	assert_fails_with(nbd_get_size(h), EINVAL, "server has not returned");
	assert_string_equal(nbd_get_protocol(h), "newstyle-fixed");
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
}

static void
exports_are_listed(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();
	struct names names = { "" };
	nbd_list_callback list = { add_export, &names, NULL };

	(void)state;
	assert_int_equal(nbd_opt_list(h, list), 2);
	assert_string_equal(names.text, "one,words,two,words,");
}

static int
object_to_export(void *data, const char *name, const char *description)
{
	add_export(data, name, description);
	return -1;
}

static int
object_to_name(void *data, const char *name)
{
	add_name(data, name);
	return -1;
}

/* These callbacks have nothing to decide. */
static void
what_callbacks_of_lists_return_is_ignored(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();
	struct names names = { "" };
	nbd_list_callback list = { object_to_export, &names, NULL };
	nbd_context_callback context = { object_to_name, &names, NULL };

	(void)state;
	assert_int_equal(nbd_opt_list(h, list), 2);
	assert_int_equal(nbd_opt_set_meta_context_queries(
				 h, WORDS("base:allocation"), context),
			 1);
	assert_string_equal(names.text, "one,words,two,words,base:allocation,");
	assert_int_equal(nbd_can_meta_context(h, "base:allocation"), 1);
}

static void
info_describes_without_selecting(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();

	(void)state;
	assert_int_equal(nbd_set_export_name(h, "two"), 0);
	assert_int_equal(nbd_opt_info(h), 0);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	assert_int_equal(nbd_get_size(h), 1 << 20);
	assert_text_is(nbd_get_export_description(h), "words");
	assert_int_equal(nbd_can_trim(h), 1);
	/* The same name changes nothing, another one everything. */
	assert_int_equal(nbd_set_export_name(h, "two"), 0);
	assert_int_equal(nbd_get_size(h), 1 << 20);
	assert_int_equal(nbd_set_export_name(h, "one"), 0);
	assert_fails_with(nbd_get_size(h), EINVAL, "server has not returned");
}

static void
a_refused_export_leaves_the_negotiation_open(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();

	(void)state;
	assert_int_equal(nbd_set_export_name(h, "three"), 0);
	assert_fails_with(nbd_opt_info(h), ENOENT, "three");
	assert_fails_with(nbd_opt_go(h), ENOENT, "three");
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	assert_int_equal(nbd_set_export_name(h, "one"), 0);
	assert_int_equal(nbd_opt_go(h), 0);
	assert_int_equal(nbd_aio_is_ready(h), 1);
	assert_int_equal(nbd_get_size(h), 1 << 20);
	assert_fails_with(nbd_opt_go(h), EINVAL,
			  "the handle must be negotiating");
}

static void
meta_contexts_are_listed_and_set(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();
	struct names names = { "" };
	nbd_context_callback context = { add_name, &names, NULL };
	char **known = WORDS("base:allocation", "x:unknown");
	char **unknown = WORDS("x:unknown");

	(void)state;
	assert_int_equal(nbd_opt_list_meta_context(h, context), 1);
	assert_string_equal(names.text, "base:allocation,");
	names.text[0] = '\0';
	assert_int_equal(nbd_opt_list_meta_context_queries(h, unknown, context),
			 0);
	assert_string_equal(names.text, "");
	assert_int_equal(nbd_opt_set_meta_context_queries(h, known, context),
			 1);
	assert_string_equal(names.text, "base:allocation,");

	/* Selected for good: GO keeps them if it is told not to ask. */
	assert_int_equal(nbd_set_request_meta_context(h, false), 0);
	assert_int_equal(nbd_opt_go(h), 0);
	assert_int_equal(nbd_can_meta_context(h, "base:allocation"), 1);
	assert_int_equal(nbd_can_meta_context(h, "x:unknown"), 0);
}

static void
set_meta_context_uses_those_added(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();
	struct names names = { "" };
	nbd_context_callback context = { add_name, &names, NULL };

	(void)state;
	assert_int_equal(nbd_add_meta_context(h, "base:allocation"), 0);
	assert_fails_with(nbd_can_meta_context(h, "base:allocation"), EINVAL,
			  "");
	assert_int_equal(nbd_opt_set_meta_context(h, context), 1);
	assert_string_equal(names.text, "base:allocation,");
	assert_int_equal(nbd_opt_go(h), 0);
	assert_int_equal(nbd_can_meta_context(h, "base:allocation"), 1);
}

/* What was set by hand is the program's, unless INFO and GO are to ask. */
static void
contexts_set_by_hand_are_kept_if_nobody_asks_again(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *kept = negotiating();
	CLEANUP_HANDLE struct nbd_handle *asked = negotiating();
	struct names names = { "" };
	nbd_context_callback context = { add_name, &names, NULL };
	char **queries = WORDS("base:allocation");

	(void)state;
	assert_int_equal(nbd_set_request_meta_context(kept, false), 0);
	assert_int_equal(
		nbd_opt_set_meta_context_queries(kept, queries, context), 1);
	assert_int_equal(nbd_can_meta_context(kept, "base:allocation"), 1);
	assert_int_equal(nbd_opt_info(kept), 0);
	assert_int_equal(nbd_can_meta_context(kept, "base:allocation"), 1);
	assert_int_equal(nbd_opt_go(kept), 0);
	assert_int_equal(nbd_can_meta_context(kept, "base:allocation"), 1);

	/* Asked again, with an empty list, there are none. */
	assert_int_equal(
		nbd_opt_set_meta_context_queries(asked, queries, context), 1);
	assert_int_equal(nbd_opt_info(asked), 0);
	assert_int_equal(nbd_can_meta_context(asked, "base:allocation"), 0);
}

/* Whatever was known is of no use once an export was refused. */
static void
a_refusal_makes_everything_unknown(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();

	(void)state;
	assert_int_equal(nbd_add_meta_context(h, "base:allocation"), 0);
	assert_int_equal(nbd_opt_info(h), 0);
	assert_int_equal(nbd_can_meta_context(h, "base:allocation"), 1);
	assert_text_is(nbd_get_export_description(h), "words");
	assert_int_equal(nbd_set_export_name(h, "three"), 0);
	assert_fails_with(nbd_opt_info(h), ENOENT, "three");
	assert_fails_with(nbd_can_meta_context(h, "base:allocation"), EINVAL,
			  "");
	assert_fails_with(nbd_get_size(h), EINVAL, "");
	assert_fails_with(nbd_get_block_size(h, LIBNBD_SIZE_PAYLOAD), EINVAL,
			  "");
	assert_null(nbd_get_export_description(h));
	assert_null(nbd_get_canonical_export_name(h));
}

static void
structured_replies_can_be_asked_for_by_hand(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	assert_int_equal(nbd_set_request_structured_replies(h, false), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_set_export_name(h, "one"), 0);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 0);
	assert_int_equal(nbd_opt_structured_reply(h), 1);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
	assert_int_equal(nbd_opt_go(h), 0);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
}

static void
abort_closes(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();
	CLEANUP_HANDLE struct nbd_handle *other = negotiating();

	(void)state;
	assert_int_equal(nbd_opt_abort(h), 0);
	assert_int_equal(nbd_aio_is_closed(h), 1);
	assert_int_equal(nbd_shutdown(other, 0), 0);
	assert_int_equal(nbd_aio_is_closed(other), 1);
	assert_fails_with(nbd_aio_get_fd(other), EINVAL, "connected state");
}

static void
handshake_flags_are_those_agreed_on(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	assert_int_equal(nbd_set_handshake_flags(
				 h, LIBNBD_HANDSHAKE_FLAG_FIXED_NEWSTYLE),
			 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_get_handshake_flags(h),
			 LIBNBD_HANDSHAKE_FLAG_FIXED_NEWSTYLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_to_be_polled_for_while_negotiating),
		cmocka_unit_test(exports_are_listed),
		cmocka_unit_test(what_callbacks_of_lists_return_is_ignored),
		cmocka_unit_test(info_describes_without_selecting),
		cmocka_unit_test(a_refused_export_leaves_the_negotiation_open),
		cmocka_unit_test(meta_contexts_are_listed_and_set),
		cmocka_unit_test(set_meta_context_uses_those_added),
		cmocka_unit_test(
			contexts_set_by_hand_are_kept_if_nobody_asks_again),
		cmocka_unit_test(a_refusal_makes_everything_unknown),
		cmocka_unit_test(structured_replies_can_be_asked_for_by_hand),
		cmocka_unit_test(abort_closes),
		cmocka_unit_test(handshake_flags_are_those_agreed_on),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
