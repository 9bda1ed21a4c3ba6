/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The servers, insisting on TLS: by certificates on both sides, or by a key.
 * Servers and client share the directory of the fixture.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/nbd_server.h"
#include "tests/support/outcome.h"
#include "tests/support/tls_material.h"
#include "tests/support/workdir.h"

static void
make_certificates(const char *dir)
{
	tls_make_authority(dir, "the tests");
	tls_make_server(dir);
	tls_make_client(dir);
}

/* LINE is run in DIR. */
static void
start(struct server *server, enum server_transport transport, const char *dir,
      const char *line)
{
	CLEANUP_FREE char *image = workdir_sparse_file(dir, "disk", DISK_SIZE);
	CLEANUP_FREE char *words = NULL;

	if (asprintf(&words, "env -C %s %s", dir, line) < 0)
		test_broken("out of memory");
	server_start_line(server, transport, words);
}

static void
start_nbdkit_certificates(struct server *server,
			  enum server_transport transport, const char *dir)
{
	make_certificates(dir);
	start(server, transport, dir,
	      "nbdkit --tls=require --tls-verify-peer --tls-certificates=. "
	      "memory 8M");
}

static void
start_nbdkit_key(struct server *server, enum server_transport transport,
		 const char *dir)
{
	free(tls_make_key(dir, "alice"));
	start(server, transport, dir,
	      "nbdkit --tls=require --tls-psk=keys.psk memory 8M");
}

static void
start_qemu_certificates(struct server *server, enum server_transport transport,
			const char *dir)
{
	make_certificates(dir);
	start(server, transport, dir,
	      "qemu-nbd -t -e 16 --discard=unmap -f raw --tls-creds tls0 "
	      "--object tls-creds-x509,id=tls0,endpoint=server,verify-peer=on,"
	      "dir=. disk");
}

/* It goes to another directory before it reads the key. */
static void
start_qemu_key(struct server *server, enum server_transport transport,
	       const char *dir)
{
	CLEANUP_FREE char *line = NULL;

	free(tls_make_key(dir, "alice"));
	if (asprintf(&line,
		     "qemu-nbd -t -e 16 --discard=unmap -f raw --tls-creds "
		     "tls0 --object tls-creds-psk,id=tls0,endpoint=server,"
		     "dir=%s disk",
		     dir) < 0)
		test_broken("out of memory");
	start(server, transport, dir, line);
}

static void
start_nbd_server(struct server *server, enum server_transport transport,
		 const char *dir)
{
	CLEANUP_FREE char *image = workdir_sparse_file(dir, "disk", DISK_SIZE);
	CLEANUP_FREE char *generic = NULL;

	(void)transport;
	make_certificates(dir);
	if (asprintf(&generic,
		     "certfile = %1$s/server-cert.pem\n"
		     "keyfile = %1$s/server-key.pem\n"
		     "cacertfile = %1$s/ca-cert.pem\nforce_tls = true\n",
		     dir) < 0)
		test_broken("out of memory");
	nbd_server_start_with(server, image, "flush = true\nfua = true\n",
			      generic);
}

static void
prepare_certificates(const struct fixture *fixture, struct nbd_handle *h)
{
	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_REQUIRE));
	assert_nbd_ok(nbd_set_tls_certificates(h, fixture->dir));
}

static void
prepare_key(const struct fixture *fixture, struct nbd_handle *h)
{
	CLEANUP_FREE char *file = workdir_path(fixture->dir, "keys.psk");

	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_REQUIRE));
	assert_nbd_ok(nbd_set_tls_psk_file(h, file));
	assert_nbd_ok(nbd_set_tls_username(h, "alice"));
}

/* clang-format off */
const struct target targets[] = {
	{ "nbdkit-certificates", "nbdkit", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MAP | CAN_MULTI | CAN_SHRED |
		  CAN_FUA | CAN_LIST,
	  start_nbdkit_certificates, .prepare = prepare_certificates },
	{ "nbdkit-key", "nbdkit", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MAP | CAN_MULTI | CAN_SHRED |
		  CAN_FUA | CAN_LIST,
	  start_nbdkit_key, .prepare = prepare_key },
	{ "qemu-certificates", "qemu-nbd", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MAP | CAN_SHRED | CAN_FUA |
		  CAN_LIST,
	  start_qemu_certificates, .prepare = prepare_certificates },
	{ "qemu-key", "qemu-nbd", "",
	  CAN_TRIM | CAN_ZERO | CAN_CACHE | CAN_MAP | CAN_SHRED | CAN_FUA |
		  CAN_LIST,
	  start_qemu_key, .prepare = prepare_key },
	{ "nbd-server", "nbd-server", "disk",
	  CAN_FUA | CAN_LIST,
	  start_nbd_server, .is_unix_only = true,
	  .prepare = prepare_certificates },
	{ .name = NULL },
};
/* clang-format on */
