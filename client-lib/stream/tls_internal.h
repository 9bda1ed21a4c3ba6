/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the TLS stream share. */
#pragma once

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "client-lib/base/debug.h"
#include "client-lib/stream/stream.h"
#include "client-lib/stream/tls_credentials.h"
#include "client-lib/stream/tls_peer.h"
#include "client-lib/stream/tls_transport.h"

/* How far the peer's half of the stream is. */
enum tls_incoming {
	TLS_INCOMING_OPEN,
	TLS_INCOMING_ENDED,
	TLS_INCOMING_FAILED,
};

struct tls_stream {
	struct stream stream;
	struct stream *below; /* owned once the stream is made */
	gnutls_session_t session;
	struct tls_credentials credentials;
	struct tls_transport transport;
	struct tls_peer peer;
	bool is_complete; /* the handshake */

	enum tls_incoming incoming;
	int receive_errno;   /* of TLS_INCOMING_FAILED, 0: see failure */
	bool awaits_writing; /* reading goes on when something has left */
	bool has_said_bye;

	uint8_t gathered[TLS_PLAINTEXT_MAX]; /* for the next record */
	char failure[512];
};

extern const struct stream_operations tls_operations;

static inline struct tls_stream *
tls_of(struct stream *stream)
{
	return (struct tls_stream *)stream;
}

/* The system's errno behind a result of GnuTLS, 0 if the trouble is TLS's. */
int tls_errno_behind(const struct tls_stream *tls, int result);

/* Puts into tls->failure what RESULT of FUNCTION means. */
void tls_describe_failure(struct tls_stream *tls, const char *function,
			  int result);

/* May *RESULT be followed by another try at once? *N_INTERRUPTIONS counts
 * what must not go on for ever; then *RESULT becomes another one. */
bool tls_may_go_on(const struct tls_stream *tls, int *result,
		   int *n_interruptions);

/* GnuTLS would block: until there is input or, if it has to say something
 * first, until there is room for output. */
void tls_note_waiting(struct tls_stream *tls);

/* Frees everything but the stream below. */
void tls_release(struct tls_stream *tls);
