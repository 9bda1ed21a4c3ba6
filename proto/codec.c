/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages to bytes and back. Before protobuf-c sees received bytes they are
 * walked once with the message's descriptor: broken framing, strings that are
 * not UTF-8 or hold a NUL (protobuf-c would cut them short) end there. What
 * protobuf-c then allocates is bounded. What is sent is walked too, because
 * other programs refuse a message with text that is none, and names come from
 * servers.
 */
#include "proto/codec.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "proto/payload_slice.h"
#include "proto/utf8.h"
#include "proto/wire.h"

/*
 * Memory that decoding may take: a fixed sum, and so much for every byte of the
 * message. The densest honest message, a list of extents, needs 30 bytes of
 * memory for a byte; 4 MiB of empty sub-messages would take 60.
 */
#define ALLOCATION_BASE     (64 * 1024)
#define ALLOCATION_PER_BYTE 40
#define ALLOCATION_MAX      (64 * 1024 * 1024)

struct bounded_allocator {
	ProtobufCAllocator allocator;
	size_t left;
	/* Why memory was refused: -EMSGSIZE, -ENOMEM. */
	int error;
};

static void *
bounded_alloc(void *data, size_t size)
{
	struct bounded_allocator *bounded = data;
	void *memory;

	if (size > bounded->left) {
		bounded->error = -EMSGSIZE;
		return NULL;
	}
	bounded->left -= size;
	/* protobuf-c takes NULL for a failure, also for no bytes. */
	memory = malloc(size ? size : 1);
	if (!memory)
		bounded->error = -ENOMEM;
	return memory;
}

static void
bounded_free(void *data, void *pointer)
{
	(void)data;
	free(pointer);
}

static size_t
allocation_limit(size_t length)
{
	size_t limit = ALLOCATION_MAX;

	if (length < (ALLOCATION_MAX - ALLOCATION_BASE) / ALLOCATION_PER_BYTE)
		limit = ALLOCATION_BASE + length * ALLOCATION_PER_BYTE;
	/* Strings and bytes are copied whatever their size. */
	return limit + length;
}

/* What to do with each string of a message. */
typedef int text_function(const uint8_t *bytes, size_t length);

static int
check_text(const uint8_t *bytes, size_t length)
{
	return utf8_is_text(bytes, length) ? 0 : -EBADMSG;
}

/* Only for bytes that we have written ourselves. */
static int
repair_text(const uint8_t *bytes, size_t length)
{
	uint8_t *ours;

	memcpy(&ours, &bytes, sizeof(ours));
	utf8_repair(ours, length);
	return 0;
}

static int walk(const ProtobufCMessageDescriptor *type,
		struct wire_reader reader, text_function *on_text);

static int
walk_length_field(const ProtobufCMessageDescriptor *type, uint32_t number,
		  struct wire_reader value, text_function *on_text)
{
	const ProtobufCFieldDescriptor *field =
		protobuf_c_message_descriptor_get_field(type, number);

	if (field && field->type == PROTOBUF_C_TYPE_MESSAGE)
		return walk(field->descriptor, value, on_text);
	if (field && field->type == PROTOBUF_C_TYPE_STRING)
		return on_text(wire_contiguous(&value), value.left);
	return 0;
}

/*
 * Goes through a message that lies in one piece: 0, -EBADMSG if its framing is
 * broken, or what ON_TEXT says. The recursion ends where the types do: none of
 * ours contains itself.
 */
static int
walk(const ProtobufCMessageDescriptor *type, struct wire_reader reader,
     text_function *on_text)
{
	uint32_t field;
	enum wire_type wire;
	int r;

	while ((r = wire_next(&reader, &field, &wire)) > 0) {
		struct wire_reader value;

		if (wire != WIRE_LENGTH) {
			if (!wire_skip(&reader, wire))
				return -EBADMSG;
			continue;
		}
		if (!wire_sub(&reader, &value))
			return -EBADMSG;
		r = walk_length_field(type, field, value, on_text);
		if (r < 0)
			return r;
	}
	return r;
}

static int
unpack(const ProtobufCMessageDescriptor *type, const void *bytes, size_t length,
       void *message)
{
	struct bounded_allocator bounded = {
		.allocator = { .alloc = bounded_alloc,
			       .free = bounded_free,
			       .allocator_data = &bounded },
		.left = allocation_limit(length),
	};
	ProtobufCMessage *unpacked = protobuf_c_message_unpack(
		type, &bounded.allocator, length, bytes);

	if (!unpacked)
		return bounded.error ? bounded.error : -EBADMSG;
	memcpy(message, &unpacked, sizeof(unpacked));
	return 0;
}

int
codec_decode_bytes(const ProtobufCMessageDescriptor *type, const void *bytes,
		   size_t length, void *message)
{
	grpc_slice slice = grpc_slice_from_static_buffer(bytes, length);
	int r;

	memset(message, 0, sizeof(void *));
	r = walk(type, wire_read_slice(&slice), check_text);
	if (r < 0)
		return r;
	return unpack(type, bytes, length, message);
}

static int
decode_reader(const ProtobufCMessageDescriptor *type, struct wire_reader reader,
	      void *message)
{
	size_t length = reader.left;
	const void *bytes = wire_contiguous(&reader);
	CLEANUP_FREE void *joined = NULL;

	if (!bytes && length > 0) {
		joined = malloc(length);
		if (!joined)
			return -ENOMEM;
		wire_copy(&reader, joined);
		bytes = joined;
	}
	return codec_decode_bytes(type, bytes, length, message);
}

int
codec_decode(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *bytes,
	     size_t max_length, void *message)
{
	memset(message, 0, sizeof(void *));
	if (grpc_byte_buffer_length(bytes) > max_length)
		return -EMSGSIZE;
	return decode_reader(type, wire_read_buffer(bytes), message);
}

/* The fields of a message without its payload: measured while BYTES is NULL,
 * then written there. */
struct rest {
	uint8_t *bytes;
	size_t length;
};

/* Adds the field whose tag READER has just read. */
static bool
rest_add(struct rest *rest, struct wire_reader *reader, uint32_t field,
	 enum wire_type wire)
{
	struct wire_reader value = *reader;
	uint64_t tag = wire_tag(field, wire);

	if (!wire_skip(reader, wire))
		return false;
	value.left -= reader->left;
	if (rest->bytes) {
		uint8_t *to = rest->bytes + rest->length;
		struct wire_reader copied = value;

		wire_copy(&copied, to + wire_put_varint(to, tag));
	}
	rest->length += wire_varint_size(tag) + value.left;
	return true;
}

/* Adds the fields other than the payload to REST and leaves *DATA standing on
 * the payload. */
static int
split(struct wire_reader reader, struct rest *rest, struct wire_reader *data)
{
	uint32_t field;
	enum wire_type wire;
	int r;

	data->left = 0;
	while ((r = wire_next(&reader, &field, &wire)) > 0) {
		bool ok;

		/* Of a field given twice the last counts. */
		if (field == CODEC_DATA_FIELD && wire == WIRE_LENGTH)
			ok = wire_sub(&reader, data);
		else
			ok = rest_add(rest, &reader, field, wire);
		if (!ok)
			return -EBADMSG;
	}
	return r;
}

/* TAKE makes the payload of what the reader stands on. */
static int
decode_with_data(const ProtobufCMessageDescriptor *type,
		 grpc_byte_buffer *bytes, size_t max_length, void *message,
		 struct payload *data,
		 struct payload (*take)(struct wire_reader *reader))
{
	struct wire_reader whole = wire_read_buffer(bytes);
	struct wire_reader at_data;
	struct rest rest = { 0 };
	CLEANUP_FREE uint8_t *room = NULL;
	int r;

	memset(message, 0, sizeof(void *));
	*data = PAYLOAD_EMPTY;
	if (whole.left > max_length)
		return -EMSGSIZE;
	r = split(whole, &rest, &at_data);
	if (r < 0)
		return r;
	room = malloc(rest.length + 1);
	if (!room)
		return -ENOMEM;
	rest = (struct rest){ .bytes = room };
	r = split(whole, &rest, &at_data);
	if (r == 0)
		r = codec_decode_bytes(type, room, rest.length, message);
	if (r == 0)
		*data = take(&at_data);
	return r;
}

int
codec_decode_with_data(const ProtobufCMessageDescriptor *type,
		       grpc_byte_buffer *bytes, size_t max_length,
		       void *message, struct payload *data)
{
	return decode_with_data(type, bytes, max_length, message, data,
				wire_payload);
}

int
codec_decode_with_pieces(const ProtobufCMessageDescriptor *type,
			 grpc_byte_buffer *bytes, size_t max_length,
			 void *message, struct payload *data)
{
	return decode_with_data(type, bytes, max_length, message, data,
				wire_payload_in_pieces);
}

size_t
codec_pack(const void *message, uint8_t *to)
{
	const ProtobufCMessage *typed = message;
	size_t length = protobuf_c_message_pack(typed, to);
	grpc_slice slice = grpc_slice_from_static_buffer(to, length);

	(void)walk(typed->descriptor, wire_read_slice(&slice), repair_text);
	return length;
}

/* MESSAGE packed into a slice, with room for EXTRA bytes behind it. */
static grpc_slice
pack(const void *message, size_t extra)
{
	size_t length = protobuf_c_message_get_packed_size(message);
	grpc_slice slice = grpc_slice_malloc(length + extra);

	codec_pack(message, GRPC_SLICE_START_PTR(slice));
	return slice;
}

static grpc_byte_buffer *
buffer_of(grpc_slice *slices, size_t n_slices)
{
	grpc_byte_buffer *bytes = grpc_raw_byte_buffer_create(slices, n_slices);

	for (size_t i = 0; i < n_slices; i++)
		grpc_slice_unref(slices[i]);
	return bytes;
}

grpc_byte_buffer *
codec_encode(const void *message)
{
	grpc_slice slice = pack(message, 0);

	return buffer_of(&slice, 1);
}

grpc_byte_buffer *
codec_encode_with_data(const void *message, struct payload *data)
{
	const uint32_t tag = wire_tag(CODEC_DATA_FIELD, WIRE_LENGTH);
	size_t head = wire_varint_size(tag) + wire_varint_size(data->length);
	grpc_slice slices[2];
	uint8_t *end;

	if (data->length == 0)
		return codec_encode(message);
	slices[0] = pack(message, head);
	end = GRPC_SLICE_END_PTR(slices[0]) - head;
	end += wire_put_varint(end, tag);
	wire_put_varint(end, data->length);
	slices[1] = payload_take_slice(data);
	return buffer_of(slices, 2);
}

void
codec_message_free(void *message)
{
	if (message)
		protobuf_c_message_free_unpacked(message, NULL);
}

void
codec_cleanup_message(void *pointer_to_message)
{
	void *message;

	memcpy(&message, pointer_to_message, sizeof(message));
	codec_message_free(message);
}

const char *
codec_error_text(int error)
{
	switch (error) {
	case -EBADMSG:
		return "the bytes are not a valid message of this type";
	case -EMSGSIZE:
		return "the message is too large";
	case -ENOMEM:
		return "no memory for the message";
	default:
		return "the message cannot be read";
	}
}
