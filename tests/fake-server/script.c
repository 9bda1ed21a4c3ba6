/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transcripts: files to lines, lines to words. */
#include "tests/fake-server/script.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/fake-server/names.h"
#include "tests/support/outcome.h"

void
script_mistake(const struct line *line, const char *format, ...)
{
	CLEANUP_FREE char *why = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&why, format, args) < 0)
		why = NULL;
	va_end(args);
	test_broken("%s:%u: %s: %s", line->file, line->number, line->text,
		    why ? why : "");
}

static void *
must(void *allocated)
{
	if (!allocated)
		test_broken("out of memory");
	return allocated;
}

static const char *
variable_value(const struct script *script, const char *name, size_t length)
{
	for (size_t i = 0; i < script->n_variables; i++)
		if (strlen(script->variables[i][0]) == length &&
		    !strncmp(script->variables[i][0], name, length))
			return script->variables[i][1];
	return NULL;
}

static void
set_variable(struct script *script, const struct line *line, bool overwrite)
{
	const char *name = script_word(line, 1);
	const char *value = script_word(line, 2);
	size_t i = 0;

	while (i < script->n_variables &&
	       strcmp(script->variables[i][0], name) != 0)
		i++;
	if (i == sizeof(script->variables) / sizeof(script->variables[0]))
		script_mistake(line, "too many names");
	if (i < script->n_variables && !overwrite)
		return;
	if (string_replace(&script->variables[i][0], name) < 0 ||
	    string_replace(&script->variables[i][1], value) < 0)
		test_broken("out of memory");
	if (i == script->n_variables)
		script->n_variables++;
}

/* Appends the value of the name at *FROM, which stands after a '$'. */
static void
substitute(struct script *script, const struct line *line, const char **from,
	   struct string_builder *to)
{
	size_t length = 0;
	const char *value;

	while (isalnum((unsigned char)(*from)[length]) ||
	       (*from)[length] == '_')
		length++;
	value = variable_value(script, *from, length);
	if (!value)
		script_mistake(line, "$%.*s is not set", (int)length, *from);
	string_builder_append(to, value);
	*from += length;
}

static int
hex_digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0'
					 : tolower((unsigned char)c) - 'a' + 10;
}

/* Reads text up to the closing quote; *FROM stands after the opening one. */
static void
read_quoted(const struct line *line, const char **from,
	    struct string_builder *to)
{
	while (**from != '"') {
		char byte = *(*from)++;

		if (byte == '\0')
			script_mistake(line, "the quote does not end");
		if (byte == '\\' && **from == 'x') {
			byte = (char)(hex_digit((*from)[1]) << 4 |
				      hex_digit((*from)[2]));
			*from += 3;
		}
		string_builder_append_bytes(to, &byte, 1);
	}
	++*from;
}

static void
read_plain(struct script *script, const struct line *line, const char **from,
	   struct string_builder *to)
{
	while (**from != '\0' && !isspace((unsigned char)**from)) {
		if (**from == '$') {
			++*from;
			substitute(script, line, from, to);
		} else {
			string_builder_append_bytes(to, (*from)++, 1);
		}
	}
}

static void
split_words(struct script *script, const struct line *line, const char *from,
	    struct words *words)
{
	for (;;) {
		struct string_builder text = STRING_BUILDER_INIT;
		struct word *word = &words->items[words->n_items];

		while (isspace((unsigned char)*from))
			from++;
		if (*from == '\0' || *from == '#')
			return;
		if (words->n_items == SCRIPT_MAX_WORDS)
			script_mistake(line, "too many words");
		word->quoted = *from == '"';
		if (word->quoted) {
			from++;
			read_quoted(line, &from, &text);
		} else {
			read_plain(script, line, &from, &text);
		}
		word->length = text.length;
		word->text = must(string_builder_take(&text));
		words->n_items++;
	}
}

static void
words_done(struct words *words)
{
	for (size_t i = 0; i < words->n_items; i++)
		free(words->items[i].text);
	words->n_items = 0;
}

const char *
script_word(const struct line *line, size_t word)
{
	if (word >= line->words.n_items)
		script_mistake(line, "a word is missing");
	return line->words.items[word].text;
}

uint64_t
script_number(const struct line *line, size_t word)
{
	uint64_t value;

	if (!name_parse_number(NAME_GENERAL, script_word(line, word), &value))
		script_mistake(line, "%s is no number",
			       line->words.items[word].text);
	return value;
}

size_t
script_cookie(struct script *script, const char *name)
{
	for (size_t i = 0; i < script->n_cookies; i++)
		if (!strcmp(script->cookies[i], name))
			return i;
	if (script->n_cookies == SCRIPT_MAX_COOKIES)
		test_broken("too many cookies");
	script->cookies[script->n_cookies] = must(strdup(name));
	return script->n_cookies++;
}

static struct line *
append_line(struct script *script)
{
	if (script->n_lines == script->capacity) {
		script->capacity = script->capacity ? 2 * script->capacity : 16;
		script->lines = must(reallocarray(script->lines,
						  script->capacity,
						  sizeof(*script->lines)));
	}
	return &script->lines[script->n_lines++];
}

static void read_file(struct script *script, const char *path);

/* What a line on the server's side is, and its bytes. */
static void
compile_server_line(struct script *script, struct line *line)
{
	bool sent = !strcmp(line->words.items[0].text, "S:");
	const char *verb = script_word(line, 1);
	struct words *words = &line->words;

	if (sent && !strcmp(verb, "close")) {
		line->kind = LINE_CLOSE;
	} else if (sent && !strcmp(verb, "half-close")) {
		line->kind = LINE_HALF_CLOSE;
	} else if (!sent && !strcmp(verb, "end")) {
		line->kind = LINE_EXPECT_END;
	} else if (!sent && !strcmp(verb, "anything")) {
		line->kind = LINE_EXPECT_ANYTHING;
	} else if (sent) {
		line->kind = LINE_SEND;
		message_compile_sent(script, line, words);
	} else {
		line->kind = LINE_EXPECT;
		message_compile_expected(script, line, words);
	}
}

/* Obeys lines that are instructions to the reader itself. */
static bool
is_directive(struct script *script, struct line *line)
{
	const char *verb = line->words.items[0].text;
	CLEANUP_FREE char *path = NULL;

	if (!strcmp(verb, "title:")) {
		free(script->title);
		script->title = must(strdup(line->text + strlen("title: ")));
	} else if (!strcmp(verb, "let")) {
		set_variable(script, line, true);
	} else if (!strcmp(verb, "default")) {
		set_variable(script, line, false);
	} else if (!strcmp(verb, "use")) {
		if (asprintf(&path, "%s/%s.nbdt", script->folder,
			     script_word(line, 1)) < 0)
			test_broken("out of memory");
		read_file(script, path);
	} else if (strcmp(verb, "rows:") != 0) {
		return false;
	}
	return true;
}

static void
read_line(struct script *script, const char *file, unsigned number,
	  const char *text)
{
	struct line line = { .file = file, .number = number };
	const char *verb;

	line.message.cookie = MESSAGE_NO_COOKIE;
	line.text = must(strdup(text));
	split_words(script, &line, text, &line.words);
	if (line.words.n_items == 0 || is_directive(script, &line)) {
		words_done(&line.words);
		free(line.text);
		return;
	}
	verb = line.words.items[0].text;
	if (!strcmp(verb, "S:") || !strcmp(verb, "C:"))
		compile_server_line(script, &line);
	*append_line(script) = line;
}

static void
read_file(struct script *script, const char *path)
{
	CLEANUP_FREE char *text = NULL;
	size_t capacity = 0;
	unsigned number = 0;
	FILE *file = fopen(path, "re");
	char *name;
	ssize_t length;

	if (!file)
		test_broken("cannot read %s: %s", path, strerror(errno));
	if (script->n_files == sizeof(script->files) / sizeof(char *))
		test_broken("%s: too many parts", path);
	name = script->files[script->n_files++] = must(strdup(path));
	while ((length = getline(&text, &capacity, file)) >= 0) {
		if (length > 0 && text[length - 1] == '\n')
			text[length - 1] = '\0';
		read_line(script, name, ++number, text);
	}
	fclose(file);
}

void
script_load(struct script *script, const char *folder, const char *path)
{
	*script = (struct script){ .folder = must(strdup(folder)) };
	read_file(script, path);
	if (!script->title)
		test_broken("%s has no title", path);
}

void
script_done(struct script *script)
{
	for (size_t i = 0; i < script->n_lines; i++) {
		words_done(&script->lines[i].words);
		message_done(&script->lines[i].message);
		free(script->lines[i].text);
	}
	for (size_t i = 0; i < script->n_cookies; i++)
		free(script->cookies[i]);
	for (size_t i = 0; i < script->n_files; i++)
		free(script->files[i]);
	for (size_t i = 0; i < script->n_variables; i++) {
		free(script->variables[i][0]);
		free(script->variables[i][1]);
	}
	free(script->lines);
	free(script->title);
	free(script->folder);
	*script = (struct script){ 0 };
}
