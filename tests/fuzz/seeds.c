/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a fuzzer's input of each transcript of tests/protocol: the settings,
 * the calls and the server's bytes, in the order of the file.
 *
 *   seeds FOLDER-OF-TRANSCRIPTS DIRECTORY
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/byteorder.h"
#include "tests/fake-server/script.h"
#include "tests/fuzz/conversation.h"
#include "tests/support/outcome.h"

enum {
	/* Larger ones make a fuzzer slow and teach it nothing. */
	MAX_SEED = 32 * 1024,
	HEADER = 6,
};

struct seed {
	uint8_t bytes[MAX_SEED];
	size_t length;
	bool is_too_large;
	uint64_t cookies[SCRIPT_MAX_COOKIES];
	uint64_t next_cookie;
};

static const char *folder;
static const char *directory;

static void
put_bytes(struct seed *seed, const void *bytes, size_t length)
{
	if (length > MAX_SEED - seed->length) {
		seed->is_too_large = true;
		return;
	}
	memcpy(seed->bytes + seed->length, bytes, length);
	seed->length += length;
}

static void
put(struct seed *seed, unsigned n, uint64_t value)
{
	uint8_t bytes[8];

	store_be64(bytes, value);
	put_bytes(seed, bytes + 8 - n, n);
}

static bool
is_word(const struct line *line, size_t at, const char *text)
{
	return at < line->words.n_items &&
	       strcmp(line->words.items[at].text, text) == 0;
}

static void
apply_setting(struct seed *seed, const struct line *line)
{
	static const struct {
		const char *name;
		const char *value; /* NULL: any */
		unsigned byte;
		uint8_t bit;
	} settings[] = {
		{ "opt-mode", "on", 0, SETTING_OPT_MODE },
		{ "structured-replies", "off", 0, SETTING_NO_STRUCTURED },
		{ "extended-headers", "on", 0, SETTING_EXTENDED },
		{ "block-size", "off", 0, SETTING_NO_BLOCK_SIZE },
		{ "full-info", "on", 0, SETTING_FULL_INFO },
		{ "strict", "0", 0, SETTING_LAX },
		{ "meta-context", "base:allocation", 0, SETTING_CONTEXT },
		{ "meta-context", "x-other:thing", 0, SETTING_OTHER_CONTEXT },
		{ "request-meta", "off", 1, SETTING_NO_META },
		{ "export", NULL, 1, SETTING_EXPORT },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (is_word(line, 1, settings[i].name) &&
		    (!settings[i].value || is_word(line, 2, settings[i].value)))
			seed->bytes[2 + settings[i].byte] |= settings[i].bit;
}

static void
put_command(struct seed *seed, const struct line *line)
{
	static const struct {
		const char *verb;
		enum operation operation;
	} verbs[] = {
		{ "pread", OPERATION_READ },
		{ "pread_structured", OPERATION_READ_CHUNKS },
		{ "pwrite", OPERATION_WRITE },
		{ "flush", OPERATION_FLUSH },
		{ "trim", OPERATION_TRIM },
		{ "cache", OPERATION_CACHE },
		{ "zero", OPERATION_ZERO },
		{ "block_status", OPERATION_STATUS },
		{ "block_status_64", OPERATION_STATUS_WIDE },
		{ "block_status_filter", OPERATION_STATUS_FILTER },
	};

	if (is_word(line, 1, "shutdown") || is_word(line, 1, "disconnect"))
		put(seed, 1, OPERATION_DISCONNECT);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		bool has_range = verbs[i].operation != OPERATION_FLUSH;

		if (!is_word(line, 1, verbs[i].verb))
			continue;
		put(seed, 1, verbs[i].operation);
		put(seed, 1, 0);
		put(seed, 4, has_range ? script_number(line, 3) : 0);
		put(seed, 8, has_range ? script_number(line, 4) : 0);
	}
}

static void
put_option(struct seed *seed, const struct line *line)
{
	static const char *const verbs[N_ASKED] = {
		[ASK_GO] = "go",
		[ASK_INFO] = "info",
		[ASK_LIST] = "list",
		[ASK_LIST_META] = "list_meta",
		[ASK_SET_META] = "set_meta",
		[ASK_STRUCTURED] = "structured_reply",
		[ASK_EXTENDED] = "extended_headers",
		[ASK_ABORT] = "abort",
	};

	for (unsigned i = 0; i < N_ASKED; i++)
		if (is_word(line, 1, verbs[i])) {
			put(seed, 1, OPERATION_OPTION);
			put(seed, 1, i);
		}
}

static void
put_client_line(struct seed *seed, const struct line *line)
{
	if (is_word(line, 0, "set"))
		apply_setting(seed, line);
	else if (is_word(line, 0, "call") || is_word(line, 0, "start"))
		put_command(seed, line);
	else if (is_word(line, 0, "opt"))
		put_option(seed, line);
}

/* The client counts its requests from 1. */
static void
learn_cookie(struct seed *seed, const struct message *message)
{
	if (message->cookie != MESSAGE_NO_COOKIE)
		seed->cookies[message->cookie] = ++seed->next_cookie;
}

static void
put_message(struct seed *seed, const struct message *message)
{
	uint64_t times = message->times > 3 ? 3 : message->times;
	size_t length = message->length;

	if (message->cookie != MESSAGE_NO_COOKIE)
		store_be64(message->bytes + message->cookie_at,
			   seed->cookies[message->cookie]);
	for (; times > 0; times--)
		for (size_t at = 0; at < length; at += UINT16_MAX) {
			size_t n = length - at < UINT16_MAX ? length - at
							    : UINT16_MAX;

			put(seed, 1, OPERATION_DELIVER);
			put(seed, 2, n);
			put_bytes(seed, message->bytes + at, n);
		}
}

static void
make(struct seed *seed, const struct script *script)
{
	seed->length = HEADER;
	for (size_t i = 0; i < script->n_lines; i++) {
		const struct line *line = &script->lines[i];

		switch (line->kind) {
		case LINE_CLIENT:
			put_client_line(seed, line);
			break;
		case LINE_EXPECT:
			learn_cookie(seed, &line->message);
			break;
		case LINE_SEND:
			put_message(seed, &line->message);
			break;
		case LINE_CLOSE:
		case LINE_HALF_CLOSE:
			put(seed, 1, OPERATION_END);
			break;
		case LINE_EXPECT_END:
		case LINE_EXPECT_ANYTHING:
			break;
		}
	}
}

static void
save(const struct seed *seed, const char *path)
{
	char name[4096];
	FILE *file;
	size_t at;

	snprintf(name, sizeof(name), "%s/%s", directory,
		 path + strlen(folder) + 1);
	for (at = strlen(directory) + 1; name[at]; at++)
		if (name[at] == '/')
			name[at] = '-';
	file = fopen(name, "wb");
	if (!file ||
	    fwrite(seed->bytes, 1, seed->length, file) != seed->length ||
	    fclose(file))
		test_broken("%s: %s", name, strerror(errno));
}

static int
on_file(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	static struct seed seed;
	size_t length = strlen(path);
	struct script script;

	(void)stat;
	if (type != FTW_F || length < 5 ||
	    strcmp(path + length - 5, ".nbdt") != 0 ||
	    strstr(path, "/parts/") || strstr(path, "/tls/"))
		return 0;
	(void)ftw;
	seed = (struct seed){ 0 };
	script_load(&script, folder, path);
	make(&seed, &script);
	script_done(&script);
	if (!seed.is_too_large)
		save(&seed, path);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc != 3)
		test_broken("usage: seeds FOLDER DIRECTORY");
	folder = argv[1];
	directory = argv[2];
	return nftw(folder, on_file, 8, FTW_PHYS) ? EXIT_FAILURE : EXIT_SUCCESS;
}
