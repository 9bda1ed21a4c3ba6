/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Haggling. A goal selects rows of the option table; OPTION_NEXT takes the
 * next row that applies, OPTION_SEND sends it, OPTION_REPLY and OPTION_PAYLOAD
 * hand its replies to the row. When no row is left the goal is reached. Only
 * one option is outstanding at any time, as the specification demands.
 */
#include "client-lib/engine/option.h"

#include <errno.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/option_table.h"
#include "client-lib/wire/handshake.h"
#include "client-lib/wire/protocol.h"

static const struct option *const table[] = {
	&option_starttls,
	&option_extended_headers,
	&option_structured_reply,
	&option_list,
	&option_list_meta_context,
	&option_set_meta_context,
	&option_info,
	&option_go,
	&option_export_name,
	&option_abort,
};

enum {
	N_OPTIONS = sizeof(table) / sizeof(table[0]),
};

void
option_begin_goal(struct nbd_handle *h, enum option_goal goal)
{
	struct option_state *option = &h->option;

	option->goal = goal;
	option->next = 0;
	option->contexts_were_asked = false;
	option->go_is_unsupported = false;
	export_info_done(&option->offer);
	engine_set_state(h, STATE_OPTION_NEXT);
}

void
option_begin(struct nbd_handle *h)
{
	option_begin_goal(h, h->config.opt_mode ? GOAL_UPGRADE : GOAL_CONNECT);
}

/* Header first, its length filled in when the data is there. */
static void
put_option(struct nbd_handle *h, const struct option *row)
{
	struct option_state *option = &h->option;
	uint8_t header[NBD_OPTION_HEADER_SIZE] = { 0 };
	size_t start = option->output_length;
	size_t length;

	option_put(option, header, sizeof(header));
	if (row->encode)
		row->encode(h);
	if (option->output_failed)
		return;
	length = option->output_length - start - NBD_OPTION_HEADER_SIZE;
	option_encode_header(option->output + start, row->number,
			     (uint32_t)length);
	h->stats.chunks_sent++;
}

static enum step
send_option(struct nbd_handle *h, const struct option *row)
{
	h->option.current = row;
	h->option.n_items = 0;
	h->option.item_bytes = 0;
	debug_log(&h->debug, "sending option %s", row->name);
	put_option(h, row);
	engine_set_state(h, STATE_OPTION_SEND);
	return STEP_AGAIN;
}

/* No option is left to send. */
static enum step
goal_reached(struct nbd_handle *h)
{
	switch (h->option.goal) {
	case GOAL_CONNECT:
		h->option.goal = GOAL_NONE;
		engine_set_state(h, STATE_TRANSFER);
		break;
	case GOAL_GO:
		engine_set_state(h, STATE_TRANSFER);
		option_complete_request(h, 0, false);
		break;
	case GOAL_UPGRADE:
		h->option.goal = GOAL_NONE;
		/* The client's flags may not have left with an option. */
		if (h->option.output_length > 0) {
			engine_set_state(h, STATE_OPTION_SEND);
			break;
		}
		engine_set_state(h, STATE_NEGOTIATING);
		break;
	default:
		engine_set_state(h, STATE_NEGOTIATING);
		option_complete_request(h, 0, false);
		break;
	}
	return STEP_AGAIN;
}

/* The rows are in an order that makes it so; this is for the day when one
 * of them is not. */
static bool
would_speak_in_clear(const struct nbd_handle *h, const struct option *row)
{
	return h->config.tls == LIBNBD_TLS_REQUIRE && !h->negotiated.tls &&
	       row != &option_starttls && row != &option_abort;
}

enum step
run_option_next(struct nbd_handle *h)
{
	struct option_state *option = &h->option;

	while (option->next < N_OPTIONS) {
		const struct option *row = table[option->next++];

		if (!(row->goals & GOAL_BIT(option->goal)) ||
		    (row->applies && !row->applies(h)))
			continue;
		if (would_speak_in_clear(h, row))
			return dead(h, ENOTSUP,
				    "option %s: TLS is required but not there",
				    row->name);
		return send_option(h, row);
	}
	return goal_reached(h);
}

/* Sends as much as the stream takes. */
static enum step
flush_output(struct nbd_handle *h)
{
	struct option_state *option = &h->option;

	if (option->output_failed) {
		errno = ENOMEM;
		return STEP_FAILED;
	}
	while (option->output_sent < option->output_length) {
		const struct iovec rest = {
			.iov_base = option->output + option->output_sent,
			.iov_len = option->output_length - option->output_sent,
		};
		ssize_t n = stream_send(h->stream, &rest, 1, false);

		if (n == STREAM_AGAIN)
			return STEP_BLOCKED;
		if (n < 0)
			return STEP_FAILED;
		option->output_sent += (size_t)n;
		h->stats.bytes_sent += (uint64_t)n;
	}
	option->output_sent = 0;
	option->output_length = 0;
	return STEP_AGAIN;
}

enum step
run_option_send(struct nbd_handle *h)
{
	const struct option *row = h->option.current;
	enum step step = flush_output(h);

	if (step == STEP_BLOCKED)
		return step;
	if (step == STEP_FAILED)
		return dead(h, errno, "%s: option %s",
			    stream_failure(h->stream, "send"),
			    row ? row->name : "flags");
	if (!row)
		engine_set_state(h, STATE_NEGOTIATING);
	else if (row->after_sending)
		engine_set_state(h, row->after_sending);
	else
		engine_set_state(h, STATE_OPTION_REPLY);
	return STEP_AGAIN;
}

/* Nobody waits for the server's answer: it may just as well hang up. */
enum step
run_option_abort(struct nbd_handle *h)
{
	bool is_blocked = flush_output(h) == STEP_BLOCKED ||
			  stream_shut_write(h->stream) == STREAM_AGAIN;

	if (is_blocked && !h->option.abort_is_dead)
		return STEP_BLOCKED;
	return h->option.abort_is_dead ? dead_as_recorded(h) : engine_close(h);
}

/* Leaves the negotiation. The error that made us is recorded already. */
static enum step
leave_refused(struct nbd_handle *h)
{
	option_begin_goal(h, GOAL_ABORT);
	h->option.abort_is_dead = true;
	return STEP_AGAIN;
}

enum step
option_goal_refused(struct nbd_handle *h)
{
	int errnum = error_last_errno();

	if (!option_is_requested(h))
		return leave_refused(h);
	engine_set_state(h, STATE_NEGOTIATING);
	option_complete_request(h, errnum ? errnum : ENOTSUP, true);
	/* A server that shuts down must be left. */
	if (errnum == ESHUTDOWN)
		option_begin_goal(h, GOAL_ABORT);
	return STEP_AGAIN;
}
