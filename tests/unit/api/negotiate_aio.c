/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option mode without waiting: what the completion is told, and when. */
#include <errno.h>
#include <libnbd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/process.h"
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
			  "exportname-list=explicit exportname-strict=true");
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	server_stop(&server);
	return 0;
}

/* How one option came out. */
struct outcome {
	unsigned n_completed;
	unsigned n_freed;
	int error;
	char names[256]; /* each with a comma */
};

static int
complete(void *data, int *error)
{
	struct outcome *outcome = data;

	outcome->n_completed++;
	outcome->error = *error;
	/* Whatever is returned, the option is over. */
	return -1;
}

static void
count_free(void *data)
{
	struct outcome *outcome = data;

	outcome->n_freed++;
}

static int
add_name(void *data, const char *name)
{
	struct outcome *outcome = data;
	size_t length = strlen(outcome->names);

	snprintf(outcome->names + length, sizeof(outcome->names) - length,
		 "%s,", name);
	return -1; /* ignored */
}

static int
add_export(void *data, const char *name, const char *description)
{
	assert_string_equal(description, "");
	return add_name(data, name);
}

static nbd_completion_callback
completion_of(struct outcome *outcome)
{
	*outcome = (struct outcome){ .error = -1 };
	return (nbd_completion_callback){ complete, outcome, count_free };
}

static nbd_list_callback
list_of(struct outcome *outcome)
{
	return (nbd_list_callback){ add_export, outcome, count_free };
}

static nbd_context_callback
context_of(struct outcome *outcome)
{
	return (nbd_context_callback){ add_name, outcome, count_free };
}

static struct nbd_handle *
negotiating(void)
{
	struct nbd_handle *h = nbd_create();

	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	if (nbd_connect_uri(h, server.uri) != 0)
		fail_msg("%s", nbd_get_error());
	assert_int_equal(nbd_set_export_name(h, "one"), 0);
	return h;
}

/* The call was accepted; it completes with ERROR, once, and its closures, of
 * which there are N_CLOSURES, are released once. */
static void
finish(struct nbd_handle *h, int result, const struct outcome *outcome,
       int error, unsigned n_closures)
{
	if (result != 0)
		fail_msg("%s", nbd_get_error());
	while (nbd_aio_is_connecting(h)) {
		/* There are no cookies: nothing counts as in flight. */
		assert_fails_with(nbd_aio_in_flight(h), EINVAL, "state");
		assert_true(nbd_aio_get_direction(h) != 0);
		assert_int_not_equal(nbd_poll(h, -1), -1);
	}
	assert_int_equal(outcome->n_completed, 1);
	assert_int_equal(outcome->error, error);
	assert_int_equal(outcome->n_freed, n_closures);
}

static void
exports_are_listed(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();
	struct outcome outcome;
	nbd_completion_callback completion = completion_of(&outcome);

	(void)state;
	finish(h, nbd_aio_opt_list(h, list_of(&outcome), completion), &outcome,
	       0, 2);
	assert_string_equal(outcome.names, "one,two,");
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
}

static void
contexts_are_listed_and_set(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();
	struct outcome outcome;
	nbd_completion_callback completion = completion_of(&outcome);
	char **base = WORDS("base:allocation");
	char **none = WORDS("x:none");

	(void)state;
	finish(h,
	       nbd_aio_opt_list_meta_context(h, context_of(&outcome),
					     completion),
	       &outcome, 0, 2);
	assert_string_equal(outcome.names, "base:allocation,");
	completion = completion_of(&outcome);
	finish(h,
	       nbd_aio_opt_list_meta_context_queries(
		       h, none, context_of(&outcome), completion),
	       &outcome, 0, 2);
	assert_string_equal(outcome.names, "");
	completion = completion_of(&outcome);
	finish(h,
	       nbd_aio_opt_list_meta_context_queries(
		       h, base, context_of(&outcome), completion),
	       &outcome, 0, 2);
	assert_string_equal(outcome.names, "base:allocation,");

	completion = completion_of(&outcome);
	finish(h,
	       nbd_aio_opt_set_meta_context_queries(
		       h, base, context_of(&outcome), completion),
	       &outcome, 0, 2);
	assert_string_equal(outcome.names, "base:allocation,");
	/* The set counts though nothing else is known of the export. */
	assert_int_equal(nbd_can_meta_context(h, "base:allocation"), 1);
	/* Without queries: those that were added, which are none. */
	completion = completion_of(&outcome);
	finish(h,
	       nbd_aio_opt_set_meta_context(h, context_of(&outcome),
					    completion),
	       &outcome, 0, 2);
	assert_string_equal(outcome.names, "");
	assert_int_equal(nbd_can_meta_context(h, "base:allocation"), 0);
}

static void
refusals_are_told_to_the_completion(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();
	struct outcome outcome;
	nbd_completion_callback completion = completion_of(&outcome);

	(void)state;
	assert_int_equal(nbd_set_export_name(h, "three"), 0);
	finish(h, nbd_aio_opt_info(h, completion), &outcome, ENOENT, 1);
	completion = completion_of(&outcome);
	finish(h, nbd_aio_opt_go(h, completion), &outcome, ENOENT, 1);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	/* nbdkit has neither TLS here nor extended headers. */
	completion = completion_of(&outcome);
	finish(h, nbd_aio_opt_starttls(h, completion), &outcome, ENOTSUP, 1);
	completion = completion_of(&outcome);
	finish(h, nbd_aio_opt_extended_headers(h, completion), &outcome,
	       ENOTSUP, 1);
	assert_int_equal(nbd_opt_extended_headers(h), 0);
	assert_int_equal(nbd_opt_starttls(h), 0);
	assert_int_equal(nbd_get_tls_negotiated(h), 0);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
}

static void
structured_replies_are_agreed_on(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	struct outcome outcome;
	nbd_completion_callback completion = completion_of(&outcome);

	(void)state;
	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	assert_int_equal(nbd_get_opt_mode(h), 1);
	assert_int_equal(nbd_set_request_structured_replies(h, false), 0);
	assert_int_equal(nbd_get_request_structured_replies(h), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 0);
	finish(h, nbd_aio_opt_structured_reply(h, completion), &outcome, 0, 1);
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
}

static void
go_ends_the_negotiation(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();
	struct outcome outcome;
	nbd_completion_callback completion = completion_of(&outcome);

	(void)state;
	finish(h, nbd_aio_opt_info(h, completion), &outcome, 0, 1);
	assert_int_equal(nbd_get_size(h), 1 << 20);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	completion = completion_of(&outcome);
	finish(h, nbd_aio_opt_go(h, completion), &outcome, 0, 1);
	assert_int_equal(nbd_aio_is_ready(h), 1);
	assert_fails_with(nbd_aio_opt_go(h, completion), EINVAL, "state");
}

static void
abort_closes(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = negotiating();

	(void)state;
	assert_int_equal(nbd_aio_opt_abort(h), 0);
	while (nbd_aio_is_connecting(h))
		assert_int_not_equal(nbd_poll(h, -1), -1);
	assert_int_equal(nbd_aio_is_closed(h), 1);
}

/* A server that cannot say no hangs up. */
static void
a_plain_newstyle_server_that_refuses_is_lost(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	struct outcome outcome;
	nbd_completion_callback completion = completion_of(&outcome);

	(void)state;
	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	assert_int_equal(nbd_set_handshake_flags(h, 0), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_set_export_name(h, "three"), 0);
	assert_int_equal(nbd_aio_opt_go(h, completion), 0);
	while (nbd_aio_is_connecting(h))
		(void)nbd_poll(h, -1);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	assert_int_equal(outcome.n_completed, 1);
	assert_true(outcome.error != 0);
	assert_int_equal(outcome.n_freed, 1);
}

/* The frees run, the completion does not: nobody wants to know any more. */
static void
closing_drops_an_option_in_flight(void **state)
{
	struct nbd_handle *h = negotiating();
	struct outcome outcome;
	nbd_completion_callback completion = completion_of(&outcome);

	(void)state;
	/* A server that is quick may answer before the call returns. */
	process_stop(server.pid);
	assert_int_equal(nbd_aio_opt_list(h, list_of(&outcome), completion), 0);
	assert_int_equal(nbd_aio_is_connecting(h), 1);
	nbd_close(h);
	process_signal(server.pid, SIGCONT);
	assert_int_equal(outcome.n_completed, 0);
	assert_int_equal(outcome.n_freed, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exports_are_listed),
		cmocka_unit_test(contexts_are_listed_and_set),
		cmocka_unit_test(refusals_are_told_to_the_completion),
		cmocka_unit_test(structured_replies_are_agreed_on),
		cmocka_unit_test(go_ends_the_negotiation),
		cmocka_unit_test(abort_closes),
		cmocka_unit_test(a_plain_newstyle_server_that_refuses_is_lost),
		cmocka_unit_test(closing_drops_an_option_in_flight),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start_server, stop_server);
}
