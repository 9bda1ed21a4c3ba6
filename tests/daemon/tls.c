/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes whose servers insist on TLS: by certificates on both sides or by a
 * key, and when it is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/daemon/tls_fixture.h"
#include "tests/support/tls_material.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define WITH_CERTIFICATES "--tls=require --tls-verify-peer --tls-certificates=."
#define WITH_KEY          "--tls=require --tls-psk=keys.psk"

static void
certificates_on_a_unix_socket(void **state)
{
	CLEANUP_SERVER struct server server;
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	tls_serve(&f, &server, SERVER_UNIX, WITH_CERTIFICATES);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\n"
			  "TlsCertificates=%s\nConnections=2-4\n",
			  server.socket, f.pki);
	tls_launch(&f);
	tls_expect_service(&f);
	tls_tear_down(&f);
}

static void
certificates_for_a_host_over_tcp(void **state)
{
	CLEANUP_SERVER struct server server;
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	tls_serve(&f, &server, SERVER_TCP, WITH_CERTIFICATES);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds://localhost:%s\nTlsCertificates=%s\n",
			  server.port, f.pki);
	tls_launch(&f);
	tls_expect_service(&f);
	tls_tear_down(&f);
}

static void
a_key_over_tcp(void **state)
{
	CLEANUP_SERVER struct server server;
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	tls_serve(&f, &server, SERVER_TCP, WITH_KEY);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds://127.0.0.1:%s\nTlsPskFile=%s/keys.psk\n"
			  "TlsUsername=alice\n",
			  server.port, f.pki);
	tls_launch(&f);
	tls_expect_service(&f);
	tls_tear_down(&f);
}

static void
a_policy_says_more_than_the_scheme(void **state)
{
	CLEANUP_SERVER struct server server;
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	tls_serve(&f, &server, SERVER_UNIX,
		  "--tls=on --tls-certificates=. --tls-verify-peer");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbd+unix:///?socket=%s\nTls=require\n"
			  "TlsCertificates=%s\n",
			  server.socket, f.pki);
	tls_launch(&f);
	tls_expect_service(&f);
	tls_tear_down(&f);
}

static bool
says_why(const Nbdclientd__V1__Volume *volume)
{
	return volume->last_error && volume->last_error[0];
}

/* The volume says WHY; whoever wants to use it is told that TLS is it. */
static void
expect_refusal(struct tls_fixture *f, const char *why)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	Nbdclientd__V1__Volume *volume;
	struct client_error error;

	daemon_await_volume(f->client, "disk", says_why);
	volume = daemon_volume(f->client, "disk");
	assert_false(volume_is_ready(volume));
	if (!strstr(volume->last_error, why))
		fail_msg("\"%s\" is not in: %s", why, volume->last_error);
	codec_message_free(volume);
	assert_true(client_read(f->client, "disk", 0, 512, 3000, &data,
				&error) < 0);
	if (error.reason != NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_TLS)
		fail_msg("reason %d: %s", error.reason, error.message);
}

static void
who_is_not_trusted_serves_nothing_until_he_is(void **state)
{
	CLEANUP_WORKDIR char *other = workdir_make();
	CLEANUP_SERVER struct server server;
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	tls_make_authority(other, "somebody else");
	tls_serve(&f, &server, SERVER_UNIX,
		  "--tls=require --tls-certificates=.");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\nTlsCertificates=%s\n",
			  server.socket, other);
	tls_launch(&f);
	expect_refusal(&f, "issuer is unknown");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\nTlsCertificates=%s\n"
			  "TlsVerifyPeer=no\n",
			  server.socket, other);
	tls_reload(&f);
	tls_expect_service(&f);
	tls_tear_down(&f);
}

static void
a_server_for_another_host_serves_nothing(void **state)
{
	CLEANUP_SERVER struct server server;
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	tls_serve(&f, &server, SERVER_UNIX, WITH_CERTIFICATES);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s&tls-hostname=elsewhere\n"
			  "TlsCertificates=%s\n",
			  server.socket, f.pki);
	tls_launch(&f);
	expect_refusal(&f, "name in the certificate");
	tls_tear_down(&f);
}

static void
a_server_without_tls_serves_nothing(void **state)
{
	CLEANUP_SERVER struct server server;
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	tls_serve(&f, &server, SERVER_UNIX, "--tls=off");
	daemon_put_volume(&f.daemon, "disk", "Uri=nbds+unix:///?socket=%s\n",
			  server.socket);
	tls_launch(&f);
	expect_refusal(&f, "server refused TLS");
	tls_tear_down(&f);
}

static void
a_key_that_is_not_there_is_named(void **state)
{
	CLEANUP_SERVER struct server server;
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	tls_serve(&f, &server, SERVER_UNIX, WITH_KEY);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\n"
			  "TlsPskFile=%s/no-keys.psk\nTlsUsername=alice\n",
			  server.socket, f.pki);
	tls_launch(&f);
	expect_refusal(&f, "no-keys.psk");
	tls_tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_on_a_unix_socket),
		cmocka_unit_test(certificates_for_a_host_over_tcp),
		cmocka_unit_test(a_key_over_tcp),
		cmocka_unit_test(a_policy_says_more_than_the_scheme),
		cmocka_unit_test(who_is_not_trusted_serves_nothing_until_he_is),
		cmocka_unit_test(a_server_for_another_host_serves_nothing),
		cmocka_unit_test(a_server_without_tls_serves_nothing),
		cmocka_unit_test(a_key_that_is_not_there_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
