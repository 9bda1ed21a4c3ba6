/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests to bytes and replies from bytes. Lengths are reported as the peer
 * gave them; what is acceptable is for the engine to say.
 */
#include "client-lib/wire/transmission.h"

#include <errno.h>

#include "client-lib/wire/protocol.h"
#include "client-lib/wire/reader.h"
#include "client-lib/wire/writer.h"

size_t
request_encode(void *bytes, const struct request *request, bool is_extended)
{
	struct writer writer = writer_over(
		bytes,
		is_extended ? NBD_EXTENDED_REQUEST_SIZE : NBD_REQUEST_SIZE);

	writer_u32(&writer, is_extended ? NBD_EXTENDED_REQUEST_MAGIC
					: NBD_REQUEST_MAGIC);
	writer_u16(&writer, request->flags);
	writer_u16(&writer, request->type);
	writer_u64(&writer, request->cookie);
	writer_u64(&writer, request->offset);
	if (is_extended)
		writer_u64(&writer, request->length);
	else
		writer_u32(&writer, (uint32_t)request->length);
	return is_extended ? NBD_EXTENDED_REQUEST_SIZE : NBD_REQUEST_SIZE;
}

static enum wire_result
parse_simple(struct reader reader, struct reply *reply)
{
	*reply = (struct reply){ .kind = REPLY_SIMPLE,
				 .header_size = NBD_SIMPLE_REPLY_SIZE };
	if (!reader_u32(&reader, &reply->error) ||
	    !reader_u64(&reader, &reply->cookie))
		return WIRE_SHORT;
	return WIRE_OK;
}

static enum wire_result
parse_structured(struct reader reader, struct reply *reply)
{
	uint32_t length;

	*reply = (struct reply){ .kind = REPLY_STRUCTURED,
				 .header_size = NBD_STRUCTURED_REPLY_SIZE };
	if (!reader_u16(&reader, &reply->flags) ||
	    !reader_u16(&reader, &reply->type) ||
	    !reader_u64(&reader, &reply->cookie) ||
	    !reader_u32(&reader, &length))
		return WIRE_SHORT;
	reply->length = length;
	return WIRE_OK;
}

static enum wire_result
parse_extended(struct reader reader, struct reply *reply)
{
	*reply = (struct reply){ .kind = REPLY_EXTENDED,
				 .header_size = NBD_EXTENDED_REPLY_SIZE };
	if (!reader_u16(&reader, &reply->flags) ||
	    !reader_u16(&reader, &reply->type) ||
	    !reader_u64(&reader, &reply->cookie) ||
	    !reader_u64(&reader, &reply->offset) ||
	    !reader_u64(&reader, &reply->length))
		return WIRE_SHORT;
	return WIRE_OK;
}

enum wire_result
reply_parse(const void *bytes, size_t length, bool is_extended,
	    struct reply *reply)
{
	struct reader reader = reader_over(bytes, length);
	uint32_t magic;

	if (!reader_u32(&reader, &magic))
		return WIRE_SHORT;
	if (is_extended)
		return magic == NBD_EXTENDED_REPLY_MAGIC
			       ? parse_extended(reader, reply)
			       : WIRE_INVALID;
	if (magic == NBD_SIMPLE_REPLY_MAGIC)
		return parse_simple(reader, reply);
	if (magic == NBD_STRUCTURED_REPLY_MAGIC)
		return parse_structured(reader, reply);
	return WIRE_INVALID;
}

enum wire_result
error_chunk_parse(const void *payload, size_t length, bool may_have_offset,
		  struct error_chunk *chunk)
{
	struct reader reader = reader_over(payload, length);
	uint16_t message_length;

	*chunk = (struct error_chunk){ 0 };
	if (!reader_u32(&reader, &chunk->error))
		return WIRE_SHORT;

	/* Servers are known to send a message length that is longer than the
	 * frame: the error number counts, the text does not. */
	if (!reader_u16(&reader, &message_length) ||
	    !reader_take(&reader, message_length, &chunk->message))
		return WIRE_OK;
	chunk->message_length = message_length;
	if (may_have_offset)
		chunk->has_offset = reader_u64(&reader, &chunk->offset);
	return WIRE_OK;
}

int
errno_from_wire(uint32_t error)
{
	switch (error) {
	case 0:
		return 0;
	case 1:
		return EPERM;
	case 5:
		return EIO;
	case 12:
		return ENOMEM;
	case 22:
		return EINVAL;
	case 28:
		return ENOSPC;
	case 75:
		return EOVERFLOW;
	case 95:
		return ENOTSUP;
	case 108:
		return ESHUTDOWN;
	default:
		return EINVAL;
	}
}
