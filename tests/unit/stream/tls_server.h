/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two ends of a TLS connection in one thread: our stream, and a server made of
 * GnuTLS alone, which shares a key with it. Neither ever blocks.
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "client-lib/base/debug.h"
#include "client-lib/stream/tls.h"

/* What TLS needs for keys that both sides know. */
#define SERVER_PRIORITY "NORMAL:+ECDHE-PSK:+DHE-PSK:+PSK"

/* A server's session on FD, with the key of "alice". */
void tls_server_make(gnutls_session_t *session,
		     gnutls_psk_server_credentials_t *credentials, int fd,
		     const char *priority);

/* A file in DIR with alice's key. Its path, which the caller frees. */
char *tls_server_key_file(const char *dir);

struct ends {
	struct stream *stream; /* the client's, NULL once the test closed it */
	int server_fd;         /* -1 once the server has gone */
	gnutls_session_t server;
	gnutls_psk_server_credentials_t credentials;
	char *dir;
	char *psk_file;
	struct debug_sink debug;
	struct tls_parameters parameters;
};

/* Makes both ends, before the handshake. PRIORITY is the server's. */
void ends_make(struct ends *ends, const char *priority);
void ends_close(struct ends *ends);

/* Replaces the client's stream by TLS on it. False if that failed. */
bool ends_begin(struct ends *ends);

/* Both ends take turns until the client knows the outcome: 0 or
 * STREAM_FAILED. */
int ends_shake_hands(struct ends *ends);

/* All of the above; the state is a struct ends *. */
int ends_setup(void **state);
int ends_teardown(void **state);

/* The server's descriptor is closed, without a word. */
void ends_server_leaves(struct ends *ends);

/* Sends SIZE bytes of TEXT as one record. */
void ends_server_says(struct ends *ends, const void *text, size_t size);

/* One receive with room for SIZE bytes. */
ssize_t ends_receive(struct ends *ends, void *buffer, size_t size);

/* Is there anything to read on the client's descriptor? */
bool ends_is_readable(const struct ends *ends);
