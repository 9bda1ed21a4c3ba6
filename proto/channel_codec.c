/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing the messages of IO.Channel. Small fields gather in one buffer of the
 * writer; a payload closes it off and follows as a slice of its own.
 */
#include "proto/channel_codec.h"

#include <grpc/support/alloc.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/payload_slice.h"

/* Both messages: 1 opens, 2 are the entries. */
#define OPEN_FIELD  1
#define ENTRY_FIELD 2

/* A tag of one byte or two and the longest varint. */
#define FIELD_MAX 12

/* Copying so few bytes is cheaper than sending them as a slice. */
#define COPY_MAX 512

/* clang-format off */
/* X(field number, member): the plain numbers of an entry */
#define REQUEST_NUMBERS(X) \
	X(1, id)           \
	X(2, command)      \
	X(3, offset)       \
	X(4, length)       \
	X(5, flags)        \
	X(6, timeout_ms)
#define REQUEST_CONTEXTS_FIELD 7
#define REQUEST_SOURCE_FIELD   8
#define REQUEST_SOURCE_AT_FIELD 9

#define REPLY_ID_FIELD      1
#define REPLY_ERROR_FIELD   2
#define REPLY_EXTENTS_FIELD 3
/* clang-format on */

/* Room for SIZE more small bytes. */
static uint8_t *
reserve(struct channel_writer *writer, size_t size)
{
	size_t needed = writer->n_small + size;

	if (needed > writer->small_capacity) {
		writer->small_capacity = needed < 2048 ? 4096 : needed * 2;
		writer->small = gpr_realloc(writer->small,
					    writer->small_capacity);
	}
	return writer->small + writer->n_small;
}

static void
commit(struct channel_writer *writer, size_t size)
{
	writer->n_small += size;
	writer->length += size;
}

static void
put_varint(struct channel_writer *writer, uint64_t value)
{
	commit(writer, wire_put_varint(reserve(writer, FIELD_MAX), value));
}

static void
put_tag(struct channel_writer *writer, uint32_t field, enum wire_type type)
{
	put_varint(writer, wire_tag(field, type));
}

/* As proto3 wants it, zero is left out. */
static void
put_number(struct channel_writer *writer, uint32_t field, uint64_t value)
{
	if (value == 0)
		return;
	put_tag(writer, field, WIRE_VARINT);
	put_varint(writer, value);
}

static void
put_bytes(struct channel_writer *writer, uint32_t field, const void *bytes,
	  size_t length)
{
	put_tag(writer, field, WIRE_LENGTH);
	put_varint(writer, length);
	memcpy(reserve(writer, length), bytes, length);
	commit(writer, length);
}

static void
put_message(struct channel_writer *writer, uint32_t field, const void *message)
{
	size_t length = protobuf_c_message_get_packed_size(message);

	put_tag(writer, field, WIRE_LENGTH);
	put_varint(writer, length);
	commit(writer, codec_pack(message, reserve(writer, length)));
}

static size_t
number_size(uint32_t field, uint64_t value)
{
	if (value == 0)
		return 0;
	return wire_varint_size(wire_tag(field, WIRE_VARINT)) +
	       wire_varint_size(value);
}

static size_t
bytes_size(uint32_t field, size_t length)
{
	return wire_varint_size(wire_tag(field, WIRE_LENGTH)) +
	       wire_varint_size(length) + length;
}

static size_t
data_size(const struct payload *data)
{
	return data->length ? bytes_size(CODEC_DATA_FIELD, data->length) : 0;
}

static grpc_slice_buffer *
slices(struct channel_writer *writer)
{
	if (!writer->bytes)
		writer->bytes = grpc_raw_byte_buffer_create(NULL, 0);
	return &writer->bytes->data.raw.slice_buffer;
}

static void
flush_small(struct channel_writer *writer)
{
	if (writer->n_small == 0)
		return;
	grpc_slice_buffer_add(
		slices(writer),
		grpc_slice_from_copied_buffer((const char *)writer->small,
					      writer->n_small));
	writer->n_small = 0;
}

static void
put_data(struct channel_writer *writer, struct payload *data)
{
	if (data->length == 0) {
		payload_release(data);
		return;
	}
	if (data->length <= COPY_MAX) {
		put_bytes(writer, CODEC_DATA_FIELD, data->bytes, data->length);
		payload_release(data);
		return;
	}
	put_tag(writer, CODEC_DATA_FIELD, WIRE_LENGTH);
	put_varint(writer, data->length);
	flush_small(writer);
	writer->length += data->length;
	grpc_slice_buffer_add(slices(writer), payload_take_slice(data));
}

static size_t
request_size(const struct io_request *request)
{
	size_t size = data_size(&request->data);

#define X(field, member) size += number_size(field, request->member);
	REQUEST_NUMBERS(X)
#undef X
	for (size_t i = 0; i < request->contexts.n_items; i++)
		size += bytes_size(REQUEST_CONTEXTS_FIELD,
				   strlen(request->contexts.items[i]));
	if (request->source)
		size += bytes_size(REQUEST_SOURCE_FIELD,
				   strlen(request->source));
	return size +
	       number_size(REQUEST_SOURCE_AT_FIELD, request->source_offset);
}

static size_t
reply_size(const struct io_reply *reply)
{
	size_t size = number_size(REPLY_ID_FIELD, reply->id) +
		      data_size(&reply->data);

	if (reply->error)
		size += bytes_size(REPLY_ERROR_FIELD,
				   protobuf_c_message_get_packed_size(
					   &reply->error->base));
	for (size_t i = 0; i < reply->n_extents; i++)
		size += bytes_size(REPLY_EXTENTS_FIELD,
				   protobuf_c_message_get_packed_size(
					   &reply->extents[i]->base));
	return size;
}

void
channel_writer_open(struct channel_writer *writer, const char *volume)
{
	Nbdclientd__V1__ChannelOpen open = NBDCLIENTD__V1__CHANNEL_OPEN__INIT;
	char *borrowed;

	memcpy(&borrowed, &volume, sizeof(borrowed));
	open.volume = borrowed;
	put_message(writer, OPEN_FIELD, &open);
}

void
channel_writer_opened(struct channel_writer *writer,
		      const Nbdclientd__V1__ChannelOpened *opened)
{
	put_message(writer, OPEN_FIELD, opened);
}

void
channel_writer_request(struct channel_writer *writer,
		       struct io_request *request)
{
	put_tag(writer, ENTRY_FIELD, WIRE_LENGTH);
	put_varint(writer, request_size(request));
#define X(field, member) put_number(writer, field, request->member);
	REQUEST_NUMBERS(X)
#undef X
	for (size_t i = 0; i < request->contexts.n_items; i++)
		put_bytes(writer, REQUEST_CONTEXTS_FIELD,
			  request->contexts.items[i],
			  strlen(request->contexts.items[i]));
	if (request->source)
		put_bytes(writer, REQUEST_SOURCE_FIELD, request->source,
			  strlen(request->source));
	put_number(writer, REQUEST_SOURCE_AT_FIELD, request->source_offset);
	put_data(writer, &request->data);
}

void
channel_writer_reply(struct channel_writer *writer, struct io_reply *reply)
{
	put_tag(writer, ENTRY_FIELD, WIRE_LENGTH);
	put_varint(writer, reply_size(reply));
	put_number(writer, REPLY_ID_FIELD, reply->id);
	if (reply->error)
		put_message(writer, REPLY_ERROR_FIELD, reply->error);
	for (size_t i = 0; i < reply->n_extents; i++)
		put_message(writer, REPLY_EXTENTS_FIELD, reply->extents[i]);
	put_data(writer, &reply->data);
}

size_t
channel_writer_length_with_request(const struct channel_writer *writer,
				   const struct io_request *request)
{
	return writer->length + bytes_size(ENTRY_FIELD, request_size(request));
}

size_t
channel_writer_length_with_reply(const struct channel_writer *writer,
				 const struct io_reply *reply)
{
	return writer->length + bytes_size(ENTRY_FIELD, reply_size(reply));
}

grpc_byte_buffer *
channel_writer_take(struct channel_writer *writer)
{
	grpc_byte_buffer *bytes;

	flush_small(writer);
	bytes = writer->bytes;
	writer->bytes = NULL;
	writer->length = 0;
	return bytes;
}

void
channel_writer_done(struct channel_writer *writer)
{
	if (writer->bytes)
		grpc_byte_buffer_destroy(writer->bytes);
	gpr_free(writer->small);
	*writer = (struct channel_writer){ 0 };
}
