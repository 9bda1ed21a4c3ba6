/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options that change how the rest of the connection speaks. A refusal
 * of an automatic one is no error: the connection goes on without.
 */
#include <errno.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/option_table.h"
#include "client-lib/wire/protocol.h"

static enum option_outcome
refused_or_go_on(struct nbd_handle *h, const struct option_answer *answer)
{
	if (answer->type == NBD_REP_ERR_UNSUP)
		h->option.has_refused_unknown = true;
	if (!option_is_requested(h)) {
		debug_log(&h->debug, "%s is not available (reply 0x%x)",
			  h->option.current->name, answer->type);
		return OPTION_GO_ON;
	}
	option_answer_error(h, h->option.current, answer);
	return OPTION_REFUSED;
}

static bool
starttls_applies(const struct nbd_handle *h)
{
	if (h->option.goal == GOAL_STARTTLS)
		return true;
	return (h->negotiated.handshake_flags & NBD_FLAG_FIXED_NEWSTYLE) &&
	       h->config.tls != LIBNBD_TLS_DISABLE;
}

/* Without TLS goes on only who does not insist on it. */
static enum option_outcome
starttls_refused(struct nbd_handle *h, const struct option_answer *answer)
{
	if (option_is_requested(h) || h->config.tls != LIBNBD_TLS_REQUIRE)
		return refused_or_go_on(h, answer);
	option_answer_error(h, h->option.current, answer);
	debug_log(&h->debug, "%s", error_last_text());
	fail(ENOTSUP, "handshake: server refused TLS, but handle TLS setting "
		      "is 'require' (2)");
	return OPTION_REFUSED;
}

static enum option_outcome
starttls_on_reply(struct nbd_handle *h, const struct option_answer *answer)
{
	if (answer->type != NBD_REP_ACK)
		return starttls_refused(h, answer);
	if (h->negotiated.tls) {
		fail(EPROTO, "option STARTTLS: the server agreed to TLS "
			     "though TLS is already there");
		return OPTION_FATAL;
	}
	return OPTION_SECURE;
}

static bool
structured_reply_applies(const struct nbd_handle *h)
{
	if (h->option.goal == GOAL_STRUCTURED_REPLY)
		return true;
	return (h->negotiated.handshake_flags & NBD_FLAG_FIXED_NEWSTYLE) &&
	       h->config.request_structured_replies &&
	       !h->negotiated.structured_replies;
}

static enum option_outcome
structured_reply_on_reply(struct nbd_handle *h,
			  const struct option_answer *answer)
{
	if (answer->type != NBD_REP_ACK)
		return refused_or_go_on(h, answer);
	debug_log(&h->debug,
		  "negotiated structured replies on this connection");
	h->negotiated.structured_replies = true;
	return OPTION_GO_ON;
}

/* They bring structured replies along, so whoever does not want those does
 * not want them either. */
static bool
extended_headers_applies(const struct nbd_handle *h)
{
	if (h->option.goal == GOAL_EXTENDED_HEADERS)
		return true;
	return (h->negotiated.handshake_flags & NBD_FLAG_FIXED_NEWSTYLE) &&
	       h->config.request_structured_replies &&
	       h->config.request_extended_headers &&
	       !h->negotiated.extended_headers;
}

static enum option_outcome
extended_headers_on_reply(struct nbd_handle *h,
			  const struct option_answer *answer)
{
	if (answer->type != NBD_REP_ACK)
		return refused_or_go_on(h, answer);
	debug_log(&h->debug, "negotiated extended headers on this connection");
	h->negotiated.extended_headers = true;
	h->negotiated.structured_replies = true;
	return OPTION_GO_ON;
}

const struct option option_starttls = {
	.number = NBD_OPT_STARTTLS,
	.name = "STARTTLS",
	.goals = GOAL_BIT(GOAL_UPGRADE) | GOAL_BIT(GOAL_CONNECT) |
		 GOAL_BIT(GOAL_STARTTLS),
	.applies = starttls_applies,
	.on_reply = starttls_on_reply,
};

const struct option option_extended_headers = {
	.number = NBD_OPT_EXTENDED_HEADERS,
	.name = "EXTENDED_HEADERS",
	.goals = GOAL_BIT(GOAL_UPGRADE) | GOAL_BIT(GOAL_CONNECT) |
		 GOAL_BIT(GOAL_EXTENDED_HEADERS),
	.applies = extended_headers_applies,
	.on_reply = extended_headers_on_reply,
};

const struct option option_structured_reply = {
	.number = NBD_OPT_STRUCTURED_REPLY,
	.name = "STRUCTURED_REPLY",
	.goals = GOAL_BIT(GOAL_UPGRADE) | GOAL_BIT(GOAL_CONNECT) |
		 GOAL_BIT(GOAL_STRUCTURED_REPLY),
	.applies = structured_reply_applies,
	.on_reply = structured_reply_on_reply,
};

const struct option option_abort = {
	.number = NBD_OPT_ABORT,
	.name = "ABORT",
	.goals = GOAL_BIT(GOAL_ABORT),
	.after_sending = STATE_OPTION_ABORT,
	.on_reply = refused_or_go_on,
};
