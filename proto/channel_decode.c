/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading the messages of IO.Channel. One entry at a time: a broken one makes
 * the whole message broken, but those before it have been handed out, as if
 * they had come in a message of their own.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "proto/channel_codec.h"
#include "proto/codec.h"
#include "proto/utf8.h"

/* Both messages: 1 opens, 2 are the entries. */
#define OPEN_FIELD  1
#define ENTRY_FIELD 2

/* Of a block status request and its reply; NBD servers have a handful. */
#define CONTEXTS_MAX       64
#define CONTEXT_LENGTH_MAX 4096

/* No volume has so long a name. */
#define SOURCE_LENGTH_MAX 255

int
channel_reader_init(struct channel_reader *reader,
		    const grpc_byte_buffer *bytes, size_t max_length)
{
	reader->wire = wire_read_buffer(bytes);
	return reader->wire.left > max_length ? -EMSGSIZE : 0;
}

/* A sub-message by protobuf-c. */
static int
decode_message(struct wire_reader value, const ProtobufCMessageDescriptor *type,
	       void *message)
{
	size_t length = value.left;
	const void *bytes = wire_contiguous(&value);
	CLEANUP_FREE void *joined = NULL;

	if (!bytes && length > 0) {
		joined = malloc(length);
		if (!joined)
			return -ENOMEM;
		wire_copy(&value, joined);
		bytes = joined;
	}
	return codec_decode_bytes(type, bytes, length, message);
}

static int
read_context(struct io_request *request, struct wire_reader value)
{
	char name[CONTEXT_LENGTH_MAX + 1];
	size_t length = value.left;

	if (length > CONTEXT_LENGTH_MAX ||
	    request->contexts.n_items == CONTEXTS_MAX)
		return -EMSGSIZE;
	wire_copy(&value, name);
	name[length] = '\0';
	if (!utf8_is_text((const uint8_t *)name, length))
		return -EBADMSG;
	return string_list_append(&request->contexts, name) < 0 ? -ENOMEM : 0;
}

/* As proto3 wants it, the last one counts, and an empty one is none. */
static int
read_source(struct io_request *request, struct wire_reader value)
{
	size_t length = value.left;

	free(TAKE_PTR(request->source));
	if (length > SOURCE_LENGTH_MAX)
		return -EMSGSIZE;
	if (length == 0)
		return 0;
	request->source = malloc(length + 1);
	if (!request->source)
		return -ENOMEM;
	wire_copy(&value, request->source);
	request->source[length] = '\0';
	return utf8_is_text((const uint8_t *)request->source, length)
		       ? 0
		       : -EBADMSG;
}

static void
set_request_number(struct io_request *request, uint32_t field, uint64_t value)
{
	switch (field) {
	case 1:
		request->id = value;
		break;
	case 2:
		request->command = (uint32_t)value;
		break;
	case 3:
		request->offset = value;
		break;
	case 4:
		request->length = value;
		break;
	case 5:
		request->flags = (uint32_t)value;
		break;
	case 6:
		request->timeout_ms = (uint32_t)value;
		break;
	case 9:
		request->source_offset = value;
		break;
	default:
		/* From a newer client, or of another type than ours. */
		break;
	}
}

static int
set_request_bytes(struct io_request *request, uint32_t field,
		  struct wire_reader value)
{
	if (field == 7)
		return read_context(request, value);
	if (field == 8)
		return read_source(request, value);
	if (field == CODEC_DATA_FIELD) {
		payload_release(&request->data);
		request->data = wire_payload_in_pieces(&value);
	}
	return 0;
}

static int
read_request(struct io_request *request, struct wire_reader *reader)
{
	uint32_t field;
	enum wire_type wire;
	int r;

	while ((r = wire_next(reader, &field, &wire)) > 0) {
		struct wire_reader value;
		uint64_t number;

		if (wire == WIRE_VARINT) {
			if (!wire_varint(reader, &number))
				return -EBADMSG;
			set_request_number(request, field, number);
		} else if (wire == WIRE_LENGTH) {
			if (!wire_sub(reader, &value))
				return -EBADMSG;
			r = set_request_bytes(request, field, value);
			if (r < 0)
				return r;
		} else if (!wire_skip(reader, wire)) {
			return -EBADMSG;
		}
	}
	return r;
}

static int
read_extents(struct io_reply *reply, struct wire_reader value)
{
	Nbdclientd__V1__ContextExtents **extents;
	Nbdclientd__V1__ContextExtents *one;
	int r;

	if (reply->n_extents == CONTEXTS_MAX)
		return -EMSGSIZE;
	r = decode_message(value, &nbdclientd__v1__context_extents__descriptor,
			   &one);
	if (r < 0)
		return r;
	extents = reallocarray(reply->extents, reply->n_extents + 1,
			       sizeof(*extents));
	if (!extents) {
		codec_message_free(one);
		return -ENOMEM;
	}
	extents[reply->n_extents++] = one;
	reply->extents = extents;
	return 0;
}

static int
set_reply_bytes(struct io_reply *reply, uint32_t field,
		struct wire_reader value)
{
	switch (field) {
	case 2:
		codec_message_free(TAKE_PTR(reply->error));
		return decode_message(value,
				      &nbdclientd__v1__io_error__descriptor,
				      &reply->error);
	case 3:
		return read_extents(reply, value);
	case CODEC_DATA_FIELD:
		payload_release(&reply->data);
		reply->data = wire_payload(&value);
		return 0;
	default:
		return 0;
	}
}

static int
read_reply(struct io_reply *reply, struct wire_reader *reader)
{
	uint32_t field;
	enum wire_type wire;
	int r;

	while ((r = wire_next(reader, &field, &wire)) > 0) {
		struct wire_reader value;

		if (wire == WIRE_LENGTH) {
			if (!wire_sub(reader, &value))
				return -EBADMSG;
			r = set_reply_bytes(reply, field, value);
			if (r < 0)
				return r;
		} else if (wire == WIRE_VARINT && field == 1) {
			if (!wire_varint(reader, &reply->id))
				return -EBADMSG;
		} else if (!wire_skip(reader, wire)) {
			return -EBADMSG;
		}
	}
	return r;
}

/* The next opening or entry, passing over fields from newer peers: enum
 * channel_entry with its bytes in *VALUE, or -EBADMSG. */
static int
next_entry(struct channel_reader *reader, struct wire_reader *value)
{
	uint32_t field;
	enum wire_type wire;
	int r;

	while ((r = wire_next(&reader->wire, &field, &wire)) > 0) {
		if (wire != WIRE_LENGTH) {
			if (!wire_skip(&reader->wire, wire))
				return -EBADMSG;
			continue;
		}
		if (!wire_sub(&reader->wire, value))
			return -EBADMSG;
		if (field == OPEN_FIELD)
			return CHANNEL_OPEN;
		if (field == ENTRY_FIELD)
			return CHANNEL_IO;
	}
	return r < 0 ? r : CHANNEL_END;
}

int
channel_reader_next_request(struct channel_reader *reader,
			    Nbdclientd__V1__ChannelOpen **open,
			    struct io_request *request)
{
	struct wire_reader value;
	struct io_request found = { 0 };
	int entry = next_entry(reader, &value);
	int r;

	if (entry == CHANNEL_OPEN) {
		r = decode_message(
			value, &nbdclientd__v1__channel_open__descriptor, open);
		return r < 0 ? r : entry;
	}
	if (entry != CHANNEL_IO)
		return entry;
	r = read_request(&found, &value);
	if (r < 0) {
		io_request_done(&found);
		return r;
	}
	*request = found;
	return entry;
}

int
channel_reader_next_reply(struct channel_reader *reader,
			  Nbdclientd__V1__ChannelOpened **opened,
			  struct io_reply *reply)
{
	struct wire_reader value;
	struct io_reply found = { 0 };
	int entry = next_entry(reader, &value);
	int r;

	if (entry == CHANNEL_OPEN) {
		r = decode_message(value,
				   &nbdclientd__v1__channel_opened__descriptor,
				   opened);
		return r < 0 ? r : entry;
	}
	if (entry != CHANNEL_IO)
		return entry;
	r = read_reply(&found, &value);
	if (r < 0) {
		io_reply_done(&found);
		return r;
	}
	*reply = found;
	return entry;
}
