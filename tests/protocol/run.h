/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One conversation: a libnbd handle on one end of a socketpair, the fake
 * server on the other, and what is known about both. The client's lines of
 * the transcript are carried out one after the other; while one waits, client
 * and server take turns.
 */
#pragma once

#include <libnbd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/strings.h"
#include "tests/fake-server/player.h"

enum run_mode {
	RUN_WHOLE, /* asynchronous calls, each message in one piece */
	RUN_BYTES, /* the same, one byte at a time */
	RUN_CUT,   /* the same, but the server's end comes early */
	RUN_SYNC,  /* synchronous calls, the server in a thread */
};

/* What a call of the client came to. */
struct outcome {
	enum {
		OUTCOME_OK,
		OUTCOME_FAILED,
		OUTCOME_PENDING
	} kind;
	int errnum;
	bool has_value;
	int64_t value;
	char *text;       /* instead of a value; owned */
	uint64_t n_bytes; /* what the server had sent when it succeeded */
};

struct command;
struct option;

struct run {
	const struct script *script;
	enum run_mode mode;
	struct nbd_handle *h;
	int socket; /* until the handle takes it, then -1 */
	struct player player;
	pthread_t thread;
	bool has_thread;
	struct command *commands;    /* newest first */
	struct option *options;      /* newest first */
	char *listed;                /* what the last list calls brought */
	char *error;                 /* text of the last failure */
	int died_of;                 /* errno of the failure that killed h */
	struct string_builder debug; /* RUN_WHOLE: what the library says */
	bool unprintable; /* raw bytes seen in an error or debug text */
	bool has_failed;
};

/*
 * For each line, how many bytes of the server it takes until the call on it
 * succeeds; 0 for lines where that is not known. Measured by RUN_BYTES.
 */
struct needs {
	uint64_t *bytes; /* one per line */
};

/*
 * Plays the whole script once. In RUN_CUT the server ends after CUT_AT bytes
 * in the way of ENDING. NEEDS is written by RUN_BYTES and read by RUN_CUT.
 * False, and a message on stderr, if anything was not as it must be.
 */
bool run_play(const struct script *script, enum run_mode mode, uint64_t cut_at,
	      enum player_ending ending, struct needs *needs);

/* Records a failure of the test, with the line it belongs to. */
void run_fail(struct run *run, const struct line *line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Client and server each do what they can. False if neither could move. */
bool run_turn(struct run *run);

/* Keeps the error of a libnbd call that has just failed; returns its errno. */
int run_note_error(struct run *run);

/* Looks for bytes that should have been escaped. */
void run_note_text(struct run *run, const char *text);

/* The class of the handle's state: "ready", "dead" and so on. */
const char *run_state(const struct run *run);
