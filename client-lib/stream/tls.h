/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS on top of another stream, on the client's side: a handshake, which
 * never waits, and from then on a stream like others.
 */
#pragma once

#include <stdbool.h>

#include "client-lib/base/debug.h"
#include "client-lib/stream/stream.h"
#include "client-lib/stream/tls_memory.h"

/* What a session starts from. Strings are not needed later. */
struct tls_parameters {
	/* NULL: certificates. Else only the key of USERNAME in this file. */
	const char *psk_file;
	const char *username;

	/* What of it there is comes before the files; may be NULL. */
	const struct tls_memory *memory;

	const char *certificates; /* a directory; NULL: the usual places */
	bool verify_peer;
	/* The name or address that the server's certificate must be for; ""
	 * if none is known, then any that is trusted will do. */
	const char *hostname;

	const char *priority; /* of GnuTLS; NULL: tls_priority.h */
	struct debug_sink *debug;
};

/* A session on BELOW, which it owns from then on, and for which the handshake
 * is yet to be done. Reads the files that PARAMETERS name. NULL with the
 * error recorded leaves BELOW alone. */
struct stream *tls_stream_new(struct stream *below,
			      const struct tls_parameters *parameters);

/* Goes on with the handshake: 0 when it is complete, STREAM_AGAIN, or
 * STREAM_FAILED with the error recorded. Nothing else may be done with the
 * stream before it is complete; stream_wants() tells what to wait for. */
int tls_stream_handshake(struct stream *stream);

/* The session in words: version, cipher, key exchange. The caller frees it;
 * NULL if there is no memory. */
char *tls_stream_describe(const struct stream *stream);
