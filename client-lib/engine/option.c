/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Haggling. A goal selects rows of the option table; OPTION_NEXT takes the
 * next row that applies, OPTION_SEND sends it, OPTION_REPLY and OPTION_PAYLOAD
 * hand its replies to the row. When no row is left the goal is reached. Only
 * one option is outstanding at any time, as the specification demands.
 */
#include "client-lib/engine/option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/base/closure.h"
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
	/* More than this much in reply to one option is an attack. */
	MAX_ANSWER_BYTES = 64 << 20,
};

static void
begin_goal(struct nbd_handle *h, enum option_goal goal)
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
	begin_goal(h, h->config.opt_mode ? GOAL_UPGRADE : GOAL_CONNECT);
}

bool
option_is_requested(const struct nbd_handle *h)
{
	switch (h->option.goal) {
	case GOAL_GO:
	case GOAL_INFO:
	case GOAL_LIST:
	case GOAL_LIST_META_CONTEXT:
	case GOAL_SET_META_CONTEXT:
	case GOAL_STARTTLS:
	case GOAL_STRUCTURED_REPLY:
	case GOAL_EXTENDED_HEADERS:
		return true;
	case GOAL_NONE:
	case GOAL_UPGRADE:
	case GOAL_CONNECT:
	case GOAL_ABORT:
		break;
	}
	return false;
}

static void
release_request(struct option_state *option)
{
	option->goal = GOAL_NONE;
	option->current = NULL;
	string_list_done(&option->queries);
	option->queries = (struct string_list){ 0 };
	closure_release(option->list);
	closure_release(option->context);
	closure_release(option->completion);
}

/* The user's request is over: its completion runs, once. */
static void
complete_request(struct nbd_handle *h, int errnum, bool refused)
{
	struct option_state *option = &h->option;

	option->result.error = errnum;
	option->result.refused = refused;
	(void)CLOSURE_CALL(option->completion, &errnum);
	release_request(option);
}

void
option_fail_pending(struct nbd_handle *h, int errnum)
{
	if (option_is_requested(h))
		complete_request(h, errnum, false);
	else
		release_request(&h->option);
}

void
option_done(struct option_state *option)
{
	release_request(option);
	export_info_done(&option->offer);
	free(option->output);
	*option = (struct option_state){ 0 };
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
		complete_request(h, 0, false);
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
		complete_request(h, 0, false);
		break;
	}
	return STEP_AGAIN;
}

enum step
run_option_next(struct nbd_handle *h)
{
	struct option_state *option = &h->option;

	while (option->next < N_OPTIONS) {
		const struct option *row = table[option->next++];

		if ((row->goals & GOAL_BIT(option->goal)) &&
		    (!row->applies || row->applies(h)))
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
		return dead(h, errno, "send: option %s",
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
	if (flush_output(h) == STEP_BLOCKED && !h->option.abort_is_dead)
		return STEP_BLOCKED;
	(void)stream_shut_write(h->stream);
	return h->option.abort_is_dead ? dead_as_recorded(h) : engine_close(h);
}

/* Leaves the negotiation. The error that made us is recorded already. */
static enum step
leave_refused(struct nbd_handle *h)
{
	begin_goal(h, GOAL_ABORT);
	h->option.abort_is_dead = true;
	return STEP_AGAIN;
}

static enum step
goal_refused(struct nbd_handle *h)
{
	int errnum = error_last_errno();

	if (!option_is_requested(h))
		return leave_refused(h);
	engine_set_state(h, STATE_NEGOTIATING);
	complete_request(h, errnum ? errnum : ENOTSUP, true);
	/* A server that shuts down must be left. */
	if (errnum == ESHUTDOWN)
		begin_goal(h, GOAL_ABORT);
	return STEP_AGAIN;
}

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
	case OPTION_REFUSED:
		return goal_refused(h);
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

static int
check_request(const struct nbd_handle *h, const struct option_request *request)
{
	bool is_fixed = h->negotiated.handshake_flags & NBD_FLAG_FIXED_NEWSTYLE;

	if (!is_fixed && request->goal != GOAL_GO &&
	    request->goal != GOAL_ABORT)
		return fail(ENOTSUP,
			    "the server is not using the fixed newstyle "
			    "protocol, which has no other options");
	if (request->goal == GOAL_SET_META_CONTEXT &&
	    !h->negotiated.structured_replies)
		return fail(ENOTSUP,
			    "meta contexts need structured replies, which "
			    "were not negotiated");
	if (request->goal == GOAL_STARTTLS)
		return fail(ENOTSUP, "this libnbd does not support TLS yet");
	if (request->goal == GOAL_EXTENDED_HEADERS)
		return fail(ENOTSUP, "this libnbd does not support extended "
				     "headers yet");
	return 0;
}

/* What was known about an export is no longer true once we ask again. */
static void
forget_export(struct nbd_handle *h, enum option_goal goal)
{
	if (goal != GOAL_GO && goal != GOAL_INFO)
		return;
	export_info_reset(&h->export);
	if (h->config.request_meta_context)
		export_info_reset_contexts(&h->export);
}

int
engine_option_start(struct nbd_handle *h, const struct option_request *request)
{
	struct option_state *option = &h->option;
	bool is_fixed = h->negotiated.handshake_flags & NBD_FLAG_FIXED_NEWSTYLE;

	if (check_request(h, request) == -1)
		return -1;
	if (request->has_queries &&
	    string_list_copy(&option->queries, request->queries) == -1)
		return fail(ENOMEM, "copying the queries");
	option->has_queries = request->has_queries;
	option->list = request->list;
	option->context = request->context;
	option->completion = request->completion;
	option->result = (struct option_result){ 0 };
	option->abort_is_dead = false;
	forget_export(h, request->goal);
	begin_goal(h, request->goal);

	/* ABORT is an option of fixed newstyle; others just hang up. */
	if (request->goal == GOAL_ABORT && !is_fixed) {
		engine_close(h);
		return 0;
	}
	(void)engine_run(h);
	return 0;
}
