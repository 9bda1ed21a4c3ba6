/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of a transcript's line to the bytes of a message. */
#include "tests/fake-server/message.h"

#include <stdlib.h>
#include <string.h>

#include "common/byteorder.h"
#include "tests/fake-server/names.h"
#include "tests/fake-server/script.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"

#define NBD_MAGIC      UINT64_C(0x4e42444d41474943)
#define IHAVEOPT       UINT64_C(0x49484156454f5054)
#define OLDSTYLE_MAGIC UINT64_C(0x0000420281861253)
#define REPLY_MAGIC    UINT64_C(0x0003e889045565a9)
#define REQUEST_MAGIC  UINT64_C(0x25609513)
#define SIMPLE_MAGIC   UINT64_C(0x67446698)
#define CHUNK_MAGIC    UINT64_C(0x668e33ef)
/* With extended headers. */
#define EXT_REQUEST_MAGIC UINT64_C(0x21e41c71)
#define EXT_CHUNK_MAGIC   UINT64_C(0x6e8a278c)

enum {
	PATTERN_SEED = 0,
	ZEROES_AFTER_EXPORT = 124
};

/* Where the words of a line are being read. */
struct cursor {
	struct script *script;
	struct line *line;
	const struct words *words;
	size_t at;
	uint64_t magic; /* replacements, if their flag is set */
	uint64_t length;
	uint64_t flags;
	bool has_magic;
	bool has_length;
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

static void
put(struct message *message, unsigned bytes, uint64_t value)
{
	uint8_t *to = extend(message, bytes);

	for (unsigned i = 0; i < bytes; i++)
		to[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
}

static void
put_bytes(struct message *message, const void *bytes, size_t length)
{
	if (length > 0)
		memcpy(extend(message, length), bytes, length);
}

static void
put_fill(struct message *message, size_t length, int byte)
{
	if (length > 0)
		memset(extend(message, length), byte, length);
}

static const struct word *
next_word(struct cursor *cursor)
{
	if (cursor->at == cursor->words->n_items)
		script_mistake(cursor->line, "a word is missing at the end");
	return &cursor->words->items[cursor->at++];
}

static uint64_t
next_number(struct cursor *cursor, enum name_kind kind)
{
	const char *word = next_word(cursor)->text;
	uint64_t value;

	if (!name_parse_number(kind, word, &value))
		script_mistake(cursor->line, "%s is no number", word);
	return value;
}

static uint64_t
next_general(struct cursor *cursor)
{
	return next_number(cursor, NAME_GENERAL);
}

/* A cookie: eight bytes that a name stands for, or a literal number. */
static void
put_cookie(struct cursor *cursor, struct message *message)
{
	const char *word = next_word(cursor)->text;
	uint64_t value = 0;

	if (!name_parse_number(NAME_GENERAL, word, &value)) {
		message->cookie = (int)script_cookie(cursor->script, word);
		message->cookie_at = message->length;
	}
	put(message, 8, value);
}

static void
put_hex(struct cursor *cursor, struct message *message)
{
	const char *digits = next_word(cursor)->text;
	size_t length = strlen(digits);

	if (length % 2 != 0)
		script_mistake(cursor->line, "an odd number of digits");
	for (size_t i = 0; i < length; i += 2) {
		char byte[3] = { digits[i], digits[i + 1], '\0' };

		put(message, 1, strtoul(byte, NULL, 16));
	}
}

static void
put_pattern(struct cursor *cursor, struct message *message)
{
	uint64_t offset = next_general(cursor);
	size_t length = (size_t)next_general(cursor);

	if (length > 0)
		pattern_fill(extend(message, length), length, PATTERN_SEED,
			     offset);
}

static void
put_any(struct cursor *cursor, struct message *message)
{
	size_t length = (size_t)next_general(cursor);

	put_fill(message, length, 0);
	memset(message->mask + message->length - length, 0, length);
}

static void
put_name(struct cursor *cursor, struct message *message)
{
	const struct word *text = next_word(cursor);

	put(message, 4, text->length);
	put_bytes(message, text->text, text->length);
}

static void put_rest(struct cursor *cursor, struct message *message);

static void
put_repeated(struct cursor *cursor, struct message *message)
{
	uint64_t times = next_general(cursor);
	size_t start = message->length;
	size_t length;

	put_rest(cursor, message);
	length = message->length - start;
	for (uint64_t i = 1; i < times; i++) {
		uint8_t *to = extend(message, length);

		memcpy(to, message->bytes + start, length);
	}
}

static void
put_item(struct cursor *cursor, struct message *message)
{
	const struct word *word = next_word(cursor);
	const char *verb = word->text;

	if (word->quoted)
		put_bytes(message, word->text, word->length);
	else if (!strcmp(verb, "u8"))
		put(message, 1, next_general(cursor));
	else if (!strcmp(verb, "u16"))
		put(message, 2, next_general(cursor));
	else if (!strcmp(verb, "u32"))
		put(message, 4, next_general(cursor));
	else if (!strcmp(verb, "u64"))
		put(message, 8, next_general(cursor));
	else if (!strcmp(verb, "name"))
		put_name(cursor, message);
	else if (!strcmp(verb, "hex"))
		put_hex(cursor, message);
	else if (!strcmp(verb, "zero"))
		put_fill(message, (size_t)next_general(cursor), 0);
	else if (!strcmp(verb, "fill")) {
		size_t length = (size_t)next_general(cursor);

		put_fill(message, length, (int)next_general(cursor));
	} else if (!strcmp(verb, "pattern"))
		put_pattern(cursor, message);
	else if (!strcmp(verb, "any"))
		put_any(cursor, message);
	else if (!strcmp(verb, "repeat"))
		put_repeated(cursor, message);
	else
		script_mistake(cursor->line, "%s is no data", verb);
}

static void
put_rest(struct cursor *cursor, struct message *message)
{
	while (cursor->at < cursor->words->n_items)
		put_item(cursor, message);
}

/* Reads "magic=", "length=", "flags=" and "times=", up to a colon. */
static void
read_settings(struct cursor *cursor, struct message *message)
{
	while (cursor->at < cursor->words->n_items) {
		const char *word = next_word(cursor)->text;
		const char *equals = strchr(word, '=');
		uint64_t value;

		if (!strcmp(word, ":"))
			return;
		if (!equals ||
		    !name_parse_number(NAME_GENERAL, equals + 1, &value))
			script_mistake(cursor->line, "%s?", word);
		if (!strncmp(word, "magic=", 6)) {
			cursor->magic = value;
			cursor->has_magic = true;
		} else if (!strncmp(word, "length=", 7)) {
			cursor->length = value;
			cursor->has_length = true;
		} else if (!strncmp(word, "flags=", 6)) {
			cursor->flags = value;
		} else if (!strncmp(word, "times=", 6)) {
			message->times = value;
		} else {
			script_mistake(cursor->line, "%s?", word);
		}
	}
}

/* Overwrites the magic at the start, if the line says so. */
static void
replace_magic(const struct cursor *cursor, struct message *message,
	      unsigned bytes)
{
	if (!cursor->has_magic)
		return;
	if (bytes == 8)
		store_be64(message->bytes, cursor->magic);
	else
		store_be32(message->bytes, (uint32_t)cursor->magic);
}

/* Puts a length of 4 or 8 bytes and then the data that it counts. */
static void
put_counted(struct cursor *cursor, struct message *message, unsigned bytes)
{
	size_t at = message->length;
	uint64_t length;

	put(message, bytes, 0);
	put_rest(cursor, message);
	length = cursor->has_length ? cursor->length
				    : message->length - at - bytes;
	if (bytes == 8)
		store_be64(message->bytes + at, length);
	else
		store_be32(message->bytes + at, (uint32_t)length);
}

static void
put_counted_data(struct cursor *cursor, struct message *message)
{
	put_counted(cursor, message, 4);
}

static void
put_option_reply(struct cursor *cursor, struct message *message)
{
	put(message, 8, REPLY_MAGIC);
	put(message, 4, next_number(cursor, NAME_OPTION));
	put(message, 4, next_number(cursor, NAME_REPLY));
	read_settings(cursor, message);
	put_counted_data(cursor, message);
	replace_magic(cursor, message, 8);
}

static void
put_simple_reply(struct cursor *cursor, struct message *message)
{
	put(message, 4, SIMPLE_MAGIC);
	put(message, 4, 0);
	put_cookie(cursor, message);
	store_be32(message->bytes + 4, (uint32_t)next_general(cursor));
	read_settings(cursor, message);
	put_rest(cursor, message);
	replace_magic(cursor, message, 4);
}

static void
put_chunk(struct cursor *cursor, struct message *message)
{
	put(message, 4, CHUNK_MAGIC);
	put(message, 4, 0);
	put_cookie(cursor, message);
	store_be16(message->bytes + 4, (uint16_t)next_general(cursor));
	store_be16(message->bytes + 6,
		   (uint16_t)next_number(cursor, NAME_CHUNK));
	read_settings(cursor, message);
	put_counted_data(cursor, message);
	replace_magic(cursor, message, 4);
}

/* A chunk under extended headers: the cookie is followed by the offset that
 * the request had. */
static void
put_extended_chunk(struct cursor *cursor, struct message *message)
{
	put(message, 4, EXT_CHUNK_MAGIC);
	put(message, 4, 0);
	put_cookie(cursor, message);
	put(message, 8, next_general(cursor));
	store_be16(message->bytes + 4, (uint16_t)next_general(cursor));
	store_be16(message->bytes + 6,
		   (uint16_t)next_number(cursor, NAME_CHUNK));
	read_settings(cursor, message);
	put_counted(cursor, message, 8);
	replace_magic(cursor, message, 4);
}

static void
put_oldstyle(struct cursor *cursor, struct message *message)
{
	put(message, 8, NBD_MAGIC);
	put(message, 8, OLDSTYLE_MAGIC);
	put(message, 8, next_general(cursor));
	put(message, 4, next_general(cursor));
	put_fill(message, ZEROES_AFTER_EXPORT, 0);
}

static struct cursor
start(struct script *script, struct line *line, const struct words *words)
{
	line->message.times = 1;
	return (struct cursor){
		.script = script,
		.line = line,
		.words = words,
		.at = 1,
	};
}

static void
finish(struct cursor *cursor, struct message *message)
{
	read_settings(cursor, message);
	if (cursor->at < cursor->words->n_items)
		script_mistake(cursor->line, "too many words");
}

void
message_compile_sent(struct script *script, struct line *line,
		     const struct words *words)
{
	struct message *message = &line->message;
	struct cursor cursor = start(script, line, words);
	const char *verb = next_word(&cursor)->text;

	if (!strcmp(verb, "greeting")) {
		put(message, 8, NBD_MAGIC);
		put(message, 8, IHAVEOPT);
		put(message, 2, next_general(&cursor));
	} else if (!strcmp(verb, "oldstyle")) {
		put_oldstyle(&cursor, message);
	} else if (!strcmp(verb, "export")) {
		put(message, 8, next_general(&cursor));
		put(message, 2, next_general(&cursor));
	} else if (!strcmp(verb, "reply")) {
		put_option_reply(&cursor, message);
	} else if (!strcmp(verb, "simple")) {
		put_simple_reply(&cursor, message);
	} else if (!strcmp(verb, "chunk")) {
		put_chunk(&cursor, message);
	} else if (!strcmp(verb, "extended-chunk")) {
		put_extended_chunk(&cursor, message);
	} else if (!strcmp(verb, "raw")) {
		put_rest(&cursor, message);
	} else {
		script_mistake(line, "%s is nothing to send", verb);
	}
	finish(&cursor, message);
}

static void
put_option(struct cursor *cursor, struct message *message)
{
	put(message, 8, IHAVEOPT);
	put(message, 4, next_number(cursor, NAME_OPTION));
	read_settings(cursor, message);
	put_counted_data(cursor, message);
}

static void
put_request(struct cursor *cursor, struct message *message, bool is_extended)
{
	put(message, 4, is_extended ? EXT_REQUEST_MAGIC : REQUEST_MAGIC);
	put(message, 2, 0);
	put(message, 2, next_number(cursor, NAME_COMMAND));
	put_cookie(cursor, message);
	memset(message->mask + message->cookie_at, 0,
	       message->cookie == MESSAGE_NO_COOKIE ? 0 : 8);
	put(message, 8, next_general(cursor));
	put(message, is_extended ? 8 : 4, next_general(cursor));
	read_settings(cursor, message);
	store_be16(message->bytes + 4, (uint16_t)cursor->flags);
	put_rest(cursor, message);
}

/* Of a TLS record only the header is compared: what follows is random or
 * encrypted. */
static void
put_record(struct cursor *cursor, struct message *message)
{
	put(message, 1, next_number(cursor, NAME_RECORD));
	put(message, 1, 3);
	put(message, 3, 0);
	memset(message->mask + 2, 0, 3);
	message->is_record = true;
}

void
message_compile_expected(struct script *script, struct line *line,
			 const struct words *words)
{
	struct message *message = &line->message;
	struct cursor cursor = start(script, line, words);
	const char *verb = next_word(&cursor)->text;

	if (!strcmp(verb, "client-flags"))
		put(message, 4, next_general(&cursor));
	else if (!strcmp(verb, "option"))
		put_option(&cursor, message);
	else if (!strcmp(verb, "request"))
		put_request(&cursor, message, false);
	else if (!strcmp(verb, "extended-request"))
		put_request(&cursor, message, true);
	else if (!strcmp(verb, "tls-record"))
		put_record(&cursor, message);
	else if (!strcmp(verb, "raw"))
		put_rest(&cursor, message);
	else
		script_mistake(line, "%s is nothing to expect", verb);
	finish(&cursor, message);
}

void
message_done(struct message *message)
{
	free(message->bytes);
	free(message->mask);
	*message = (struct message){ 0 };
}
