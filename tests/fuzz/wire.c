/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every parser of client-lib/wire. The first byte chooses one; the others are
 * what it parses, in memory of exactly that size. Beyond what the sanitizers
 * see: what a parser points at lies inside of what it was given, and more bytes
 * never turn a verdict around.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/wire/handshake.h"
#include "client-lib/wire/protocol.h"
#include "client-lib/wire/transmission.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory.h"

struct bytes {
	const uint8_t *at;
	size_t length;
};

static void
expect_inside(const struct bytes *in, const void *at, size_t length)
{
	const uint8_t *begin = at;

	if (length > 0 && (begin < in->at || length > in->length ||
			   begin - in->at > (ptrdiff_t)(in->length - length)))
		fuzz_broken("%zu bytes point outside of the message", length);
}

static void
expect_string(const struct bytes *in, const struct wire_string *string)
{
	expect_inside(in, string->text, string->length);
}

static enum wire_result
parse_greeting(const struct bytes *in)
{
	enum greeting greeting;

	return greeting_parse(in->at, in->length, &greeting);
}

static enum wire_result
parse_oldstyle(const struct bytes *in)
{
	struct export_description description;

	return oldstyle_parse(in->at, in->length, &description);
}

static enum wire_result
parse_export_name(const struct bytes *in)
{
	struct export_description description;

	return export_name_parse(in->at, in->length, &description);
}

static enum wire_result
parse_option_reply(const struct bytes *in)
{
	struct option_reply reply;

	return option_reply_parse(in->at, in->length, &reply);
}

static enum wire_result
parse_compact_reply(const struct bytes *in)
{
	struct reply reply;
	enum wire_result result = reply_parse(in->at, in->length, false,
					      &reply);

	if (result == WIRE_OK && reply.header_size > in->length)
		fuzz_broken("a header longer than what there is");
	return result;
}

static enum wire_result
parse_extended_reply(const struct bytes *in)
{
	struct reply reply;
	enum wire_result result = reply_parse(in->at, in->length, true, &reply);

	if (result == WIRE_OK &&
	    (reply.header_size > in->length || reply.kind != REPLY_EXTENDED))
		fuzz_broken("no extended header");
	return result;
}

/* These are whole messages: a longer one may mean something else. */
static enum wire_result
parse_server_item(const struct bytes *in)
{
	struct server_item item;
	enum wire_result result = server_item_parse(in->at, in->length, &item);

	if (result == WIRE_OK) {
		expect_string(in, &item.name);
		expect_string(in, &item.description);
	}
	return result;
}

static enum wire_result
parse_context_item(const struct bytes *in)
{
	struct context_item item;
	enum wire_result result = context_item_parse(in->at, in->length, &item);

	if (result == WIRE_OK)
		expect_string(in, &item.name);
	return result;
}

static enum wire_result
parse_info_item(const struct bytes *in)
{
	struct info_item item;
	enum wire_result result = info_item_parse(in->at, in->length, &item);

	if (result == WIRE_OK &&
	    (item.type == NBD_INFO_NAME || item.type == NBD_INFO_DESCRIPTION))
		expect_string(in, &item.text);
	return result;
}

static enum wire_result
parse_error_chunk(const struct bytes *in)
{
	struct error_chunk chunk;
	bool may_have_offset = in->length & 1;
	enum wire_result result = error_chunk_parse(in->at, in->length,
						    may_have_offset, &chunk);

	if (result == WIRE_OK) {
		expect_inside(in, chunk.message, chunk.message_length);
		if ((errno_from_wire(chunk.error) == 0) != (chunk.error == 0))
			fuzz_broken("error %u has no errno", chunk.error);
	}
	return result;
}

static const struct {
	enum wire_result (*parse)(const struct bytes *in);
	bool is_stream; /* its message ends where it says, not where we do */
} parsers[] = {
	{ parse_greeting, true },      { parse_oldstyle, true },
	{ parse_export_name, true },   { parse_option_reply, true },
	{ parse_compact_reply, true }, { parse_extended_reply, true },
	{ parse_server_item, false },  { parse_context_item, false },
	{ parse_info_item, false },    { parse_error_chunk, false },
};

/* Parses a copy of LENGTH bytes at AT that nothing follows. */
static enum wire_result
parse_exactly(size_t parser, const uint8_t *at, size_t length)
{
	uint8_t *copy = fuzz_allocate(length);
	struct bytes in = { .at = copy, .length = length };
	enum wire_result result;

	if (length > 0)
		memcpy(copy, at, length);
	result = parsers[parser].parse(&in);
	free(copy);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = input_over(data, size);
	size_t parser = input_byte(&input) %
			(sizeof(parsers) / sizeof(parsers[0]));
	enum wire_result whole = parse_exactly(parser, input.at, input.left);

	if (!parsers[parser].is_stream)
		return 0;
	for (size_t n = 0; n < input.left && n < 64; n++) {
		enum wire_result part = parse_exactly(parser, input.at, n);

		if (part != WIRE_SHORT && part != whole)
			fuzz_broken("%zu bytes say %d, all of them %d", n, part,
				    whole);
	}
	return 0;
}
