/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The payloads of chunks: content of reads, block status, errors. Content has
 * a place in the caller's buffer or the connection dies; of errors only the
 * number matters, and whatever surrounds it is taken as it comes.
 */
#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "client-lib/base/closure.h"
#include "client-lib/base/error.h"
#include "client-lib/engine/chunk.h"
#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"
#include "client-lib/wire/reader.h"
#include "common/checked.h"
#include "common/hints.h"
#include "common/strings.h"

/* Where LENGTH bytes at OFFSET of the export belong; they are marked as
 * covered. Outside the request there is no such place, and a server that says
 * so is not to be trusted any further. */
static enum step
place_content(struct nbd_handle *h, uint64_t offset, uint64_t length,
	      bool *is_new)
{
	struct receive *receive = &h->receive;
	struct command *command = receive->command;
	uint64_t at = offset - command->offset;

	*is_new = true;
	if (offset < command->offset ||
	    !checked_range(at, length, command->count))
		return dead(h, EPROTO,
			    "range of structured reply is out of bounds: "
			    "offset %llu and length %llu for a read of %llu "
			    "at %llu",
			    (unsigned long long)offset,
			    (unsigned long long)length,
			    (unsigned long long)command->count,
			    (unsigned long long)command->offset);
	receive->target = command->buffer + at;
	receive->data_offset = offset;
	receive->data_length = (size_t)length;
	if (length == 0 && ++command->n_excess > CHUNK_MAX_EXCESS)
		return dead(h, EPROTO,
			    "read: the server sends endless empty "
			    "chunks");
	switch (coverage_add(&command->coverage, at, length, command->count)) {
	case COVERAGE_OK:
		break;
	case COVERAGE_OVERLAP:
		*is_new = false;
		return chunk_reject(h, "chunks overlap");
	case COVERAGE_NO_MEMORY:
		command_fail(command, ENOMEM);
		break;
	}
	return STEP_AGAIN;
}

void
chunk_report_content(struct command *command, const struct receive *receive,
		     unsigned status)
{
	const uint8_t *from = command->buffer +
			      (receive->data_offset - command->offset);
	int error = command->error;

	if (CLOSURE_CALL(command->chunk, from, receive->data_length,
			 receive->data_offset, status, &error) == -1)
		command_fail(command, error ? error : EPROTO);
}

enum step
chunk_take_data(struct nbd_handle *h, const uint8_t *payload)
{
	bool is_new;
	enum step step = place_content(h, load_be64(payload),
				       h->receive.remaining, &is_new);

	if (step == STEP_FAILED || !is_new)
		return step;
	return chunk_expect(h, RECEIVE_DATA);
}

APART enum step
chunk_take_hole(struct nbd_handle *h, const uint8_t *payload)
{
	struct receive *receive = &h->receive;
	uint32_t length = load_be32(payload + 8);
	bool is_new;
	enum step step = place_content(h, load_be64(payload), length, &is_new);

	if (step == STEP_FAILED || !is_new)
		return step;
	memset(receive->target, 0, length);
	chunk_report_content(receive->command, receive, LIBNBD_READ_HOLE);
	return chunk_skip(h);
}

/* One chunk for each context that was asked about, in any order. */
APART enum step
chunk_take_status(struct nbd_handle *h, const uint8_t *payload)
{
	struct receive *receive = &h->receive;
	struct command *command = receive->command;
	uint32_t id = load_be32(payload);
	const struct meta_context *context = export_info_context_by_id(
		&h->export, id);
	size_t index;

	if (receive->reply.kind == REPLY_EXTENDED &&
	    load_be32(payload + 4) != receive->remaining / 16)
		return chunk_reject(h, "block status with a wrong count");
	if (!context || !filter_has(&command->filter, id)) {
		debug_log(&h->debug,
			  "ignoring status of context %u, which was not asked "
			  "about",
			  id);
		return ++command->n_excess > CHUNK_MAX_EXCESS
			       ? dead(h, EPROTO,
				      "block-status: the server sends endless "
				      "contexts that were not asked about")
			       : chunk_skip(h);
	}
	index = (size_t)(context - h->export.contexts);
	switch (coverage_add(&command->coverage, index, 1,
			     h->export.n_contexts)) {
	case COVERAGE_OK:
		break;
	case COVERAGE_OVERLAP:
		return chunk_reject(h, "two answers for one context");
	case COVERAGE_NO_MEMORY:
		command_fail(command, ENOMEM);
		break;
	}
	extents_begin(&receive->extents, h, command, id);
	return chunk_expect(h, RECEIVE_EXTENTS);
}

static void
keep_message(struct command *command, const struct error_chunk *chunk)
{
	struct string_builder builder = STRING_BUILDER_INIT;

	if (command->message || chunk->message_length == 0)
		return;
	string_builder_append_escaped(&builder, chunk->message,
				      chunk->message_length);
	/* Only a text: without memory for it the errno has to do. */
	command->message = string_builder_take(&builder);
}

static void
report_error(struct command *command, uint64_t offset, int errnum)
{
	int error = errnum;

	if (command->type != NBD_CMD_READ || offset < command->offset ||
	    offset - command->offset >= command->count)
		return;
	if (CLOSURE_CALL(command->chunk,
			 command->buffer + (offset - command->offset), 0,
			 offset, LIBNBD_READ_ERROR, &error) == -1)
		command_fail(command, error ? error : EPROTO);
}

/* What follows the error number is welcome but not needed. */
APART enum step
chunk_take_error(struct nbd_handle *h, const uint8_t *payload, size_t length)
{
	struct receive *receive = &h->receive;
	struct command *command = receive->command;
	bool may_have_offset = receive->reply.type ==
			       NBD_REPLY_TYPE_ERROR_OFFSET;
	struct error_chunk chunk;
	int errnum;

	if (error_chunk_parse(payload, length, may_have_offset, &chunk) !=
		    WIRE_OK ||
	    chunk.error == 0)
		return chunk_reject(h, "an error chunk without an error");
	errnum = errno_from_wire(chunk.error);
	keep_message(command, &chunk);
	if (chunk.has_offset)
		report_error(command, chunk.offset, errnum);
	command_fail(command, errnum);
	if (!reply_is_done(&receive->reply) &&
	    ++command->n_excess > CHUNK_MAX_EXCESS)
		return dead(h, EPROTO, "%s: the server sends endless errors",
			    command_name(command->type));
	return chunk_skip(h);
}
