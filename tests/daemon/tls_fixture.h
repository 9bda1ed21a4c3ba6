/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A daemon, and what servers that insist on TLS need, for the tests of both. */
#pragma once

#include <stdint.h>

#include "tests/daemon/harness.h"
#include "tests/support/server.h"

#define TLS_DISK_SIZE (8 * 1024 * 1024)
#define READ          NBDCLIENTD__V1__COMMAND__COMMAND_READ
#define WRITE         NBDCLIENTD__V1__COMMAND__COMMAND_WRITE

struct tls_fixture {
	char *pki; /* an authority, a server and a client; keys.psk for alice */
	struct daemon_process daemon;
	struct client *client;
};

/* The daemon is prepared, but does not run. */
void tls_set_up(struct tls_fixture *f);
void tls_tear_down(struct tls_fixture *f);

/* nbdkit with OPTIONS, and a disk of TLS_DISK_SIZE, in the directory of the
 * keys. */
void tls_serve(const struct tls_fixture *f, struct server *server,
	       enum server_transport transport, const char *options);

/* Starts the daemon, and connects to it. */
void tls_launch(struct tls_fixture *f);

/* Writes or reads all of the volume "disk"; nothing fails. MIDWAY may be
 * NULL. */
void tls_run(struct tls_fixture *f, uint32_t command,
	     void (*midway)(void *user), void *user);

/* Writes all and reads it back, and the connection was encrypted. */
void tls_expect_service(struct tls_fixture *f);

/* The daemon reads its configuration again. */
void tls_reload(struct tls_fixture *f);
