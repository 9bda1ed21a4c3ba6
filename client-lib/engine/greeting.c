/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first bytes of a connection: which of the three styles the server
 * speaks. Oldstyle describes its only export at once; newstyle goes on with
 * options.
 */
#include <errno.h>
#include <libnbd.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/option_table.h"
#include "client-lib/wire/handshake.h"
#include "client-lib/wire/protocol.h"
#include "client-lib/wire/reader.h"
#include "common/cleanup.h"
#include "common/strings.h"

/* What arrived instead of a greeting may tell the user whom he has called. */
static enum step
dead_not_nbd(struct nbd_handle *h, const uint8_t *bytes, size_t length)
{
	CLEANUP_FREE char *shown = NULL;
	struct string_builder builder = STRING_BUILDER_INIT;

	string_builder_append_escaped(&builder, bytes, length);
	shown = string_builder_take(&builder);
	return dead(h, EPROTO,
		    "handshake: this is not an NBD server: its first bytes "
		    "are \"%s\"",
		    shown ? shown : "");
}

/* The server's very first bytes count as one chunk. */
enum step
run_greeting_magic(struct nbd_handle *h)
{
	const uint8_t *bytes;
	enum greeting greeting;
	enum step step = receive_need(h, 8, &bytes);

	if (step != STEP_AGAIN)
		return step;
	if (greeting_parse(bytes, 8, &greeting) == WIRE_INVALID)
		return dead_not_nbd(h, bytes, 8);
	step = receive_need(h, NBD_GREETING_SIZE, &bytes);
	if (step != STEP_AGAIN)
		return step;
	if (greeting_parse(bytes, NBD_GREETING_SIZE, &greeting) != WIRE_OK)
		return dead(h, EPROTO,
			    "handshake: the server speaks neither oldstyle "
			    "nor newstyle NBD");

	receive_consume(&h->receive, NBD_GREETING_SIZE);
	h->stats.chunks_received++;
	engine_set_state(h, greeting == GREETING_OLDSTYLE
				    ? STATE_OLDSTYLE
				    : STATE_NEWSTYLE_FLAGS);
	return STEP_AGAIN;
}

/* Without fixed newstyle there is no TLS, and nothing may be sent in clear. */
static enum step
dead_no_tls(struct nbd_handle *h)
{
	return dead(h, ENOTSUP,
		    "handshake: TLS is required but a server of protocol %s "
		    "cannot offer it",
		    h->negotiated.protocol);
}

enum step
run_oldstyle(struct nbd_handle *h)
{
	struct export_description description;
	const uint8_t *bytes;
	enum step step;

	h->negotiated.protocol = "oldstyle";
	if (h->config.tls == LIBNBD_TLS_REQUIRE)
		return dead_no_tls(h);
	step = receive_need(h, NBD_OLDSTYLE_REST_SIZE, &bytes);
	if (step != STEP_AGAIN)
		return step;
	if (oldstyle_parse(bytes, NBD_OLDSTYLE_REST_SIZE, &description) !=
		    WIRE_OK ||
	    description.handshake_flags != 0)
		return dead(h, EPROTO,
			    "handshake: an oldstyle server sent handshake "
			    "flags 0x%x, which must be 0",
			    description.handshake_flags);
	receive_consume(&h->receive, NBD_OLDSTYLE_REST_SIZE);

	/* It has one export and cannot be asked for another. */
	if (config_string(h->config.export_name)[0] != '\0')
		debug_log(&h->debug,
			  "an oldstyle server ignores the export name");
	if (export_info_set_size(&h->option.offer, description.size,
				 description.flags, false, false) == -1)
		return dead_as_recorded(h);
	h->negotiated.handshake_flags = 0;
	option_adopt_offer(h);
	engine_set_state(h, STATE_TRANSFER);
	return STEP_AGAIN;
}

enum step
run_newstyle_flags(struct nbd_handle *h)
{
	const uint8_t *bytes;
	enum step step = receive_need(h, 2, &bytes);
	uint16_t offered;

	if (step != STEP_AGAIN)
		return step;
	offered = load_be16(bytes);
	receive_consume(&h->receive, 2);

	h->negotiated.handshake_flags = offered & h->config.handshake_flags;
	if (h->negotiated.handshake_flags & NBD_FLAG_FIXED_NEWSTYLE) {
		h->negotiated.protocol = "newstyle-fixed";
	} else {
		h->negotiated.protocol = "newstyle";
		if (h->config.tls == LIBNBD_TLS_REQUIRE)
			return dead_no_tls(h);
	}
	/* The client's flags leave together with the first option. */
	option_put_u32(&h->option, h->negotiated.handshake_flags);
	option_begin(h);
	return STEP_AGAIN;
}
