/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The meaning of replies. A frame says how long it is, so whatever is wrong
 * inside of it costs only its command; the connection dies when the frame
 * itself cannot be trusted, or when it points outside the caller's buffer.
 */
#include "client-lib/engine/chunk.h"

#include <errno.h>
#include <libnbd.h>

#include "client-lib/base/closure.h"
#include "client-lib/base/error.h"
#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"
#include "common/cleanup.h"
#include "common/hints.h"

enum {
	/* So many replies to nobody a server may send before it is left. */
	MAX_STRAYS = 1000,
	/* Data and its offset, or the largest block status. */
	MAX_PAYLOAD = NBD_MAX_REQUEST + 8,
};

enum step
chunk_expect(struct nbd_handle *h, enum receive_state state)
{
	h->receive.state = state;
	return STEP_AGAIN;
}

/* The rest of the payload, if there is one, means nothing. */
enum step
chunk_skip(struct nbd_handle *h)
{
	return chunk_expect(h, RECEIVE_SKIP);
}

/* The chunk is wrong: its command fails, the rest of it is skipped. */
COLD enum step
chunk_reject(struct nbd_handle *h, const char *why)
{
	struct command *command = h->receive.command;

	debug_log(&h->debug, "%s: cookie %llu: %s", command_name(command->type),
		  (unsigned long long)command->cookie, why);
	command_fail(command, EPROTO);
	if (++command->n_excess > CHUNK_MAX_EXCESS)
		return dead(h, EPROTO,
			    "%s: the server sends endless wrong chunks, "
			    "lastly: %s",
			    command_name(command->type), why);
	return chunk_skip(h);
}

/* How many contexts the reply to a BLOCK_STATUS describes. */
static size_t
n_contexts_of(const struct nbd_handle *h, const struct command *command)
{
	return command->filter.payload ? command->filter.n_contexts
				       : h->export.n_contexts;
}

/* A correct reply brings every byte, or something for each context. */
static bool
is_reply_whole(const struct nbd_handle *h, const struct command *command)
{
	switch (command->type) {
	case NBD_CMD_READ:
		return coverage_is_full(&command->coverage, command->count);
	case NBD_CMD_BLOCK_STATUS:
		return coverage_is_full(&command->coverage,
					n_contexts_of(h, command));
	default:
		return true;
	}
}

static enum step
reply_finished(struct nbd_handle *h)
{
	struct command *command = TAKE_PTR(h->receive.command);

	if (command->error == 0 && !is_reply_whole(h, command)) {
		debug_log(&h->debug, "%s: cookie %llu: an incomplete reply",
			  command_name(command->type),
			  (unsigned long long)command->cookie);
		command_fail(command, EPROTO);
	}
	/* A server that is about to end wants to be left in order. */
	if (command->error == ESHUTDOWN && !h->is_disconnecting)
		(void)command_queue_disconnect(h);

	if (command->sent_end > h->transmit.n_sent)
		transmit_answered_early(&h->transmit, command);
	else
		command_complete(h, command);
	return STEP_AGAIN;
}

/* The command that the reply may belong to: one that the server can know and
 * has not answered. */
static struct command *
find_command(struct nbd_handle *h, uint64_t cookie)
{
	struct command *command = in_flight_find(&h->commands, cookie);

	if (!command || command->stage != COMMAND_BATCHED ||
	    command->reply_is_done || command->type == NBD_CMD_DISC ||
	    !transmit_has_begun(&h->transmit, command))
		return NULL;
	return command;
}

/* A reply to nobody is skipped, if its length can be known. */
COLD static enum step
stray(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	const struct reply *reply = &receive->reply;

	debug_log(&h->debug, "ignoring a reply with unknown cookie %llu",
		  (unsigned long long)reply->cookie);
	if (++receive->n_strays > MAX_STRAYS)
		return dead(h, EPROTO,
			    "the server sends endless replies to nothing");
	if (reply->kind == REPLY_SIMPLE && reply->error == 0 &&
	    h->n_reads > 0 && !h->negotiated.structured_replies)
		return dead(h, EPROTO,
			    "the server answers the unknown cookie %llu, and "
			    "data may follow",
			    (unsigned long long)reply->cookie);
	return chunk_skip(h);
}

/* All the data of a read, after a simple reply. */
static enum step
simple_data(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	struct command *command = receive->command;

	if (h->negotiated.structured_replies && !receive->said_simple) {
		receive->said_simple = true;
		debug_log(&h->debug, "the server sends simple replies to "
				     "reads despite structured replies");
	}
	receive->remaining = command->count;
	if (coverage_add(&command->coverage, 0, command->count,
			 command->count) != COVERAGE_OK)
		return chunk_reject(h, "a simple reply after chunks");
	receive->target = command->buffer;
	receive->data_offset = command->offset;
	receive->data_length = (size_t)command->count;
	return chunk_expect(h, RECEIVE_DATA);
}

static enum step
begin_simple(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	struct command *command = receive->command;

	receive->remaining = 0;
	if (receive->reply.error != 0)
		command_fail(command, errno_from_wire(receive->reply.error));
	else if (command->type == NBD_CMD_READ)
		return simple_data(h);
	return chunk_skip(h);
}

/* Is a chunk of this type and length possible here? NULL or what is wrong. */
static const char *
check_chunk(const struct reply *reply, const struct command *command)
{
	bool is_extended = reply->kind == REPLY_EXTENDED;

	switch (reply->type) {
	case NBD_REPLY_TYPE_NONE:
		if (reply->length != 0 || !reply_is_done(reply))
			return "a NONE chunk with a payload, or not the last";
		return NULL;
	case NBD_REPLY_TYPE_OFFSET_DATA:
		if (command->type != NBD_CMD_READ || reply->length < 8)
			return "data nobody asked for, or without offset";
		return NULL;
	case NBD_REPLY_TYPE_OFFSET_HOLE:
		if (command->type != NBD_CMD_READ || reply->length != 12)
			return "a hole nobody asked for, or of a wrong form";
		return NULL;
	case NBD_REPLY_TYPE_BLOCK_STATUS:
		if (command->type != NBD_CMD_BLOCK_STATUS || is_extended ||
		    reply->length < 12 || (reply->length - 4) % 8 != 0 ||
		    (reply->length - 4) / 8 > NBD_MAX_EXTENTS)
			return "block status of a wrong form";
		return NULL;
	case NBD_REPLY_TYPE_BLOCK_STATUS_EXT:
		if (command->type != NBD_CMD_BLOCK_STATUS || !is_extended ||
		    reply->length < 24 || (reply->length - 8) % 16 != 0 ||
		    (reply->length - 8) / 16 > NBD_MAX_EXTENTS)
			return "extended block status of a wrong form";
		return NULL;
	default:
		if (!(reply->type & NBD_REPLY_FLAG_ERROR_TYPE))
			return "a chunk of unknown type";
		return reply->length < 4 ? "an error without a number" : NULL;
	}
}

static enum step
begin_chunk(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	const struct reply *reply = &receive->reply;
	struct command *command = receive->command;
	const char *wrong;

	if (reply->kind == REPLY_STRUCTURED &&
	    !h->negotiated.structured_replies)
		return chunk_reject(h, "a structured reply was not negotiated");
	if (reply->kind == REPLY_EXTENDED && reply->offset != command->offset)
		return chunk_reject(h, "the reply does not echo the offset");
	wrong = check_chunk(reply, command);
	if (wrong)
		return chunk_reject(h, wrong);
	return chunk_expect(h, RECEIVE_CHUNK);
}

enum step
chunk_begin(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	const struct reply *reply = &receive->reply;

	if (reply->length > MAX_PAYLOAD)
		return dead(h, EPROTO, "invalid server reply length %llu",
			    (unsigned long long)reply->length);
	receive->remaining = reply->length;
	receive->command = find_command(h, reply->cookie);
	if (!receive->command)
		return stray(h);
	if (reply->kind == REPLY_SIMPLE)
		return begin_simple(h);
	return begin_chunk(h);
}

size_t
chunk_fixed_size(const struct nbd_handle *h)
{
	const struct reply *reply = &h->receive.reply;

	switch (reply->type) {
	case NBD_REPLY_TYPE_NONE:
		return 0;
	case NBD_REPLY_TYPE_OFFSET_DATA:
	case NBD_REPLY_TYPE_BLOCK_STATUS_EXT:
		return 8;
	case NBD_REPLY_TYPE_OFFSET_HOLE:
		return 12;
	case NBD_REPLY_TYPE_BLOCK_STATUS:
		return 4;
	default:
		return reply->length < CHUNK_MAX_FIXED ? (size_t)reply->length
						       : CHUNK_MAX_FIXED;
	}
}

enum step
chunk_fixed(struct nbd_handle *h, const uint8_t *payload, size_t length)
{
	switch (h->receive.reply.type) {
	case NBD_REPLY_TYPE_NONE:
		return chunk_skip(h);
	case NBD_REPLY_TYPE_OFFSET_DATA:
		return chunk_take_data(h, payload);
	case NBD_REPLY_TYPE_OFFSET_HOLE:
		return chunk_take_hole(h, payload);
	case NBD_REPLY_TYPE_BLOCK_STATUS:
	case NBD_REPLY_TYPE_BLOCK_STATUS_EXT:
		return chunk_take_status(h, payload);
	default:
		return chunk_take_error(h, payload, length);
	}
}

enum step
chunk_end(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	struct command *command = receive->command;
	enum receive_state was = receive->state;

	receive->state = RECEIVE_HEADER;
	if (!command)
		return STEP_AGAIN;
	if (command->type == NBD_CMD_READ)
		ahead_note(h, command,
			   was == RECEIVE_DATA &&
				   receive->data_length == command->count);
	if (was == RECEIVE_DATA && !CLOSURE_IS_NULL(command->chunk))
		chunk_report_content(command, receive, LIBNBD_READ_DATA);
	if (was == RECEIVE_EXTENTS) {
		const struct meta_context *context = export_info_context_by_id(
			&h->export, receive->extents.context_id);

		extents_deliver(&receive->extents, command, context->name);
	}
	if (reply_is_done(&receive->reply))
		return reply_finished(h);
	receive->command = NULL;
	return STEP_AGAIN;
}
