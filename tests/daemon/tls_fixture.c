/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One volume, "disk", whose server wants TLS. */
#include "tests/daemon/tls_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "nbdclientd/v1/admin.pb-c.h"
#include "tests/support/tls_material.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB 1024

void
tls_set_up(struct tls_fixture *f)
{
	*f = (struct tls_fixture){ .pki = workdir_make() };
	tls_make_authority(f->pki, "the tests");
	tls_make_server(f->pki);
	tls_make_client(f->pki);
	free(tls_make_key(f->pki, "alice"));
	daemon_prepare(&f->daemon, "");
}

void
tls_tear_down(struct tls_fixture *f)
{
	client_free(f->client);
	daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	workdir_remove(f->pki);
}

void
tls_serve(const struct tls_fixture *f, struct server *server,
	  enum server_transport transport, const char *options)
{
	CLEANUP_FREE char *line = NULL;

	assert_true(asprintf(&line,
			     "env -C %s nbdkit --foreground %s memory %d",
			     f->pki, options, TLS_DISK_SIZE) > 0);
	server_start_line(server, transport, line);
}

void
tls_launch(struct tls_fixture *f)
{
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
}

void
tls_run(struct tls_fixture *f, uint32_t command, void (*midway)(void *user),
	void *user)
{
	struct client_error error;
	struct load load = {
		.channel = channel_open(f->client, "disk", 30000, &error),
		.command = command,
		.size = TLS_DISK_SIZE,
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

void
tls_expect_service(struct tls_fixture *f)
{
	Nbdclientd__V1__Volume *volume;

	daemon_await_volume(f->client, "disk", volume_is_ready);
	tls_run(f, WRITE, NULL, NULL);
	tls_run(f, READ, NULL, NULL);
	volume = daemon_volume(f->client, "disk");
	assert_true(volume->protocol->tls);
	codec_message_free(volume);
}

void
tls_reload(struct tls_fixture *f)
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
