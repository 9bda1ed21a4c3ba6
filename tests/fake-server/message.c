/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of a transcript's line to the bytes of a message. */
#include "tests/fake-server/message.h"

#include <stdlib.h>
#include <string.h>

#include "common/byteorder.h"
#include "tests/fake-server/data.h"
#include "tests/fake-server/names.h"
#include "tests/fake-server/script.h"

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
	ZEROES_AFTER_EXPORT = 124
};

/* A cookie: eight bytes that a name stands for, or a literal number. */
static void
put_cookie(struct cursor *cursor, struct message *message)
{
	const char *word = data_next_word(cursor)->text;
	uint64_t value = 0;

	if (!name_parse_number(NAME_GENERAL, word, &value)) {
		message->cookie = (int)script_cookie(cursor->script, word);
		message->cookie_at = message->length;
	}
	data_put(message, 8, value);
}

/* Reads "magic=", "length=", "flags=" and "times=", up to a colon. */
static void
read_settings(struct cursor *cursor, struct message *message)
{
	while (cursor->at < cursor->words->n_items) {
		const char *word = data_next_word(cursor)->text;
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

	data_put(message, bytes, 0);
	data_put_rest(cursor, message);
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
	data_put(message, 8, REPLY_MAGIC);
	data_put(message, 4, data_next_number(cursor, NAME_OPTION));
	data_put(message, 4, data_next_number(cursor, NAME_REPLY));
	read_settings(cursor, message);
	put_counted_data(cursor, message);
	replace_magic(cursor, message, 8);
}

static void
put_simple_reply(struct cursor *cursor, struct message *message)
{
	data_put(message, 4, SIMPLE_MAGIC);
	data_put(message, 4, 0);
	put_cookie(cursor, message);
	store_be32(message->bytes + 4, (uint32_t)data_next_general(cursor));
	read_settings(cursor, message);
	data_put_rest(cursor, message);
	replace_magic(cursor, message, 4);
}

static void
put_chunk(struct cursor *cursor, struct message *message)
{
	data_put(message, 4, CHUNK_MAGIC);
	data_put(message, 4, 0);
	put_cookie(cursor, message);
	store_be16(message->bytes + 4, (uint16_t)data_next_general(cursor));
	store_be16(message->bytes + 6,
		   (uint16_t)data_next_number(cursor, NAME_CHUNK));
	read_settings(cursor, message);
	put_counted_data(cursor, message);
	replace_magic(cursor, message, 4);
}

/* A chunk under extended headers: the cookie is followed by the offset that
 * the request had. */
static void
put_extended_chunk(struct cursor *cursor, struct message *message)
{
	data_put(message, 4, EXT_CHUNK_MAGIC);
	data_put(message, 4, 0);
	put_cookie(cursor, message);
	data_put(message, 8, data_next_general(cursor));
	store_be16(message->bytes + 4, (uint16_t)data_next_general(cursor));
	store_be16(message->bytes + 6,
		   (uint16_t)data_next_number(cursor, NAME_CHUNK));
	read_settings(cursor, message);
	put_counted(cursor, message, 8);
	replace_magic(cursor, message, 4);
}

static void
put_oldstyle(struct cursor *cursor, struct message *message)
{
	data_put(message, 8, NBD_MAGIC);
	data_put(message, 8, OLDSTYLE_MAGIC);
	data_put(message, 8, data_next_general(cursor));
	data_put(message, 4, data_next_general(cursor));
	data_put_fill(message, ZEROES_AFTER_EXPORT, 0);
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
	const char *verb = data_next_word(&cursor)->text;

	if (!strcmp(verb, "greeting")) {
		data_put(message, 8, NBD_MAGIC);
		data_put(message, 8, IHAVEOPT);
		data_put(message, 2, data_next_general(&cursor));
	} else if (!strcmp(verb, "oldstyle")) {
		put_oldstyle(&cursor, message);
	} else if (!strcmp(verb, "export")) {
		data_put(message, 8, data_next_general(&cursor));
		data_put(message, 2, data_next_general(&cursor));
	} else if (!strcmp(verb, "reply")) {
		put_option_reply(&cursor, message);
	} else if (!strcmp(verb, "simple")) {
		put_simple_reply(&cursor, message);
	} else if (!strcmp(verb, "chunk")) {
		put_chunk(&cursor, message);
	} else if (!strcmp(verb, "extended-chunk")) {
		put_extended_chunk(&cursor, message);
	} else if (!strcmp(verb, "raw")) {
		data_put_rest(&cursor, message);
	} else {
		script_mistake(line, "%s is nothing to send", verb);
	}
	finish(&cursor, message);
}

static void
put_option(struct cursor *cursor, struct message *message)
{
	data_put(message, 8, IHAVEOPT);
	data_put(message, 4, data_next_number(cursor, NAME_OPTION));
	read_settings(cursor, message);
	put_counted_data(cursor, message);
}

static void
put_request(struct cursor *cursor, struct message *message, bool is_extended)
{
	data_put(message, 4, is_extended ? EXT_REQUEST_MAGIC : REQUEST_MAGIC);
	data_put(message, 2, 0);
	data_put(message, 2, data_next_number(cursor, NAME_COMMAND));
	put_cookie(cursor, message);
	memset(message->mask + message->cookie_at, 0,
	       message->cookie == MESSAGE_NO_COOKIE ? 0 : 8);
	data_put(message, 8, data_next_general(cursor));
	data_put(message, is_extended ? 8 : 4, data_next_general(cursor));
	read_settings(cursor, message);
	store_be16(message->bytes + 4, (uint16_t)cursor->flags);
	data_put_rest(cursor, message);
}

/* Of a TLS record only the header is compared: what follows is random or
 * encrypted. */
static void
put_record(struct cursor *cursor, struct message *message)
{
	data_put(message, 1, data_next_number(cursor, NAME_RECORD));
	data_put(message, 1, 3);
	data_put(message, 3, 0);
	memset(message->mask + 2, 0, 3);
	message->is_record = true;
}

void
message_compile_expected(struct script *script, struct line *line,
			 const struct words *words)
{
	struct message *message = &line->message;
	struct cursor cursor = start(script, line, words);
	const char *verb = data_next_word(&cursor)->text;

	if (!strcmp(verb, "client-flags"))
		data_put(message, 4, data_next_general(&cursor));
	else if (!strcmp(verb, "option"))
		put_option(&cursor, message);
	else if (!strcmp(verb, "request"))
		put_request(&cursor, message, false);
	else if (!strcmp(verb, "extended-request"))
		put_request(&cursor, message, true);
	else if (!strcmp(verb, "tls-record"))
		put_record(&cursor, message);
	else if (!strcmp(verb, "raw"))
		data_put_rest(&cursor, message);
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
