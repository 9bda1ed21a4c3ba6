/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * INFO and GO: the same message and replies, but the second one ends the
 * negotiation. Items collect in an offer, which counts once it is
 * acknowledged. Servers that know neither are asked with EXPORT_NAME.
 */
#include <errno.h>
#include <string.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/option_table.h"
#include "client-lib/wire/handshake.h"
#include "client-lib/wire/protocol.h"
#include "common/cleanup.h"

static bool
is_fixed_newstyle(const struct nbd_handle *h)
{
	return h->negotiated.handshake_flags & NBD_FLAG_FIXED_NEWSTYLE;
}

static void
encode(struct nbd_handle *h)
{
	struct option_state *option = &h->option;
	uint16_t wanted[3];
	uint16_t n = 0;

	if (h->config.request_block_size)
		wanted[n++] = NBD_INFO_BLOCK_SIZE;
	if (h->config.full_info) {
		wanted[n++] = NBD_INFO_NAME;
		wanted[n++] = NBD_INFO_DESCRIPTION;
	}
	export_info_done(&option->offer);
	option_put_string(option, config_string(h->config.export_name));
	option_put_u16(option, n);
	for (uint16_t i = 0; i < n; i++)
		option_put_u16(option, wanted[i]);
}

/* Keeps a text of the server unless no C string can carry it. */
static enum option_outcome
keep_text(struct nbd_handle *h, char **field, const struct wire_string *text)
{
	char *copy;

	if (text->length > 0 && memchr(text->text, '\0', text->length)) {
		debug_log(&h->debug, "ignoring an export's text with NUL");
		return OPTION_MORE;
	}
	copy = strndup(text->text, text->length);
	if (!copy) {
		fail(ENOMEM, "option %s: copying a text",
		     h->option.current->name);
		return OPTION_FATAL;
	}
	free(*field);
	*field = copy;
	return OPTION_MORE;
}

static enum option_outcome
on_item(struct nbd_handle *h, const struct option_answer *answer)
{
	struct export_info *offer = &h->option.offer;
	struct info_item item;

	if (info_item_parse(answer->payload, answer->length, &item) !=
	    WIRE_OK) {
		fail(EPROTO, "option %s: the server sent a malformed item",
		     h->option.current->name);
		return OPTION_FATAL;
	}
	switch (item.type) {
	case NBD_INFO_EXPORT:
		if (export_info_set_size(offer, item.export.size,
					 item.export.flags,
					 h->negotiated.structured_replies,
					 h->negotiated.extended_headers) == -1)
			return OPTION_FATAL;
		return OPTION_MORE;
	case NBD_INFO_NAME:
		return keep_text(h, &offer->canonical_name, &item.text);
	case NBD_INFO_DESCRIPTION:
		return keep_text(h, &offer->description, &item.text);
	case NBD_INFO_BLOCK_SIZE:
		if (!export_info_set_block_sizes(offer, item.block_minimum,
						 item.block_preferred,
						 item.block_maximum))
			debug_log(&h->debug,
				  "ignoring impossible block sizes %u %u %u",
				  item.block_minimum, item.block_preferred,
				  item.block_maximum);
		return OPTION_MORE;
	default:
		return OPTION_MORE;
	}
}

void
option_adopt_offer(struct nbd_handle *h)
{
	struct export_info *offer = &h->option.offer;
	struct export_info adopted = *offer;

	export_info_reset(&h->export);
	adopted.contexts = h->export.contexts;
	adopted.n_contexts = h->export.n_contexts;
	/* Contexts that could not be asked for are none, which is known. */
	adopted.contexts_valid = h->export.contexts_valid ||
				 (h->config.request_meta_context &&
				  !h->option.contexts_were_asked);
	h->export = adopted;
	*offer = (struct export_info){ 0 };
	debug_log(&h->debug, "exportsize: %llu eflags: 0x%x",
		  (unsigned long long)h->export.size, h->export.flags);
}

static enum option_outcome
on_ack(struct nbd_handle *h)
{
	if (h->option.offer.flags == 0) {
		fail(EPROTO,
		     "option %s: the server agreed but did not describe the "
		     "export",
		     h->option.current->name);
		return OPTION_FATAL;
	}
	option_adopt_offer(h);
	return OPTION_GO_ON;
}

/* The goal is out of reach: nothing of the export is known. */
static enum option_outcome
refused(struct nbd_handle *h, const struct option_answer *answer)
{
	export_info_done(&h->option.offer);
	export_info_reset_contexts(&h->export);
	option_answer_error(h, h->option.current, answer);
	return OPTION_REFUSED;
}

static enum option_outcome
info_on_reply(struct nbd_handle *h, const struct option_answer *answer)
{
	if (answer->type == NBD_REP_INFO)
		return on_item(h, answer);
	if (answer->type == NBD_REP_ACK)
		return on_ack(h);
	return refused(h, answer);
}

static enum option_outcome
go_on_reply(struct nbd_handle *h, const struct option_answer *answer)
{
	if (answer->type != NBD_REP_ERR_UNSUP)
		return info_on_reply(h, answer);
	if (h->negotiated.extended_headers) {
		fail(EPROTO, "option GO: the server has extended headers but "
			     "does not know GO, which comes with them");
		return OPTION_FATAL;
	}
	debug_log(&h->debug, "GO is not available, using EXPORT_NAME");
	export_info_done(&h->option.offer);
	h->option.go_is_unsupported = true;
	return OPTION_GO_ON;
}

static bool
export_name_applies(const struct nbd_handle *h)
{
	return !is_fixed_newstyle(h) || h->option.go_is_unsupported;
}

static void
encode_export_name(struct nbd_handle *h)
{
	const char *name = config_string(h->config.export_name);

	export_info_done(&h->option.offer);
	option_put(&h->option, name, strlen(name));
}

/* EXPORT_NAME is answered without a header, or by hanging up. */
enum step
run_export_name(struct nbd_handle *h)
{
	bool has_zeroes = !(h->negotiated.handshake_flags & NBD_FLAG_NO_ZEROES);
	size_t size = NBD_EXPORT_NAME_REPLY_SIZE +
		      (has_zeroes ? NBD_EXPORT_NAME_ZEROES : 0);
	struct export_description description;
	const uint8_t *bytes;
	enum step step = receive_need(h, size, &bytes);

	if (step != STEP_AGAIN)
		return step;
	if (export_name_parse(bytes, size, &description) != WIRE_OK ||
	    export_info_set_size(&h->option.offer, description.size,
				 description.flags,
				 h->negotiated.structured_replies, false) == -1)
		return dead_as_recorded(h);
	receive_consume(&h->receive, size);
	option_adopt_offer(h);
	engine_set_state(h, STATE_OPTION_NEXT);
	return STEP_AGAIN;
}

const struct option option_info = {
	.number = NBD_OPT_INFO,
	.name = "INFO",
	.goals = GOAL_BIT(GOAL_INFO),
	.encode = encode,
	.item = NBD_REP_INFO,
	.item_minimum = 2,
	.item_maximum = 2 + NBD_MAX_STRING,
	.skips_long_items = true,
	.max_items = 1024,
	.on_reply = info_on_reply,
};

const struct option option_go = {
	.number = NBD_OPT_GO,
	.name = "GO",
	.goals = GOAL_BIT(GOAL_CONNECT) | GOAL_BIT(GOAL_GO),
	.applies = is_fixed_newstyle,
	.encode = encode,
	.item = NBD_REP_INFO,
	.item_minimum = 2,
	.item_maximum = 2 + NBD_MAX_STRING,
	.skips_long_items = true,
	.max_items = 1024,
	.on_reply = go_on_reply,
};

const struct option option_export_name = {
	.number = NBD_OPT_EXPORT_NAME,
	.name = "EXPORT_NAME",
	.goals = GOAL_BIT(GOAL_CONNECT) | GOAL_BIT(GOAL_GO),
	.applies = export_name_applies,
	.encode = encode_export_name,
	.after_sending = STATE_EXPORT_NAME,
	.on_reply = go_on_reply,
};
