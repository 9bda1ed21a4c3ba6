/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The beginning of a TLS session: made from the parameters, then driven
 * through the handshake a step at a time.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/base/error.h"
#include "client-lib/stream/tls.h"
#include "client-lib/stream/tls_internal.h"
#include "client-lib/stream/tls_priority.h"
#include "common/cleanup.h"

static const struct tls_memory *
memory_of(const struct tls_parameters *parameters)
{
	static const struct tls_memory nothing;

	return parameters->memory ? parameters->memory : &nothing;
}

/* A key that both sides know, instead of certificates? */
static bool
is_psk(const struct tls_parameters *parameters)
{
	return parameters->psk_file || memory_of(parameters)->psk.bytes;
}

static int
set_priority(struct tls_stream *tls, const struct tls_parameters *parameters)
{
	CLEANUP_FREE char *priority = tls_priority_string(parameters->priority,
							  is_psk(parameters));
	int error;

	if (!priority)
		return fail(ENOMEM, "TLS priority");
	debug_log(parameters->debug, "priority string: %s", priority);
	error = gnutls_priority_set_direct(tls->session, priority, NULL);
	if (error < 0)
		return fail(0, "gnutls_priority_set_direct: %s: %s", priority,
			    gnutls_strerror(error));
	return 0;
}

static int
set_psk(struct tls_stream *tls, const struct tls_parameters *parameters)
{
	struct tls_credentials *credentials = &tls->credentials;
	int error;

	error = memory_of(parameters)->psk.bytes
			? tls_credentials_take_psk(credentials,
						   &memory_of(parameters)->psk,
						   parameters->username)
			: tls_credentials_load_psk(
				  credentials, parameters->psk_file,
				  parameters->username, parameters->debug);
	if (error == -1)
		return -1;
	error = gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK,
				       credentials->psk);
	if (error < 0)
		return fail(0, "gnutls_credentials_set: %s",
			    gnutls_strerror(error));
	return 0;
}

static int
set_certificates(struct tls_stream *tls,
		 const struct tls_parameters *parameters)
{
	const struct tls_memory *memory = memory_of(parameters);
	struct tls_credentials *credentials = &tls->credentials;
	int error;

	error = tls_memory_has_certificates(memory)
			? tls_credentials_take_certificates(credentials, memory,
							    parameters->debug)
			: tls_credentials_load_certificates(
				  credentials, parameters->certificates,
				  (const char *)memory->passphrase.bytes,
				  parameters->debug);
	if (error == -1)
		return -1;
	error = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE,
				       credentials->certificates);
	if (error < 0)
		return fail(0, "gnutls_credentials_set: %s",
			    gnutls_strerror(error));
	return 0;
}

static int
prepare(struct tls_stream *tls, struct stream *below,
	const struct tls_parameters *parameters)
{
	int error = gnutls_init(&tls->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK |
						       GNUTLS_NO_SIGNAL);

	if (error < 0) {
		tls->session = NULL;
		return fail(0, "gnutls_init: %s", gnutls_strerror(error));
	}
	if (tls_transport_init(&tls->transport, tls->session, below) == -1)
		return fail(errno, "TLS: buffers of a session");
	if (set_priority(tls, parameters) == -1)
		return -1;
	if ((is_psk(parameters) ? set_psk(tls, parameters)
				: set_certificates(tls, parameters)) == -1)
		return -1;
	/* Who knows the key has proved enough with it. */
	return tls_peer_expect(&tls->peer, tls->session, parameters->hostname,
			       parameters->verify_peer && !is_psk(parameters));
}

struct stream *
tls_stream_new(struct stream *below, const struct tls_parameters *parameters)
{
	struct tls_stream *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return fail_null(ENOMEM, "TLS: a session");
	tls->stream.operations = &tls_operations;
	tls->stream.fd = below->fd;
	if (prepare(tls, below, parameters) == -1) {
		tls_release(tls);
		return NULL;
	}
	tls->below = below;
	return &tls->stream;
}

/* The last messages of the handshake tell how far it got. */
static int
fail_handshake(struct tls_stream *tls, int result)
{
	gnutls_session_t session = tls->session;
	const char *in = gnutls_handshake_description_get_name(
		gnutls_handshake_get_last_in(session));
	const char *out = gnutls_handshake_description_get_name(
		gnutls_handshake_get_last_out(session));
	char refusal[256] = "";
	int errnum = tls_errno_behind(tls, result);

	if (result == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		tls_peer_describe_refusal(session, refusal, sizeof(refusal));
	tls_describe_failure(tls, "gnutls_handshake", result);
	/* Tell the server why, if it can still be told. */
	(void)gnutls_alert_send_appropriate(session, result);
	(void)tls_transport_flush(&tls->transport);
	fail(errnum, "%s%s%s (%s/%s)", tls->failure, refusal[0] ? " " : "",
	     refusal, in ? in : "none", out ? out : "none");
	return STREAM_FAILED;
}

/* A server that chose another way than ours to prove who it is has proved
 * nothing. GnuTLS would not let it; this holds if a version of it did. */
static int
check_proof(struct tls_stream *tls)
{
	gnutls_credentials_type_t wanted = tls->credentials.psk
						   ? GNUTLS_CRD_PSK
						   : GNUTLS_CRD_CERTIFICATE;

	if (gnutls_auth_get_type(tls->session) == wanted)
		return 0;
	fail(0, "gnutls_handshake: the server was authenticated neither by "
		"certificate nor by key as it should be");
	return STREAM_FAILED;
}

int
tls_stream_handshake(struct stream *stream)
{
	struct tls_stream *tls = tls_of(stream);
	int n_interruptions = 0;
	int result;

	tls_transport_refresh(&tls->transport);
	tls->awaits_writing = false;
	do {
		result = gnutls_handshake(tls->session);
	} while (result < 0 && tls_may_go_on(tls, &result, &n_interruptions));
	/* Even if sending fails: a server that left may have said why. */
	(void)tls_transport_flush(&tls->transport);
	if (result == GNUTLS_E_AGAIN) {
		tls_note_waiting(tls);
		return STREAM_AGAIN;
	}
	if (result < 0)
		return fail_handshake(tls, result);
	tls->is_complete = true;
	return check_proof(tls);
}

char *
tls_stream_describe(const struct stream *stream)
{
	const struct tls_stream *tls = (const struct tls_stream *)stream;
	CLEANUP_FREE char *description = NULL;
	char *session = gnutls_session_get_desc(tls->session);

	if (session)
		description = strdup(session);
	gnutls_free(session);
	return TAKE_PTR(description);
}
