/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plays one transcript in every way: asynchronously and whole, byte by byte,
 * ended by the server at every position, and synchronously.
 *
 *   protocol-test FOLDER TRANSCRIPT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/protocol/expectations.h"
#include "tests/protocol/run.h"
#include "tests/support/outcome.h"

enum {
	WATCHDOG_SECONDS = 120,
	CUT_EVERYWHERE_UP_TO = 2048, /* bytes of a server's script */
	CUT_AROUND_MESSAGES = 24,    /* before and after each start */
};

static bool
is_settle(const struct line *line)
{
	return line->kind == LINE_CLIENT && line->words.n_items == 2 &&
	       !strcmp(script_word(line, 1), "settle");
}

/* "Nothing can move" is seen only by a caller that does not block. */
static bool
must_not_block(const struct script *script)
{
	for (size_t i = 0; i < script->n_lines; i++)
		if (expectation_is_pending(&script->lines[i]) ||
		    is_settle(&script->lines[i]))
			return true;
	return false;
}

static unsigned n_replays;

/* run_play(), counted. */
static bool
play(const struct script *script, enum run_mode mode, uint64_t cut_at,
     enum player_ending ending, struct needs *needs)
{
	n_replays++;
	return run_play(script, mode, cut_at, ending, needs);
}

static bool
cut_at(const struct script *script, uint64_t position, struct needs *needs)
{
	return play(script, RUN_CUT, position, PLAYER_CLOSES, needs) &&
	       play(script, RUN_CUT, position, PLAYER_HALF_CLOSES, needs);
}

/* Cuts around START, where a message begins. *DONE is what was cut before. */
static bool
cut_around(const struct script *script, uint64_t start, uint64_t *done,
	   struct needs *needs)
{
	uint64_t end = start + CUT_AROUND_MESSAGES;

	if (start > CUT_AROUND_MESSAGES && start - CUT_AROUND_MESSAGES > *done)
		*done = start - CUT_AROUND_MESSAGES;
	for (; *done < end && *done < player_total(script); ++*done)
		if (!cut_at(script, *done, needs))
			return false;
	return true;
}

/*
 * Every position of a short script. Of a long one the positions around the
 * starts of messages, because inside a payload one byte is like another.
 */
static bool
cut_everywhere(const struct script *script, struct needs *needs)
{
	uint64_t total = player_total(script);
	uint64_t start = 0;
	uint64_t done = 0;

	if (total <= CUT_EVERYWHERE_UP_TO) {
		for (; done < total; done++)
			if (!cut_at(script, done, needs))
				return false;
		return true;
	}
	for (size_t i = 0; i < script->n_lines; i++) {
		const struct message *message = &script->lines[i].message;

		if (script->lines[i].kind != LINE_SEND)
			continue;
		if (!cut_around(script, start, &done, needs))
			return false;
		/* What is repeated without end is for a client to stop. */
		start += message->length;
	}
	return cut_around(script, start, &done, needs);
}

static bool
play_in_every_way(const struct script *script, const char *only)
{
	CLEANUP_FREE uint64_t *bytes = calloc(script->n_lines, sizeof(*bytes));
	struct needs needs = { .bytes = bytes };

	if (!play(script, RUN_WHOLE, UINT64_MAX, PLAYER_CLOSES, &needs))
		return false;
	if (!strcmp(only, "whole"))
		return true;
	if (!play(script, RUN_BYTES, UINT64_MAX, PLAYER_CLOSES, &needs) ||
	    !cut_everywhere(script, &needs))
		return false;
	return must_not_block(script) ||
	       play(script, RUN_SYNC, UINT64_MAX, PLAYER_CLOSES, &needs);
}

int
main(int argc, char **argv)
{
	struct script script;
	bool passed;

	if (argc < 3)
		test_broken("usage: protocol-test FOLDER TRANSCRIPT [whole]");
	/* A client that never comes back is ended by SIGALRM. */
	alarm(WATCHDOG_SECONDS);
	script_load(&script, argv[1], argv[2]);
	passed = play_in_every_way(&script, argc > 3 ? argv[3] : "");
	printf("%s %s, %u replays\n", passed ? "ok" : "FAILED", script.title,
	       n_replays);
	script_done(&script);
	return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
