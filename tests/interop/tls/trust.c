/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who trusts whom, over TCP, where older libraries knew a host name to verify,
 * too: the same cases on our library and on another one.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "tests/interop/tls/parties.h"
#include "tests/support/tls_material.h"
#include "tests/support/workdir.h"

#define WITH_CERTIFICATES(party) "--tls=require --tls-certificates=DIR/" party
#define WITH_KEYS                "--tls=require --tls-psk=DIR/keys.psk"

static void
a_trusted_server_is_connected(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_TCP, WITH_CERTIFICATES("good"));
	parties_expect_success(parties_client(parties->good), &server);
	parties_expect_success(parties_client(parties->bare), &server);
}

static void
another_authority_is_not_believed(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h;

	parties_serve(parties, &server, SERVER_TCP, WITH_CERTIFICATES("good"));
	parties_expect_failure(parties_client(parties->other), &server, 0,
			       "gnutls_handshake: ");
	h = parties_client(parties->other);
	assert_nbd_ok(nbd_set_tls_verify_peer(h, false));
	parties_expect_success(h, &server);
}

static void
expect_refusal(const struct parties *parties, const char *options,
	       const char *client)
{
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h;

	parties_serve(parties, &server, SERVER_TCP, options);
	parties_expect_failure(parties_client(client), &server, 0,
			       "gnutls_handshake: ");
	/* Nor does it help that TLS is merely allowed. */
	h = parties_client(client);
	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_ALLOW));
	parties_expect_failure(h, &server, 0, "gnutls_handshake: ");
}

static void
certificates_have_dates(void **state)
{
	const struct parties *parties = *state;

	expect_refusal(parties, WITH_CERTIFICATES("expired"), parties->bare);
	expect_refusal(parties, WITH_CERTIFICATES("future"), parties->bare);
}

static void
certificates_are_for_a_host(void **state)
{
	const struct parties *parties = *state;

	expect_refusal(parties, WITH_CERTIFICATES("elsewhere"), parties->bare);
}

static void
certificates_can_be_revoked(void **state)
{
	const struct parties *parties = *state;

	expect_refusal(parties, WITH_CERTIFICATES("good"), parties->revoking);
}

/* In TLS 1.3 the server says so only after the handshake, and what it says
 * may get lost with the connection. */
static void
servers_may_want_to_know_the_client(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_TCP,
		      WITH_CERTIFICATES("good") " --tls-verify-peer");
	parties_expect_success(parties_client(parties->good), &server);
	parties_expect_failure(parties_client(parties->bare), &server, -1,
			       NULL);
}

static void
servers_do_not_believe_every_client(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = parties_client(parties->other);

	assert_nbd_ok(nbd_set_tls_verify_peer(h, false));
	parties_serve(parties, &server, SERVER_TCP,
		      WITH_CERTIFICATES("good") " --tls-verify-peer");
	parties_expect_failure(h, &server, -1, NULL);
}

static void
a_shared_key_is_enough(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_TCP, WITH_KEYS);
	parties_expect_success(parties_user(parties->keys, "alice"), &server);
	parties_expect_success(parties_user(parties->keys, "bob"), &server);
}

static void
the_environment_may_name_the_user(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_TCP, WITH_KEYS);
	setenv("LOGNAME", "bob", 1);
	parties_expect_success(parties_user(parties->keys, NULL), &server);
	setenv("LOGNAME", "carol", 1);
	parties_expect_failure(parties_user(parties->keys, NULL), &server,
			       EINVAL, "carol");
	unsetenv("LOGNAME");
}

/* A server that hangs up may do so with an errno. */
static void
a_wrong_key_or_user_is_refused(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *keys = tls_make_key(dir, "alice");
	CLEANUP_SERVER struct server server;

	free(tls_make_key(dir, "carol"));
	parties_serve(parties, &server, SERVER_TCP, WITH_KEYS);
	parties_expect_failure(parties_user(keys, "alice"), &server, -1,
			       "gnutls_handshake: ");
	parties_expect_failure(parties_user(keys, "carol"), &server, -1,
			       "gnutls_handshake: ");
}

static void
missing_keys_are_named(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_TCP, WITH_KEYS);
	parties_expect_failure(parties_user("/no/such/file", "alice"), &server,
			       ENOENT, "/no/such/file");
	parties_expect_failure(parties_user(parties->keys, "dave"), &server,
			       EINVAL, "dave");
}

/* Neither side can be talked into the other way. */
static void
keys_and_certificates_do_not_meet(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server keys;
	CLEANUP_SERVER struct server certificates;

	parties_serve(parties, &keys, SERVER_TCP, WITH_KEYS);
	parties_expect_failure(parties_client(parties->good), &keys, -1,
			       "gnutls_handshake: ");
	parties_serve(parties, &certificates, SERVER_TCP,
		      WITH_CERTIFICATES("good"));
	parties_expect_failure(parties_user(parties->keys, "alice"),
			       &certificates, -1, "gnutls_handshake: ");
}

static void
a_server_without_tls_will_do_unless_it_is_required(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = parties_user(parties->keys, "alice");

	parties_serve(parties, &server, SERVER_TCP, "--tls=off");
	parties_expect_failure(h, &server, ENOTSUP,
			       "handshake: server refused TLS, but handle TLS "
			       "setting is 'require' (2)");
	/* The file of keys is not even looked for. */
	h = parties_user("/no/such/file", "alice");
	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_ALLOW));
	assert_nbd_ok(parties_connect(h, &server));
	assert_int_equal(nbd_get_tls_negotiated(h), 0);
	assert_int_equal(nbd_get_size(h), 1 << 20);
	nbd_close(h);
}

static void
an_oldstyle_server_will_not_do_where_tls_is_required(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = parties_user(parties->keys, "alice");

	parties_serve(parties, &server, SERVER_TCP, "-o");
	parties_expect_failure(h, &server, ENOTSUP, "TLS");
	h = parties_user(parties->keys, "alice");
	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_ALLOW));
	assert_nbd_ok(parties_connect(h, &server));
	assert_int_equal(nbd_get_tls_negotiated(h), 0);
	nbd_close(h);
}

static void
a_server_that_offers_tls_gets_what_the_client_wants(void **state)
{
	static const int policies[] = { LIBNBD_TLS_DISABLE, LIBNBD_TLS_ALLOW,
					LIBNBD_TLS_REQUIRE };
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_TCP,
		      "--tls=on --tls-psk=DIR/keys.psk");
	for (int i = 0; i < 3; i++) {
		struct nbd_handle *h = parties_user(parties->keys, "alice");

		assert_nbd_ok(nbd_set_tls(h, policies[i]));
		assert_nbd_ok(parties_connect(h, &server));
		assert_int_equal(nbd_get_tls_negotiated(h), i > 0);
		assert_nbd_ok(nbd_shutdown(h, 0));
		nbd_close(h);
	}
}

static void
a_server_that_insists_says_so_to_who_has_no_tls(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;

	parties_serve(parties, &server, SERVER_TCP, WITH_KEYS);
	parties_expect_failure(nbd_create(), &server, ENOTSUP,
			       "server requires TLS encryption first");
}

/* Death without a farewell is an error and no end of the connection. */
static void
a_server_that_is_killed_leaves_no_closed_connection(void **state)
{
	const struct parties *parties = *state;
	CLEANUP_SERVER struct server server;
	struct nbd_handle *h = parties_user(parties->keys, "alice");
	char text[512];

	parties_serve(parties, &server, SERVER_TCP, WITH_KEYS);
	assert_nbd_ok(parties_connect(h, &server));
	server_kill(&server);
	assert_int_equal(nbd_pread(h, text, sizeof(text), 0, 0), -1);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	nbd_close(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trusted_server_is_connected),
		cmocka_unit_test(another_authority_is_not_believed),
		cmocka_unit_test(certificates_have_dates),
		cmocka_unit_test(certificates_are_for_a_host),
		cmocka_unit_test(certificates_can_be_revoked),
		cmocka_unit_test(servers_may_want_to_know_the_client),
		cmocka_unit_test(servers_do_not_believe_every_client),
		cmocka_unit_test(a_shared_key_is_enough),
		cmocka_unit_test(the_environment_may_name_the_user),
		cmocka_unit_test(a_wrong_key_or_user_is_refused),
		cmocka_unit_test(missing_keys_are_named),
		cmocka_unit_test(keys_and_certificates_do_not_meet),
		cmocka_unit_test(
			a_server_without_tls_will_do_unless_it_is_required),
		cmocka_unit_test(
			an_oldstyle_server_will_not_do_where_tls_is_required),
		cmocka_unit_test(
			a_server_that_offers_tls_gets_what_the_client_wants),
		cmocka_unit_test(
			a_server_that_insists_says_so_to_who_has_no_tls),
		cmocka_unit_test(
			a_server_that_is_killed_leaves_no_closed_connection),
	};

	fixture_check_library();
	return cmocka_run_group_tests(tests, parties_setup, parties_teardown);
}
