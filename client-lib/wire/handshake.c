/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handshake's messages. Strings longer than the specification allows are
 * INVALID; whether they contain sense is for the engine to say.
 */
#include "client-lib/wire/handshake.h"

#include "client-lib/wire/protocol.h"
#include "client-lib/wire/reader.h"
#include "client-lib/wire/writer.h"

enum wire_result
greeting_parse(const void *bytes, size_t length, enum greeting *greeting)
{
	struct reader reader = reader_over(bytes, length);
	uint64_t magic;
	uint64_t version;

	if (!reader_u64(&reader, &magic))
		return WIRE_SHORT;
	if (magic != NBD_MAGIC)
		return WIRE_INVALID;
	if (!reader_u64(&reader, &version))
		return WIRE_SHORT;
	if (version == NBD_IHAVEOPT)
		*greeting = GREETING_NEWSTYLE;
	else if (version == NBD_OLDSTYLE_MAGIC)
		*greeting = GREETING_OLDSTYLE;
	else
		return WIRE_INVALID;
	return WIRE_OK;
}

enum wire_result
oldstyle_parse(const void *bytes, size_t length,
	       struct export_description *description)
{
	struct reader reader = reader_over(bytes, length);
	const uint8_t *zeroes;

	/* The zeroes are reserved: read, not insisted upon. */
	if (!reader_u64(&reader, &description->size) ||
	    !reader_u16(&reader, &description->handshake_flags) ||
	    !reader_u16(&reader, &description->flags) ||
	    !reader_take(&reader, 124, &zeroes))
		return WIRE_SHORT;
	return WIRE_OK;
}

enum wire_result
export_name_parse(const void *bytes, size_t length,
		  struct export_description *description)
{
	struct reader reader = reader_over(bytes, length);

	description->handshake_flags = 0;
	if (!reader_u64(&reader, &description->size) ||
	    !reader_u16(&reader, &description->flags))
		return WIRE_SHORT;
	return WIRE_OK;
}

enum wire_result
option_reply_parse(const void *bytes, size_t length, struct option_reply *reply)
{
	struct reader reader = reader_over(bytes, length);
	uint64_t magic;

	if (!reader_u64(&reader, &magic))
		return WIRE_SHORT;
	if (magic != NBD_REP_MAGIC)
		return WIRE_INVALID;
	if (!reader_u32(&reader, &reply->option) ||
	    !reader_u32(&reader, &reply->type) ||
	    !reader_u32(&reader, &reply->length))
		return WIRE_SHORT;
	return WIRE_OK;
}

void
option_encode_header(void *bytes, uint32_t option, uint32_t length)
{
	struct writer writer = writer_over(bytes, NBD_OPTION_HEADER_SIZE);

	writer_u64(&writer, NBD_IHAVEOPT);
	writer_u32(&writer, option);
	writer_u32(&writer, length);
}

/* The next LENGTH bytes as a string. */
static enum wire_result
take_string(struct reader *reader, size_t length, struct wire_string *string)
{
	const uint8_t *text;

	if (length > NBD_MAX_STRING || !reader_take(reader, length, &text))
		return WIRE_INVALID;
	string->text = (const char *)text;
	string->length = length;
	return WIRE_OK;
}

enum wire_result
server_item_parse(const void *payload, size_t length, struct server_item *item)
{
	struct reader reader = reader_over(payload, length);
	uint32_t name_length;

	if (!reader_u32(&reader, &name_length) ||
	    take_string(&reader, name_length, &item->name) != WIRE_OK)
		return WIRE_INVALID;
	return take_string(&reader, reader.left, &item->description);
}

enum wire_result
context_item_parse(const void *payload, size_t length,
		   struct context_item *item)
{
	struct reader reader = reader_over(payload, length);

	if (!reader_u32(&reader, &item->id) || reader.left == 0)
		return WIRE_INVALID;
	return take_string(&reader, reader.left, &item->name);
}

static enum wire_result
parse_info_export(struct reader *reader, struct info_item *item)
{
	if (!reader_u64(reader, &item->export.size) ||
	    !reader_u16(reader, &item->export.flags) || reader->left != 0)
		return WIRE_INVALID;
	return WIRE_OK;
}

static enum wire_result
parse_info_block_size(struct reader *reader, struct info_item *item)
{
	if (!reader_u32(reader, &item->block_minimum) ||
	    !reader_u32(reader, &item->block_preferred) ||
	    !reader_u32(reader, &item->block_maximum) || reader->left != 0)
		return WIRE_INVALID;
	return WIRE_OK;
}

enum wire_result
info_item_parse(const void *payload, size_t length, struct info_item *item)
{
	struct reader reader = reader_over(payload, length);

	*item = (struct info_item){ 0 };
	if (!reader_u16(&reader, &item->type))
		return WIRE_INVALID;
	switch (item->type) {
	case NBD_INFO_EXPORT:
		return parse_info_export(&reader, item);
	case NBD_INFO_NAME:
	case NBD_INFO_DESCRIPTION:
		return take_string(&reader, reader.left, &item->text);
	case NBD_INFO_BLOCK_SIZE:
		return parse_info_block_size(&reader, item);
	default:
		return WIRE_OK;
	}
}
