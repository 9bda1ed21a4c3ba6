/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What older libraries did not do or did otherwise: verification on unix
 * sockets, names that are set, several certificates, TLS in option mode, and
 * all of it in URIs. Only for our library.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/interop/tls/parties.h"
#include "tests/support/outcome.h"
#include "tests/support/tls_material.h"
#include "tests/support/workdir.h"

#define WITH_CERTIFICATES(party) "--tls=require --tls-certificates=DIR/" party
#define WITH_KEYS                "--tls=require --tls-psk=DIR/keys.psk"

/* A client that expects NAME in the server's certificate. */
static struct nbd_handle *
client_for(const struct parties *parties, const char *name)
{
	struct nbd_handle *h = parties_client(parties->bare);

	assert_nbd_ok(nbd_set_tls_hostname(h, name));
	return h;
}

static void
certificates_are_verified_on_unix_sockets(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = parties_client(parties->other);

	parties_serve(parties, &server, SERVER_UNIX, WITH_CERTIFICATES("good"));
	parties_expect_success(parties_client(parties->bare), &server);
	parties_expect_failure(parties_client(parties->other), &server, 0,
			       "issuer is unknown");
	parties_expect_failure(parties_client(parties->revoking), &server, 0,
			       "revoked");
	assert_nbd_ok(nbd_set_tls_verify_peer(h, false));
	parties_expect_success(h, &server);
}

static void
dates_count_on_unix_sockets(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server expired;
	CLEANUP_SERVER struct server future;

	parties_serve(parties, &expired, SERVER_UNIX,
		      WITH_CERTIFICATES("expired"));
	parties_expect_failure(parties_client(parties->bare), &expired, 0,
			       "expired");
	parties_serve(parties, &future, SERVER_UNIX,
		      WITH_CERTIFICATES("future"));
	parties_expect_failure(parties_client(parties->bare), &future, 0,
			       "not yet valid");
}

static void
the_name_that_is_set_counts_everywhere(void **state)
{
	static const enum server_transport transports[] = { SERVER_UNIX,
							    SERVER_TCP };
	const struct parties *parties = *state;

	for (int i = 0; i < 2; i++) {
		CLEANUP_SERVER struct server server;

		parties_serve(parties, &server, transports[i],
			      WITH_CERTIFICATES("elsewhere"));
		parties_expect_success(client_for(parties, "disks.example.org"),
				       &server);
		parties_expect_success(
			client_for(parties, "disks.example.org."), &server);
		parties_expect_failure(client_for(parties, "localhost"),
				       &server, 0, "name in the certificate");
		parties_expect_failure(client_for(parties, "example.org"),
				       &server, 0, "name in the certificate");
	}
}

static void
an_address_may_stand_for_a_name(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_UNIX, WITH_CERTIFICATES("good"));
	parties_expect_success(client_for(parties, "127.0.0.1"), &server);
	parties_expect_success(client_for(parties, "localhost"), &server);
	parties_expect_failure(client_for(parties, "127.0.0.2"), &server, 0,
			       "name in the certificate");
}

static void
a_client_cannot_pose_as_the_server(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_UNIX,
		      WITH_CERTIFICATES("posing"));
	parties_expect_failure(parties_client(parties->bare), &server, 0,
			       "gnutls_handshake: ");
}

static void
a_directory_without_authorities_is_an_error(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_UNIX, WITH_CERTIFICATES("good"));
	parties_expect_failure(parties_client(dir), &server, ENOENT,
			       "ca-cert.pem");
}

/* Certificates by two authorities that the server does not know, and one by
 * its own, behind a gap and not. */
static void
the_certificate_that_the_server_wants_is_shown(void **state)
{
	const struct parties *parties = *state;
	const struct tls_certificate wanted = {
		.authority = parties->good,
		.purpose = "tls_www_client",
	};
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_UNIX,
		      WITH_CERTIFICATES("good") " --tls-verify-peer");
	tls_copy(parties->other, "client-cert.pem", dir);
	tls_copy(parties->other, "client-key.pem", dir);
	tls_copy(parties->good, "ca-cert.pem", dir);
	parties_expect_failure(parties_client(dir), &server, -1, NULL);
	tls_make_certificate(dir, "client", "-1", &wanted);
	parties_expect_failure(parties_client(dir), &server, -1, NULL);
	tls_make_certificate(dir, "client", "-0", &wanted);
	parties_expect_success(parties_client(dir), &server);
}

static struct nbd_handle *
open_negotiating(const struct parties *parties, const struct server *server)
{
	struct nbd_handle *h = parties_user(parties->keys, "alice");

	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_DISABLE));
	assert_nbd_ok(nbd_set_opt_mode(h, true));
	assert_nbd_ok(parties_connect(h, server));
	return h;
}

static void
tls_begins_when_the_program_asks(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h;
	char text[512];

	parties_serve(parties, &server, SERVER_UNIX,
		      "--tls=on --tls-psk=DIR/keys.psk");
	h = open_negotiating(parties, &server);
	assert_nbd_ok(nbd_opt_info(h));
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
	assert_int_equal(nbd_opt_starttls(h), 1);
	assert_int_equal(nbd_get_tls_negotiated(h), 1);
	/* What was learnt in clear is forgotten. */
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 0);
	assert_nbd_errno(nbd_get_size(h), EINVAL);
	assert_int_equal(nbd_opt_structured_reply(h), 1);
	/* TLS inside of TLS is not to be had, and nothing breaks. */
	assert_int_equal(nbd_opt_starttls(h), 0);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	assert_nbd_ok(nbd_opt_go(h));
	assert_int_equal(nbd_get_structured_replies_negotiated(h), 1);
	assert_nbd_ok(nbd_pread(h, text, sizeof(text), 0, 0));
	assert_nbd_ok(nbd_shutdown(h, 0));
	nbd_close(h);
}

static int
note_error(void *user_data, int *error)
{
	int *seen = user_data;

	assert_int_equal(*seen, -1);
	*seen = *error;
	return 1;
}

static int
starttls_later(struct nbd_handle *h)
{
	int seen = -1;
	nbd_completion_callback completion = { .callback = note_error,
					       .user_data = &seen };

	assert_nbd_ok(nbd_aio_opt_starttls(h, completion));
	while (nbd_aio_is_connecting(h))
		if (nbd_poll(h, -1) < 0)
			break;
	return seen;
}

static void
the_completion_learns_how_it_ended(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server with;
	CLEANUP_SERVER struct server without;
	struct nbd_handle *h;

	parties_serve(parties, &with, SERVER_UNIX,
		      "--tls=on --tls-psk=DIR/keys.psk");
	h = open_negotiating(parties, &with);
	assert_int_equal(starttls_later(h), 0);
	assert_int_equal(nbd_get_tls_negotiated(h), 1);
	assert_int_equal(starttls_later(h), EINVAL);
	assert_nbd_ok(nbd_opt_abort(h));
	nbd_close(h);

	parties_serve(parties, &without, SERVER_UNIX, "--tls=off");
	h = open_negotiating(parties, &without);
	assert_int_equal(starttls_later(h), ENOTSUP);
	assert_int_equal(nbd_opt_starttls(h), 0);
	assert_int_equal(nbd_get_tls_negotiated(h), 0);
	assert_nbd_ok(nbd_opt_go(h));
	nbd_close(h);
}

static void
tls_that_fails_in_option_mode_is_final(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = parties_client(parties->other);

	parties_serve(parties, &server, SERVER_UNIX,
		      "--tls=on --tls-certificates=DIR/good");
	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_DISABLE));
	assert_nbd_ok(nbd_set_opt_mode(h, true));
	assert_nbd_ok(parties_connect(h, &server));
	assert_nbd_errno(nbd_opt_starttls(h), 0);
	assert_non_null(strstr(nbd_get_error(), "issuer is unknown"));
	assert_int_equal(nbd_aio_is_dead(h), 1);
	nbd_close(h);
}

static void
the_priority_is_used(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = parties_user(parties->keys, "alice");

	parties_serve(parties, &server, SERVER_UNIX, WITH_KEYS);
	assert_nbd_ok(nbd_set_tls_priority(h, "NORMAL:-VERS-TLS1.3"));
	parties_expect_success(h, &server);
	h = parties_user(parties->keys, "alice");
	assert_nbd_ok(nbd_set_tls_priority(h, "ABNORMAL"));
	parties_expect_failure(h, &server, 0,
			       "gnutls_priority_set_direct: ABNORMAL");
	/* A set of versions that the server does not have. */
	h = parties_user(parties->keys, "alice");
	assert_nbd_ok(
		nbd_set_tls_priority(h, "NORMAL:-VERS-ALL:+VERS-DTLS1.2"));
	parties_expect_failure(h, &server, 0, "gnutls_");
}

/* A URI for SERVER, with everything that a URI may say about TLS. */
static char *
tls_uri(const struct server *server, const char *user, const char *query)
{
	char *uri;
	int length;

	if (server->socket)
		length = asprintf(&uri, "nbds+unix://%s/?socket=%s&%s", user,
				  server->socket, query);
	else
		length = asprintf(&uri, "nbds://%s127.0.0.1:%s/?%s", user,
				  server->port, query);
	if (length < 0)
		test_broken("out of memory");
	return uri;
}

static struct nbd_handle *
new_for_uris(void)
{
	struct nbd_handle *h = nbd_create();

	assert_non_null(h);
	assert_nbd_ok(nbd_set_uri_allow_local_file(h, true));
	assert_nbd_ok(nbd_set_uri_allow_tls_priority(h, true));
	return h;
}

/* Connects to URI, and then to the URI that the connection says it is. */
static void
expect_uri_works(char *uri)
{
	CLEANUP_FREE char *given = uri;
	CLEANUP_FREE char *told = NULL;
	struct nbd_handle *h = new_for_uris();

	assert_nbd_ok(nbd_connect_uri(h, given));
	assert_int_equal(nbd_get_tls_negotiated(h), 1);
	told = nbd_get_uri(h);
	assert_non_null(told);
	assert_nbd_ok(nbd_shutdown(h, 0));
	nbd_close(h);
	h = new_for_uris();
	assert_nbd_ok(nbd_connect_uri(h, told));
	assert_int_equal(nbd_get_tls_negotiated(h), 1);
	assert_nbd_ok(nbd_shutdown(h, 0));
	nbd_close(h);
}

static void
expect_uri_fails(char *uri, const char *part)
{
	CLEANUP_FREE char *given = uri;
	struct nbd_handle *h = new_for_uris();

	assert_nbd_errno(nbd_connect_uri(h, given), 0);
	if (!strstr(nbd_get_error(), part))
		fail_msg("\"%s\" is not in: %s", part, nbd_get_error());
	nbd_close(h);
}

/* QUERY is a format with the directory. */
static char *
query_with(const char *before, const char *dir, const char *after)
{
	char *query;

	if (asprintf(&query, "%s%s%s", before, dir, after) < 0)
		test_broken("out of memory");
	return query;
}

static void
uris_name_certificates(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_FREE char *trusted = query_with(
		"tls-certificates=", parties->bare, "");
	CLEANUP_FREE char *named = query_with(
		"tls-certificates=", parties->bare,
		"&tls-hostname=localhost&tls-priority=NORMAL:-VERS-TLS1.3");
	CLEANUP_FREE char *misnamed = query_with(
		"tls-certificates=", parties->bare,
		"&tls-hostname=example.org");
	CLEANUP_FREE char *unverified = query_with(
		"tls-certificates=", parties->other, "&tls-verify-peer=no");
	CLEANUP_FREE char *distrusted = query_with(
		"tls-certificates=", parties->other, "");
	static const enum server_transport transports[] = { SERVER_UNIX,
							    SERVER_TCP };

	for (int i = 0; i < 2; i++) {
		CLEANUP_SERVER struct server server;

		parties_serve(parties, &server, transports[i],
			      WITH_CERTIFICATES("good"));
		expect_uri_works(tls_uri(&server, "", trusted));
		expect_uri_works(tls_uri(&server, "", named));
		expect_uri_works(tls_uri(&server, "", unverified));
		expect_uri_fails(tls_uri(&server, "", misnamed),
				 "name in the certificate");
		expect_uri_fails(tls_uri(&server, "", distrusted),
				 "issuer is unknown");
	}
}

static void
uris_name_users_and_keys(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_FREE char *keys = query_with("tls-psk-file=", parties->keys,
					     "");
	CLEANUP_FREE char *user = query_with("tls-psk-file=", parties->keys,
					     "&tls-username=bob");
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_UNIX, WITH_KEYS);
	expect_uri_works(tls_uri(&server, "alice@", keys));
	expect_uri_works(tls_uri(&server, "", user));
	/* The parameter goes before the user. */
	expect_uri_works(tls_uri(&server, "nobody@", user));
}

static void
uris_that_want_tls_require_it(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	CLEANUP_FREE char *uri = NULL;
	struct nbd_handle *h = nbd_create();

	parties_serve(parties, &server, SERVER_UNIX, "--tls=off");
	uri = tls_uri(&server, "", "");
	assert_nbd_errno(nbd_connect_uri(h, uri), ENOTSUP);
	assert_int_equal(nbd_get_tls(h), LIBNBD_TLS_REQUIRE);
	nbd_close(h);
}

/* What the handle was told holds; what became of it is in the URI. */
static void
uris_without_tls_leave_the_policy_alone(void **state)
{
	const struct parties *parties = *state;
	static const int policies[] = { LIBNBD_TLS_ALLOW, LIBNBD_TLS_REQUIRE };
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_UNIX, WITH_KEYS);
	for (size_t i = 0; i < 2; i++) {
		struct nbd_handle *h = parties_user(parties->keys, "alice");
		CLEANUP_FREE char *told = NULL;

		assert_nbd_ok(nbd_set_tls(h, policies[i]));
		assert_nbd_ok(nbd_connect_uri(h, server.uri));
		assert_int_equal(nbd_get_tls(h), policies[i]);
		assert_int_equal(nbd_get_tls_negotiated(h), 1);
		told = nbd_get_uri(h);
		assert_non_null(told);
		assert_memory_equal(told, "nbds+unix://alice@/", 19);
		assert_nbd_ok(nbd_shutdown(h, 0));
		nbd_close(h);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_are_verified_on_unix_sockets),
		cmocka_unit_test(dates_count_on_unix_sockets),
		cmocka_unit_test(the_name_that_is_set_counts_everywhere),
		cmocka_unit_test(an_address_may_stand_for_a_name),
		cmocka_unit_test(a_client_cannot_pose_as_the_server),
		cmocka_unit_test(a_directory_without_authorities_is_an_error),
		cmocka_unit_test(
			the_certificate_that_the_server_wants_is_shown),
		cmocka_unit_test(tls_begins_when_the_program_asks),
		cmocka_unit_test(the_completion_learns_how_it_ended),
		cmocka_unit_test(tls_that_fails_in_option_mode_is_final),
		cmocka_unit_test(the_priority_is_used),
		cmocka_unit_test(uris_name_certificates),
		cmocka_unit_test(uris_name_users_and_keys),
		cmocka_unit_test(uris_that_want_tls_require_it),
		cmocka_unit_test(uris_without_tls_leave_the_policy_alone),
	};

	fixture_check_library();
	return cmocka_run_group_tests(tests, parties_setup, parties_teardown);
}
