/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The data of a message: numbers, texts, patterns, as a transcript has them. */
#pragma once

#include "tests/fake-server/message.h"
#include "tests/fake-server/names.h"
#include "tests/fake-server/script.h"

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

/* The next word, or the number it is; ends the process if there is none. */
const struct word *data_next_word(struct cursor *cursor);
uint64_t data_next_number(struct cursor *cursor, enum name_kind kind);
uint64_t data_next_general(struct cursor *cursor);

/* Appends VALUE as so many BYTES, big-endian. */
void data_put(struct message *message, unsigned bytes, uint64_t value);

/* Appends LENGTH times the same byte. */
void data_put_fill(struct message *message, size_t length, int byte);

/* Appends what the remaining words of the line say. */
void data_put_rest(struct cursor *cursor, struct message *message);
