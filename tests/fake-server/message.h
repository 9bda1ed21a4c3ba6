/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One message of a transcript as bytes: what the server sends, or what it
 * expects, with a mask for the bytes that may be anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MESSAGE_NO_COOKIE = -1
};

struct message {
	uint8_t *bytes;
	uint8_t *mask; /* 0xff where the byte counts; only when expected */
	size_t length;
	size_t capacity;
	int cookie;       /* number of a named cookie, or MESSAGE_NO_COOKIE */
	size_t cookie_at; /* where its 8 bytes go, or come from */
	uint64_t times;   /* how often it is sent */
	bool is_record;   /* a TLS record: its header, then what that counts */
};

struct line;
struct script;
struct words;

/* Fills LINE's message from the words after "S:" or "C:". */
void message_compile_sent(struct script *script, struct line *line,
			  const struct words *words);
void message_compile_expected(struct script *script, struct line *line,
			      const struct words *words);

void message_done(struct message *message);
