/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Between GnuTLS and the stream below: a buffer for each direction. GnuTLS
 * reads a record in two steps and writes each by itself; here many records
 * travel in one system call.
 */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client-lib/stream/stream.h"

enum {
	/* The longest record: plaintext and the most that TLS 1.2 and the
	 * record's header may add. */
	TLS_PLAINTEXT_MAX = 16384,
	TLS_RECORD_MAX = TLS_PLAINTEXT_MAX + 2048 + 5,
	/* So much ciphertext is worth a system call. */
	TLS_OUT_ENOUGH = 64 * 1024,
	TLS_OUT_SIZE = TLS_OUT_ENOUGH + TLS_RECORD_MAX,
	TLS_IN_SIZE = 128 * 1024,
};

struct tls_transport {
	struct stream *below; /* owned by the TLS stream */
	gnutls_session_t session;

	/* Ciphertext to send. */
	uint8_t *out;
	size_t out_begin;
	size_t out_end;
	int send_errno; /* sending has failed for good; 0: has not */

	/* Ciphertext received. */
	uint8_t *in;
	size_t in_begin;
	size_t in_end;
	bool is_drained;  /* the last read took all there was */
	bool would_block; /* GnuTLS was told so since the last refresh */
	bool has_ended;   /* the peer sends nothing more */
	int receive_errno;
};

/* Makes SESSION send and receive through BELOW. 0, or -1 with errno ENOMEM;
 * done is to be called in any case, before the session ends or after. */
int tls_transport_init(struct tls_transport *transport,
		       gnutls_session_t session, struct stream *below);
void tls_transport_done(struct tls_transport *transport);

/* Readers may look at the descriptor again. */
static inline void
tls_transport_refresh(struct tls_transport *transport)
{
	transport->is_drained = false;
	transport->would_block = false;
}

/* Sends the ciphertext: 0, STREAM_AGAIN, or STREAM_FAILED with errno. After
 * a failure nothing can be sent any more. */
int tls_transport_flush(struct tls_transport *transport);

static inline size_t
tls_transport_unsent(const struct tls_transport *transport)
{
	return transport->out_end - transport->out_begin;
}

static inline size_t
tls_transport_unread(const struct tls_transport *transport)
{
	return transport->in_end - transport->in_begin;
}
