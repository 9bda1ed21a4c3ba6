/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receiving the replies to an option: what their header promises is checked
 * before anything else is read, then the option's row says what they mean.
 */
#include <errno.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/option_table.h"
#include "client-lib/wire/handshake.h"
#include "client-lib/wire/protocol.h"

enum {
	/* More than this much in reply to one option is an attack. */
	MAX_ANSWER_BYTES = 64 << 20,
};

/* Is the length of this reply possible for its type? Decided before any of
 * its payload is read. */
static enum step
check_reply(struct nbd_handle *h, const struct option_reply *reply)
{
	struct option_state *option = &h->option;
	const struct option *row = option->current;

	if (reply->length > MAX_ANSWER_BYTES - option->item_bytes)
		return dead(h, EPROTO,
			    "option %s: the server's answer is too long",
			    row->name);
	option->item_bytes += reply->length;
	option->skip = 0;

	if (reply->type == NBD_REP_ACK && reply->length == 0)
		return STEP_AGAIN;
	if ((reply->type & NBD_REP_FLAG_ERROR) &&
	    reply->length <= NBD_MAX_STRING)
		return STEP_AGAIN;
	if (!row->item || reply->type != row->item ||
	    reply->length < row->item_minimum)
		return dead(h, EPROTO,
			    "option %s: a reply of type 0x%x with %u bytes is "
			    "not possible",
			    row->name, reply->type, reply->length);
	if (++option->n_items > row->max_items)
		return dead(h, EPROTO,
			    "option %s: the server sends more than %u items",
			    row->name, row->max_items);
	if (reply->length <= row->item_maximum)
		return STEP_AGAIN;
	if (!row->skips_long_items)
		return dead(h, EPROTO, "option %s: an item of %u bytes",
			    row->name, reply->length);
	option->skip = reply->length;
	return STEP_AGAIN;
}

enum step
run_option_reply(struct nbd_handle *h)
{
	struct option_state *option = &h->option;
	struct option_reply reply;
	const uint8_t *bytes;
	enum step step = receive_need(h, NBD_OPTION_REPLY_SIZE, &bytes);

	if (step != STEP_AGAIN)
		return step;
	if (option_reply_parse(bytes, NBD_OPTION_REPLY_SIZE, &reply) !=
		    WIRE_OK ||
	    reply.option != option->current->number)
		return dead(h, EPROTO,
			    "option %s: what arrived is no reply to it",
			    option->current->name);
	receive_consume(&h->receive, NBD_OPTION_REPLY_SIZE);
	step = check_reply(h, &reply);
	if (step != STEP_AGAIN)
		return step;
	option->reply_type = reply.type;
	option->reply_length = reply.length;
	engine_set_state(h, option->skip ? STATE_OPTION_SKIP
					 : STATE_OPTION_PAYLOAD);
	return STEP_AGAIN;
}

enum step
run_option_payload(struct nbd_handle *h)
{
	struct option_state *option = &h->option;
	struct option_answer answer = {
		.type = option->reply_type,
		.length = option->reply_length,
	};
	enum option_outcome outcome;
	enum step step = receive_need(h, answer.length, &answer.payload);

	if (step != STEP_AGAIN)
		return step;
	outcome = option->current->on_reply(h, &answer);
	receive_consume(&h->receive, answer.length);
	switch (outcome) {
	case OPTION_MORE:
		engine_set_state(h, STATE_OPTION_REPLY);
		return STEP_AGAIN;
	case OPTION_GO_ON:
		engine_set_state(h, STATE_OPTION_NEXT);
		return STEP_AGAIN;
	case OPTION_SECURE:
		engine_set_state(h, STATE_TLS_START);
		return STEP_AGAIN;
	case OPTION_REFUSED:
		return option_goal_refused(h);
	case OPTION_FATAL:
		break;
	}
	return dead_as_recorded(h);
}

/* Items that are too long to mean anything are not even looked at. */
enum step
run_option_skip(struct nbd_handle *h)
{
	struct option_state *option = &h->option;

	while (option->skip > 0) {
		const uint8_t *bytes;
		enum step step = receive_need(h, 1, &bytes);
		size_t n;

		if (step != STEP_AGAIN)
			return step;
		n = receive_buffered(&h->receive);
		if (n > option->skip)
			n = option->skip;
		receive_consume(&h->receive, n);
		option->skip -= (uint32_t)n;
	}
	engine_set_state(h, STATE_OPTION_REPLY);
	return STEP_AGAIN;
}
