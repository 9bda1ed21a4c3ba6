/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Commands of the transmission phase: submit, complete, retire. A command is
 * complete once its completion callback ran (or would have run), and retired
 * when its closures are released and its cookie means nothing any more.
 */
#pragma once

#include <libnbd.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "client-lib/engine/coverage.h"
#include "client-lib/engine/filter.h"
#include "common/list.h"

struct nbd_handle;

/* What an nbd_aio_* function asks for. Unused members are zero. The closures
 * are the caller's until the command is queued. */
struct command_request {
	uint16_t type;    /* NBD_CMD_* */
	uint32_t flags;   /* LIBNBD_CMD_FLAG_* */
	uint32_t accepts; /* the flags that the called function takes */
	uint64_t offset;
	uint64_t count;
	void *buffer;        /* of READ, COUNT bytes until complete */
	const void *payload; /* of WRITE, likewise */
	/* Instead: the payload's pieces, COUNT bytes together. */
	const struct iovec *pieces;
	size_t n_pieces;
	/* Of a filtered BLOCK_STATUS: names, NULL-terminated, not kept. */
	char *const *contexts;
	nbd_chunk_callback *chunk;
	nbd_extent_callback *extent;
	nbd_extent64_callback *extent64;
	nbd_completion_callback *completion;
};

/* Checks REQUEST against the strict mode and the limits, and queues it. The
 * cookie (> 0): the closures are taken, those of the caller are empty. -1 with
 * the error recorded: the caller keeps them. Corrects the flag of the payload
 * length if the strict mode says so. State TRANSFER. */
int64_t command_submit(struct nbd_handle *h, struct command_request *request);

/* 1: completed without error, now retired. 0: in flight, or unknown cookie.
 * -1: failed, now retired, the error is recorded. */
int command_completed(struct nbd_handle *h, uint64_t cookie);

/* The oldest cookie that is complete and not retired; 0 if there is none but
 * commands are in flight; -1 with the error recorded if nothing is. */
int64_t command_peek_completed(struct nbd_handle *h);

/* Commands without a complete reply, an unanswered disconnect included. */
int command_in_flight_count(const struct nbd_handle *h);

/* Queues NBD_CMD_DISC. 0 or -1 with the error recorded. State TRANSFER. */
int engine_disconnect(struct nbd_handle *h);
bool engine_is_disconnecting(const struct nbd_handle *h);

/* Completes with ENOTCONN every command of which no byte has been sent. */
void engine_abandon_pending(struct nbd_handle *h);

/* Where a command is. */
enum command_stage {
	COMMAND_QUEUED,   /* no byte handed to the transmitter */
	COMMAND_BATCHED,  /* in a batch being sent, or sent */
	COMMAND_COMPLETE, /* waits to be retired */
};

/* For the engine's own files. What the second half holds is released before a
 * command's memory serves the next one, so that only the first half is
 * written for each. */
struct command {
	struct list link;          /* of h->pending, then of h->complete */
	struct command *next_slot; /* in the cookie table, or the free list */
	uint64_t cookie;
	uint64_t offset;
	uint64_t count;
	uint8_t *buffer;         /* of READ */
	uint64_t payload_length; /* 0: only the header travels */
	nbd_completion_callback completion;
	enum command_stage stage;
	uint16_t type;
	uint16_t flags;
	int error;          /* the first one */
	uint32_t n_excess;  /* chunks that a correct reply does not have */
	bool reply_is_done; /* answered before it was wholly sent */
	bool has_extent64;

	/* Once it is in a batch: its place in the stream of sent bytes. */
	uint64_t sent_begin;
	uint64_t sent_end;
	/* If there is a payload: of WRITE, or the filter's, */
	const uint8_t *payload;
	/* or of WRITE, in several pieces. */
	const struct iovec *pieces;
	size_t n_pieces;

	/* The second half. */
	struct filter filter; /* of BLOCK_STATUS */
	/* What a reply must bring: bytes of READ, contexts of BLOCK_STATUS. */
	struct coverage coverage;
	char *message; /* the server's words to an error, NULL if none */
	union {
		nbd_chunk_callback chunk;
		nbd_extent_callback extent;
		nbd_extent64_callback extent64;
	};
};

/* The name in error texts: "read", "block-status", ... */
const char *command_name(uint16_t type);

/* Records ERRNUM as the command's error unless it has one. */
void command_fail(struct command *command, int errnum);

/* Queues NBD_CMD_DISC without sending it yet. 0 or -1 (recorded). */
int command_queue_disconnect(struct nbd_handle *h);

/* The reply is complete, or will never come: runs the completion callback
 * and retires the command if that says so. */
void command_complete(struct nbd_handle *h, struct command *command);

/* Completes every command that is not complete, with ENOTCONN unless it has
 * an error. */
void command_complete_all(struct nbd_handle *h);

/* Checks REQUEST and makes its FILTER, if contexts are given: 0, or -1 with the
 * error recorded; the caller releases FILTER in any case. Corrects the flag of
 * the payload length if the strict mode says so. */
int command_check(const struct nbd_handle *h, struct command_request *request,
		  struct filter *filter);

/* Releases every command, which are all complete. */
void command_retire_all(struct nbd_handle *h);
