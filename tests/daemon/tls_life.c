/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Servers with TLS that are killed and come back: as they were, with other keys
 * or certificates, or not at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "tests/daemon/tls_fixture.h"
#include "tests/support/tls_material.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define UNREACHABLE \
	NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_SERVER_UNREACHABLE

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
	struct tls_fixture f;
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
	tls_set_up(&f);
	image = workdir_sparse_file(f.pki, "disk", TLS_DISK_SIZE);
	argv[2] = f.pki;
	reborn_start(&server, argv);
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\n"
			  "TlsCertificates=%s\nConnections=1-2\n",
			  server.socket, f.pki);
	tls_launch(&f);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	tls_run(&f, WRITE, restart, &server);
	tls_run(&f, READ, restart, &server);
	tls_tear_down(&f);
}

static uint64_t
connection_of(struct tls_fixture *f)
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
serve_again(const struct tls_fixture *f, struct reborn_server *server,
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
expect_change(struct tls_fixture *f, struct reborn_server *server)
{
	uint64_t before = connection_of(f);

	tls_run(f, WRITE, NULL, NULL);
	tls_reload(f);
	assert_true(connection_of(f) == before);
	tls_run(f, READ, NULL, NULL);
	assert_true(connection_of(f) == before);
	tls_run(f, WRITE, restart, server);
	tls_run(f, READ, NULL, NULL);
	assert_true(connection_of(f) != before);
}

static void
a_new_key_counts_for_the_next_connection(void **state)
{
	CLEANUP_REBORN struct reborn_server server;
	CLEANUP_FREE char *image = NULL, *keys = NULL;
	const char *argv[10] = { NULL };
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	image = workdir_sparse_file(f.pki, "disk", TLS_DISK_SIZE);
	argv[8] = "disk";
	serve_again(&f, &server, argv, "--tls=require", "--tls-psk=keys.psk");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\n"
			  "TlsPskFile=%s/keys.psk\nTlsUsername=alice\n"
			  "Connections=1\n",
			  server.socket, f.pki);
	tls_launch(&f);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	keys = workdir_path(f.pki, "keys.psk");
	assert_int_equal(remove(keys), 0);
	free(tls_make_key(f.pki, "alice"));
	expect_change(&f, &server);
	tls_tear_down(&f);
}

static void
new_certificates_count_for_the_next_connection(void **state)
{
	CLEANUP_REBORN struct reborn_server server;
	CLEANUP_FREE char *image = NULL;
	const char *argv[10] = { NULL };
	struct tls_fixture f;

	(void)state;
	tls_set_up(&f);
	image = workdir_sparse_file(f.pki, "disk", TLS_DISK_SIZE);
	argv[8] = "disk";
	serve_again(&f, &server, argv, "--tls-certificates=.",
		    "--tls-verify-peer");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\nTlsCertificates=%s\n"
			  "Connections=1\n",
			  server.socket, f.pki);
	tls_launch(&f);
	daemon_await_volume(f.client, "disk", volume_is_ready);
	/* An authority, a server and a client that the old ones do not know. */
	tls_make_authority(f.pki, "the tests of tomorrow");
	tls_make_server(f.pki);
	tls_make_client(f.pki);
	expect_change(&f, &server);
	tls_tear_down(&f);
}

/* Whoever connects to PATH from now on waits for ever. */
static int
listen_mutely(const struct reborn_server *server)
{
	CLEANUP_FREE char *path = workdir_path(server->dir, "mute");
	struct sockaddr_un address = server_unix_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(rename(path, server->socket), 0);
	return fd;
}

static void
a_server_that_dies_is_no_fault_of_tls(void **state)
{
	CLEANUP_REBORN struct reborn_server server;
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	CLEANUP_FREE char *image = NULL;
	const char *argv[10] = { NULL };
	struct client_error error;
	struct tls_fixture f;
	int mute;

	(void)state;
	tls_set_up(&f);
	image = workdir_sparse_file(f.pki, "disk", TLS_DISK_SIZE);
	argv[8] = "disk";
	serve_again(&f, &server, argv, "--tls=require", "--tls-psk=keys.psk");
	daemon_put_volume(&f.daemon, "disk",
			  "Uri=nbds+unix:///?socket=%s\n"
			  "TlsPskFile=%s/keys.psk\nTlsUsername=alice\n",
			  server.socket, f.pki);
	tls_launch(&f);
	tls_expect_service(&f);
	mute = listen_mutely(&server);
	reborn_kill(&server);
	assert_true(client_read(f.client, "disk", 0, 512, 3000, &data, &error) <
		    0);
	if (error.reason != UNREACHABLE)
		fail_msg("reason %d: %s", error.reason, error.message);
	assert_non_null(strstr(error.message, "the last attempt"));
	close(mute);
	tls_tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_killed_under_load_is_found_again),
		cmocka_unit_test(a_server_that_dies_is_no_fault_of_tls),
		cmocka_unit_test(a_new_key_counts_for_the_next_connection),
		cmocka_unit_test(
			new_certificates_count_for_the_next_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
