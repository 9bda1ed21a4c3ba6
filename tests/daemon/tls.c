/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes whose servers insist on TLS: by certificates on both sides or by a
 * key, under load, through a restart of the server, and when it is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "tests/daemon/harness.h"
#include "tests/support/server.h"
#include "tests/support/tls_material.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB   1024
#define MIB   (1024 * 1024)
#define SIZE  (8 * MIB)
#define READ  NBDCLIENTD__V1__COMMAND__COMMAND_READ
#define WRITE NBDCLIENTD__V1__COMMAND__COMMAND_WRITE

#define WITH_CERTIFICATES "--tls=require --tls-verify-peer --tls-certificates=."
#define WITH_KEY          "--tls=require --tls-psk=keys.psk"

struct fixture {
	char *pki; /* an authority, a server and a client */
	struct daemon_process daemon;
	struct client *client;
};

static void
set_up(struct fixture *f)
{
	*f = (struct fixture){ .pki = workdir_make() };
	tls_make_authority(f->pki, "the tests");
	tls_make_server(f->pki);
	tls_make_client(f->pki);
	free(tls_make_key(f->pki, "alice"));
	daemon_prepare(&f->daemon, "");
}

static void
tear_down(struct fixture *f)
{
	client_free(f->client);
	daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	workdir_remove(f->pki);
}

/* nbdkit with OPTIONS, and a disk of SIZE, in the directory of the keys. */
static void
serve(const struct fixture *f, struct server *server,
      enum server_transport transport, const char *options)
{
	CLEANUP_FREE char *line = NULL;

	assert_true(asprintf(&line,
			     "env -C %s nbdkit --foreground %s memory %d",
			     f->pki, options, SIZE) > 0);
	server_start_line(server, transport, line);
}

static void
launch(struct fixture *f)
{
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
}

static void
run(struct fixture *f, uint32_t command, void (*midway)(void *user), void *user)
{
	struct client_error error;
	struct load load = {
		.channel = channel_open(f->client, "disk", 30000, &error),
		.command = command,
		.size = SIZE,
		.block = 32 * KIB,
		.depth = 32,
		.seed = 11,
		.midway_at = 60,
		.midway = midway,
		.user = user,
	};

	if (!load.channel)
		fail_msg("%s", error.message);
	load_run(&load);
	if (load.n_failed)
		fail_msg("%u failed: %s", load.n_failed,
			 load.first_error.message);
	assert_int_equal(load.n_wrong, 0);
	channel_free(load.channel);
}

/* Writes all and reads it back, and the connection was encrypted. */
static void
expect_service(struct fixture *f)
{
	Nbdclientd__V1__Volume *volume;

	daemon_await_volume(f->client, "disk", volume_is_ready);
	run(f, WRITE, NULL, NULL);
	run(f, READ, NULL, NULL);
	volume = daemon_volume(f->client, "disk");
	assert_true(volume->protocol->tls);
	codec_message_free(volume);
}

static void
certificates_on_a_unix_socket(void **state)
{
	CLEANUP_SERVER struct server server;
	struct fixture f;

	(void)state;
	set_up(&f);
	serve(&f, &server, SERVER_UNIX, WITH_CERTIFICATES);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\n"
			  "TlsCertificates=%s\nConnections=2-4\n",
			  server.socket, f.pki);
	launch(&f);
	expect_service(&f);
	tear_down(&f);
}

static void
certificates_for_a_host_over_tcp(void **state)
{
	CLEANUP_SERVER struct server server;
	struct fixture f;

	(void)state;
	set_up(&f);
	serve(&f, &server, SERVER_TCP, WITH_CERTIFICATES);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds://localhost:%s\nTlsCertificates=%s\n",
			  server.port, f.pki);
	launch(&f);
	expect_service(&f);
	tear_down(&f);
}

static void
a_key_over_tcp(void **state)
{
	CLEANUP_SERVER struct server server;
	struct fixture f;

	(void)state;
	set_up(&f);
	serve(&f, &server, SERVER_TCP, WITH_KEY);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds://127.0.0.1:%s\nTlsPskFile=%s/keys.psk\n"
			  "TlsUsername=alice\n",
			  server.port, f.pki);
	launch(&f);
	expect_service(&f);
	tear_down(&f);
}

static void
a_policy_says_more_than_the_scheme(void **state)
{
	CLEANUP_SERVER struct server server;
	struct fixture f;

	(void)state;
	set_up(&f);
	serve(&f, &server, SERVER_UNIX,
	      "--tls=on --tls-certificates=. --tls-verify-peer");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbd+unix:///?socket=%s\nTls=require\n"
			  "TlsCertificates=%s\n",
			  server.socket, f.pki);
	launch(&f);
	expect_service(&f);
	tear_down(&f);
}

static void
restart(void *user)
{
	reborn_restart(user);
}

static void
a_server_killed_under_load_is_found_again(void **state)
{
	CLEANUP_REBORN struct reborn_server server;
	CLEANUP_FREE char *image = NULL;
	struct fixture f;
	const char *argv[] = { "env",
			       "-C",
			       NULL,
			       "nbdkit",
			       "--foreground",
			       "--tls=require",
			       "--tls-verify-peer",
			       "--tls-certificates=.",
			       "--filter=delay",
			       "file",
			       "disk",
			       "rdelay=2ms",
			       "wdelay=2ms",
			       NULL };

	(void)state;
	set_up(&f);
	image = workdir_sparse_file(f.pki, "disk", SIZE);
	argv[2] = f.pki;
	reborn_start(&server, argv);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\n"
			  "TlsCertificates=%s\nConnections=1-2\n",
			  server.socket, f.pki);
	launch(&f);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	run(&f, WRITE, restart, &server);
	run(&f, READ, restart, &server);
	tear_down(&f);
}

static bool
says_why(const Nbdclientd__V1__Volume *volume)
{
	return volume->last_error && volume->last_error[0];
}

/* The volume says WHY; whoever wants to use it is told that TLS is it. */
static void
expect_refusal(struct fixture *f, const char *why)
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
	assert_true(client_read(f->client, "disk", 0, 512, 300, &data, &error) <
		    0);
	if (error.reason != NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_TLS)
		fail_msg("reason %d: %s", error.reason, error.message);
}

static void
reload(struct fixture *f)
{
	Nbdclientd__V1__ReloadRequest request =
		NBDCLIENTD__V1__RELOAD_REQUEST__INIT;
	struct client_error error;
	void *response = client_call(f->client, RPC_ADMIN_RELOAD, &request,
				     30000, &error);

	if (!response)
		fail_msg("%s", error.message);
	codec_message_free(response);
}

static void
who_is_not_trusted_serves_nothing_until_he_is(void **state)
{
	CLEANUP_WORKDIR char *other = workdir_make();
	CLEANUP_SERVER struct server server;
	struct fixture f;

	(void)state;
	set_up(&f);
	tls_make_authority(other, "somebody else");
	serve(&f, &server, SERVER_UNIX, "--tls=require --tls-certificates=.");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\nTlsCertificates=%s\n",
			  server.socket, other);
	launch(&f);
	expect_refusal(&f, "issuer is unknown");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\nTlsCertificates=%s\n"
			  "TlsVerifyPeer=no\n",
			  server.socket, other);
	reload(&f);
	expect_service(&f);
	tear_down(&f);
}

static void
a_server_for_another_host_serves_nothing(void **state)
{
	CLEANUP_SERVER struct server server;
	struct fixture f;

	(void)state;
	set_up(&f);
	serve(&f, &server, SERVER_UNIX, WITH_CERTIFICATES);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s&tls-hostname=elsewhere\n"
			  "TlsCertificates=%s\n",
			  server.socket, f.pki);
	launch(&f);
	expect_refusal(&f, "name in the certificate");
	tear_down(&f);
}

static void
a_server_without_tls_serves_nothing(void **state)
{
	CLEANUP_SERVER struct server server;
	struct fixture f;

	(void)state;
	set_up(&f);
	serve(&f, &server, SERVER_UNIX, "--tls=off");
	daemon_put_volume(&f.daemon, "disk", "Uri=nbds+unix:///?socket=%s\n",
			  server.socket);
	launch(&f);
	expect_refusal(&f, "server refused TLS");
	tear_down(&f);
}

static void
a_key_that_is_not_there_is_named(void **state)
{
	CLEANUP_SERVER struct server server;
	struct fixture f;

	(void)state;
	set_up(&f);
	serve(&f, &server, SERVER_UNIX, WITH_KEY);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\n"
			  "TlsPskFile=%s/no-keys.psk\nTlsUsername=alice\n",
			  server.socket, f.pki);
	launch(&f);
	expect_refusal(&f, "no-keys.psk");
	tear_down(&f);
}

static uint64_t
connection_of(struct fixture *f)
{
	Nbdclientd__V1__ListConnectionsRequest request =
		NBDCLIENTD__V1__LIST_CONNECTIONS_REQUEST__INIT;
	Nbdclientd__V1__ListConnectionsResponse *response;
	struct client_error error;
	uint64_t id;

	response = client_call(f->client, RPC_ADMIN_LIST_CONNECTIONS, &request,
			       30000, &error);
	if (!response)
		fail_msg("%s", error.message);
	assert_int_equal(response->n_connections, 1);
	id = response->connections[0]->id;
	codec_message_free(response);
	return id;
}

/* The server is to be started again with what lies in f->pki by then. */
static void
serve_again(const struct fixture *f, struct reborn_server *server,
	    const char *argv[8], const char *how, const char *what)
{
	const char *words[8] = { "env",          "-C", f->pki, "nbdkit",
				 "--foreground", how,  what };

	memcpy(argv, words, sizeof(words));
	argv[7] = "file";
	reborn_start(server, argv);
}

/* What is in the files of the volume has changed; what is connected stays
 * connected, and the next connection uses the new ones. */
static void
expect_change(struct fixture *f, struct reborn_server *server)
{
	uint64_t before = connection_of(f);

	run(f, WRITE, NULL, NULL);
	reload(f);
	assert_true(connection_of(f) == before);
	run(f, READ, NULL, NULL);
	assert_true(connection_of(f) == before);
	run(f, WRITE, restart, server);
	run(f, READ, NULL, NULL);
	assert_true(connection_of(f) != before);
}

static void
a_new_key_counts_for_the_next_connection(void **state)
{
	CLEANUP_REBORN struct reborn_server server;
	CLEANUP_FREE char *image = NULL, *keys = NULL;
	const char *argv[10] = { NULL };
	struct fixture f;

	(void)state;
	set_up(&f);
	image = workdir_sparse_file(f.pki, "disk", SIZE);
	argv[8] = "disk";
	serve_again(&f, &server, argv, "--tls=require", "--tls-psk=keys.psk");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\n"
			  "TlsPskFile=%s/keys.psk\nTlsUsername=alice\n"
			  "Connections=1\n",
			  server.socket, f.pki);
	launch(&f);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	keys = workdir_path(f.pki, "keys.psk");
	assert_int_equal(remove(keys), 0);
	free(tls_make_key(f.pki, "alice"));
	expect_change(&f, &server);
	tear_down(&f);
}

static void
new_certificates_count_for_the_next_connection(void **state)
{
	CLEANUP_REBORN struct reborn_server server;
	CLEANUP_FREE char *image = NULL;
	const char *argv[10] = { NULL };
	struct fixture f;

	(void)state;
	set_up(&f);
	image = workdir_sparse_file(f.pki, "disk", SIZE);
	argv[8] = "disk";
	serve_again(&f, &server, argv, "--tls-certificates=.",
		    "--tls-verify-peer");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\nTlsCertificates=%s\n"
			  "Connections=1\n",
			  server.socket, f.pki);
	launch(&f);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	/* An authority, a server and a client that the old ones do not know. */
	tls_make_authority(f.pki, "the tests of tomorrow");
	tls_make_server(f.pki);
	tls_make_client(f.pki);
	expect_change(&f, &server);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_on_a_unix_socket),
		cmocka_unit_test(certificates_for_a_host_over_tcp),
		cmocka_unit_test(a_key_over_tcp),
		cmocka_unit_test(a_policy_says_more_than_the_scheme),
		cmocka_unit_test(a_server_killed_under_load_is_found_again),
		cmocka_unit_test(who_is_not_trusted_serves_nothing_until_he_is),
		cmocka_unit_test(a_server_for_another_host_serves_nothing),
		cmocka_unit_test(a_server_without_tls_serves_nothing),
		cmocka_unit_test(a_key_that_is_not_there_is_named),
		cmocka_unit_test(a_new_key_counts_for_the_next_connection),
		cmocka_unit_test(
			new_certificates_count_for_the_next_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
