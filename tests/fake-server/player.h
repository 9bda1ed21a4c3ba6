/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server that plays a transcript. It never blocks: each step does what is
 * possible now, so client and server can take turns in one thread, and "both
 * wait" is seen exactly instead of by a timeout.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fake-server/script.h"

enum player_result {
	PLAYER_MOVED,
	PLAYER_WAITS,  /* for the client, at player_line() */
	PLAYER_DONE,   /* nothing left to play, or the client hung up */
	PLAYER_FAILED, /* the client sent something else; see failure */
};

enum player_ending {
	PLAYER_CLOSES,
	PLAYER_HALF_CLOSES,
};

struct player {
	const struct script *script;
	int fd;
	size_t line;     /* index of the current line */
	size_t at;       /* byte inside its message */
	uint64_t repeat; /* how often that message has been sent */
	uint64_t n_sent; /* bytes in all */
	uint64_t cookies[SCRIPT_MAX_COOKIES];
	size_t record_length;    /* of the TLS record being received */
	uint8_t received[65536]; /* the part being compared */

	size_t max_send; /* bytes per step */
	uint64_t cut_at; /* the connection ends after so many bytes */
	enum player_ending cut_ending;
	bool is_cut;
	bool hung_up; /* the client closed while we were sending */
	char *failure;
};

/* Takes over FD, a stream socket. Nothing is cut and all is sent whole until
 * the caller says otherwise in the fields. */
void player_init(struct player *player, const struct script *script, int fd);
void player_done(struct player *player);

enum player_result player_step(struct player *player);

/* Plays until it is done, blocking where it has to: for a thread. */
void player_run(struct player *player);

/* The line it stands at, or NULL after the last. */
const struct line *player_line(const struct player *player);

/* How many bytes the client has sent that the transcript does not know. Call
 * it when the client has closed its end. */
size_t player_count_surplus(struct player *player);

/* All bytes that the script sends. */
uint64_t player_total(const struct script *script);
