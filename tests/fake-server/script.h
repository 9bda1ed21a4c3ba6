/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A transcript in memory: lines split into words, with what "use" includes
 * and what "let" stands for already in place. README.md describes the text.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "tests/fake-server/message.h"

enum {
	SCRIPT_MAX_WORDS = 64,
	SCRIPT_MAX_COOKIES = 64
};

/* One word; quoted text may hold any byte, so it carries its length. */
struct word {
	char *text; /* also ends in NUL */
	size_t length;
	bool quoted;
};

struct words {
	struct word items[SCRIPT_MAX_WORDS];
	size_t n_items;
};

enum line_kind {
	LINE_CLIENT, /* for the caller of the client */
	LINE_SEND,
	LINE_EXPECT,
	LINE_CLOSE,
	LINE_HALF_CLOSE,
	LINE_EXPECT_END,
	LINE_EXPECT_ANYTHING, /* up to the end */
};

struct line {
	enum line_kind kind;
	const char *file; /* owned by the script */
	unsigned number;
	char *text;             /* as written, for messages */
	struct words words;     /* LINE_CLIENT */
	struct message message; /* LINE_SEND, LINE_EXPECT */
};

struct script {
	char *title;
	struct line *lines;
	size_t n_lines;
	size_t capacity;
	char *cookies[SCRIPT_MAX_COOKIES]; /* names of cookies, by number */
	size_t n_cookies;
	char *folder; /* "use" looks here */
	char *files[32];
	size_t n_files;
	char *variables[64][2];
	size_t n_variables;
};

/* Reads a transcript. FOLDER is where "use" finds its parts. Mistakes in the
 * text end the process: the test is broken, not the client. */
void script_load(struct script *script, const char *folder, const char *path);
void script_done(struct script *script);

/* The number of the cookie of this name; new names get the next one. */
size_t script_cookie(struct script *script, const char *name);

/* Ends the process with a message about the line. */
_Noreturn void script_mistake(const struct line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The number in WORD of a client's line; ends the process if there is none. */
uint64_t script_number(const struct line *line, size_t word);

/* The text of WORD of a client's line; ends the process if there is none. */
const char *script_word(const struct line *line, size_t word);
