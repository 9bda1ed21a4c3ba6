/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data of a message: numbers, texts, patterns, as a transcript has them. */
#include "tests/fake-server/data.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/outcome.h"
#include "tests/support/pattern.h"

enum {
	PATTERN_SEED = 0
};

static uint8_t *
extend(struct message *message, size_t length)
{
	size_t needed = message->length + length;

	if (needed > message->capacity) {
		message->capacity = needed < 64 ? 64 : needed * 2;
		message->bytes = realloc(message->bytes, message->capacity);
		message->mask = realloc(message->mask, message->capacity);
		if (!message->bytes || !message->mask)
			test_broken("out of memory");
	}
	memset(message->mask + message->length, 0xff, length);
	message->length = needed;
	return message->bytes + needed - length;
}

void
data_put(struct message *message, unsigned bytes, uint64_t value)
{
	uint8_t *to = extend(message, bytes);

	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static void
data_put_bytes(struct message *message, const void *bytes, size_t length)
{
	if (length > 0)
		memcpy(extend(message, length), bytes, length);
}

void
data_put_fill(struct message *message, size_t length, int byte)
{
	if (length > 0)
		memset(extend(message, length), byte, length);
}

const struct word *
data_next_word(struct cursor *cursor)
{
	if (cursor->at == cursor->words->n_items)
		script_mistake(cursor->line, "a word is missing at the end");
	return &cursor->words->items[cursor->at++];
}

uint64_t
data_next_number(struct cursor *cursor, enum name_kind kind)
{
	const char *word = data_next_word(cursor)->text;
	uint64_t value;

	if (!name_parse_number(kind, word, &value))
		script_mistake(cursor->line, "%s is no number", word);
	return value;
}

uint64_t
data_next_general(struct cursor *cursor)
{
	return data_next_number(cursor, NAME_GENERAL);
}

static void
put_hex(struct cursor *cursor, struct message *message)
{
	const char *digits = data_next_word(cursor)->text;
	size_t length = strlen(digits);

	if (length % 2 != 0)
		script_mistake(cursor->line, "an odd number of digits");
	for (size_t i = 0; i < length; i += 2) {
		char byte[3] = { digits[i], digits[i + 1], '\0' };

		data_put(message, 1, strtoul(byte, NULL, 16));
	}
}

static void
put_pattern(struct cursor *cursor, struct message *message)
{
	uint64_t offset = data_next_general(cursor);
	size_t length = (size_t)data_next_general(cursor);

	if (length > 0)
		pattern_fill(extend(message, length), length, PATTERN_SEED,
			     offset);
}

static void
put_any(struct cursor *cursor, struct message *message)
{
	size_t length = (size_t)data_next_general(cursor);

	data_put_fill(message, length, 0);
	memset(message->mask + message->length - length, 0, length);
}

static void
put_name(struct cursor *cursor, struct message *message)
{
	const struct word *text = data_next_word(cursor);

	data_put(message, 4, text->length);
	data_put_bytes(message, text->text, text->length);
}

static void
put_repeated(struct cursor *cursor, struct message *message)
{
	uint64_t times = data_next_general(cursor);
	size_t start = message->length;
	size_t length;

	data_put_rest(cursor, message);
	length = message->length - start;
	for (uint64_t i = 1; i < times; i++) {
		uint8_t *to = extend(message, length);

		memcpy(to, message->bytes + start, length);
	}
}

static void
put_item(struct cursor *cursor, struct message *message)
{
	const struct word *word = data_next_word(cursor);
	const char *verb = word->text;

	if (word->quoted)
		data_put_bytes(message, word->text, word->length);
	else if (!strcmp(verb, "u8"))
		data_put(message, 1, data_next_general(cursor));
	else if (!strcmp(verb, "u16"))
		data_put(message, 2, data_next_general(cursor));
	else if (!strcmp(verb, "u32"))
		data_put(message, 4, data_next_general(cursor));
	else if (!strcmp(verb, "u64"))
		data_put(message, 8, data_next_general(cursor));
	else if (!strcmp(verb, "name"))
		put_name(cursor, message);
	else if (!strcmp(verb, "hex"))
		put_hex(cursor, message);
	else if (!strcmp(verb, "zero"))
		data_put_fill(message, (size_t)data_next_general(cursor), 0);
	else if (!strcmp(verb, "fill")) {
		size_t length = (size_t)data_next_general(cursor);

		data_put_fill(message, length, (int)data_next_general(cursor));
	} else if (!strcmp(verb, "pattern"))
		put_pattern(cursor, message);
	else if (!strcmp(verb, "any"))
		put_any(cursor, message);
	else if (!strcmp(verb, "repeat"))
		put_repeated(cursor, message);
	else
		script_mistake(cursor->line, "%s is no data", verb);
}

void
data_put_rest(struct cursor *cursor, struct message *message)
{
	while (cursor->at < cursor->words->n_items)
		put_item(cursor, message);
}
