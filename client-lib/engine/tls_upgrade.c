/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From clear text to TLS, once the server has agreed to it. Whoever sits on
 * the line could have said anything so far; so all that was learnt is
 * forgotten, and what was sent ahead of the handshake is an attack.
 */
#include "client-lib/engine/tls_upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/stream/tls.h"
#include "common/cleanup.h"

const char *
tls_hostname(const struct nbd_handle *h)
{
	const char *hostname = config_string(h->config.tls_hostname);

	return hostname[0] ? hostname : config_string(h->connect.host);
}

const char *
tls_username(const struct nbd_handle *h, char *buffer, size_t size)
{
	const char *username = h->config.tls_username;
	int errnum;

	if (!username)
		username = getenv("LOGNAME");
	if (username)
		return username;
	errnum = getlogin_r(buffer, size);
	if (errnum)
		return fail_null(errnum, "getlogin: no TLS username is set and "
					 "LOGNAME is not in the environment");
	return buffer;
}

/* The settings of the handle as parameters; BUFFER is for the user's name. 0,
 * or -1 with the error recorded. */
static int
fill_parameters(struct nbd_handle *h, struct tls_parameters *parameters,
		char *buffer, size_t size)
{
	const struct config *config = &h->config;

	*parameters = (struct tls_parameters){
		.psk_file = config->tls_psk_file,
		.memory = &config->tls_memory,
		.certificates = config->tls_certificates,
		.verify_peer = config->tls_verify_peer,
		.hostname = tls_hostname(h),
		.priority = config->tls_priority,
		.debug = &h->debug,
	};
	if (!parameters->psk_file && !config->tls_memory.psk.bytes)
		return 0;
	parameters->username = tls_username(h, buffer, size);
	return parameters->username ? 0 : -1;
}

static void
forget_what_was_learnt(struct nbd_handle *h)
{
	h->negotiated.structured_replies = false;
	h->negotiated.extended_headers = false;
	export_info_done(&h->export);
	export_info_done(&h->option.offer);
}

enum step
run_tls_start(struct nbd_handle *h)
{
	char username[TLS_USERNAME_SIZE];
	struct tls_parameters parameters;
	struct stream *stream;

	if (receive_buffered(&h->receive) > 0)
		return dead(h, EPROTO,
			    "TLS: the server, or somebody in between, sent %zu "
			    "bytes in clear after agreeing to TLS",
			    receive_buffered(&h->receive));
	forget_what_was_learnt(h);
	if (fill_parameters(h, &parameters, username, sizeof(username)) == -1)
		return dead_as_recorded(h);
	stream = tls_stream_new(h->stream, &parameters);
	if (!stream)
		return dead_as_recorded(h);
	h->stream = stream;
	engine_set_state(h, STATE_TLS_HANDSHAKE);
	return STEP_AGAIN;
}

enum step
run_tls_handshake(struct nbd_handle *h)
{
	switch (tls_stream_handshake(h->stream)) {
	case STREAM_AGAIN:
		return STEP_BLOCKED;
	case STREAM_FAILED:
		return dead_as_recorded(h);
	}
	h->negotiated.tls = true;
	if (h->debug.is_enabled) {
		CLEANUP_FREE char *session = tls_stream_describe(h->stream);

		debug_log(&h->debug, "connection is using TLS: %s",
			  session ? session : "");
	}
	engine_set_state(h, STATE_OPTION_NEXT);
	return STEP_AGAIN;
}
