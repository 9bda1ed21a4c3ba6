/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receiving ahead. A server that answers in order sends, for each read, a head
 * that can be foretold to the last bit, and then the payload. So the heads are
 * received into the receiver's buffer and the payloads to where the program
 * wants them, many replies in one call of the kernel, and nothing is copied.
 *
 * A foreseen reply is used only if its head is, byte for byte, what was
 * foretold. If not, all that was received from there on is put back into the
 * buffer, in one row, before anyone looks at it: the rest of the engine never
 * sees that something was foreseen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct command;
struct nbd_handle;

enum {
	AHEAD_MAX = 32,
};

/* Only replies to reads of so many bytes are foreseen, on a new connection after
 * so many replies in order. Tests lower both. */
extern size_t ahead_smallest;
extern uint64_t ahead_at_first;

struct ahead {
	uint64_t n_in_order; /* lately, reads answered as could be foretold */
	uint64_t n_needed;   /* so many, before anything is foreseen */
	unsigned n_foreseen; /* replies in the last receive, */
	unsigned n_right;    /* and those of them that came */

	/* The last receive: the rest of a payload that had begun (or nothing),
	 * head and payload of each reply foreseen, the rest of the buffer. */
	struct iovec vectors[2 + 2 * AHEAD_MAX];
	struct command *commands[AHEAD_MAX];
	size_t head_size;
	int next;    /* the vector that the bytes not handled yet begin in, */
	size_t left; /* and how many they are, the receiver's buffer apart */

	/* The replies by where their payloads lie, from low to high. */
	uint8_t by_address[AHEAD_MAX];
	unsigned next_place; /* where the last one was put, and one more */
};

/* Nothing is foreseen, and nothing known of the server. */
void ahead_start(struct ahead *ahead);

/* Makes the vectors of the replies to expect, and the last one, for the rest of
 * the buffer, of at most ROOM bytes. The buffer is empty, unless nothing can be
 * foreseen. Returns how many bytes all of them take. */
size_t ahead_build(struct nbd_handle *h, size_t room);

/* How many vectors from the second on, ahead_build() made. */
static inline int
ahead_n_vectors(const struct ahead *ahead)
{
	return 1 + 2 * (int)ahead->n_foreseen;
}

/* COUNT bytes came for them. Shows the first to the receiver. */
void ahead_received(struct nbd_handle *h, size_t count);

/* Is the payload that the receiver waits for in its place, or part of it? */
bool ahead_has_payload(const struct nbd_handle *h);

/* Counts it as received and shows what follows to the receiver. */
void ahead_take_payload(struct nbd_handle *h);

/* Puts what is left into the receiver's buffer, behind what it sees. */
void ahead_gather(struct nbd_handle *h);

/* Makes sure that nothing received is in this memory of the program's, which is
 * about to be written. */
void ahead_vacate(struct nbd_handle *h, const void *memory, size_t size);

/* A reply to COMMAND, a read, is whole: was it as could have been foretold? */
void ahead_note(struct nbd_handle *h, const struct command *command,
		bool in_one_piece);
