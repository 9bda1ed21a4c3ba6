/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Option haggling: what the connection wants to reach (a goal), the table of
 * options that lead there, and the three states that send any option and read
 * any reply. Each option's own part is a row in its option_*.c.
 */
#pragma once

#include <libnbd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client-lib/engine/export_info.h"
#include "client-lib/engine/states.h"
#include "common/strings.h"

struct nbd_handle;

/* Where the current sequence of options leads. Connecting pursues UPGRADE
 * (option mode) or CONNECT; the others are what a user asks for. */
enum option_goal {
	GOAL_NONE,
	GOAL_UPGRADE,
	GOAL_CONNECT,
	GOAL_GO,
	GOAL_INFO,
	GOAL_LIST,
	GOAL_LIST_META_CONTEXT,
	GOAL_SET_META_CONTEXT,
	GOAL_STARTTLS,
	GOAL_STRUCTURED_REPLY,
	GOAL_EXTENDED_HEADERS,
	GOAL_ABORT,
};

/* A user's request in state NEGOTIATING. */
struct option_request {
	enum option_goal goal;
	bool has_queries;       /* else the contexts of the configuration */
	char *const *queries;   /* NULL-terminated; copied */
	nbd_list_callback list; /* of LIST */
	nbd_context_callback context; /* of *_META_CONTEXT */
	nbd_completion_callback completion;
};

/* Starts REQUEST. 0: the closures belong to the engine, also if the
 * connection died at once; their outcome is in the completion callback and in
 * h->option.result. -1 with the error recorded: nothing was started and the
 * caller keeps the closures. The option is over when the public state is no
 * longer PUBLIC_CONNECTING. */
int engine_option_start(struct nbd_handle *h,
			const struct option_request *request);

/* How the last request of engine_option_start() ended. */
struct option_result {
	int error;      /* 0: the server agreed; else the errno, never 0 */
	bool refused;   /* by the server's answer; the connection lives on */
	unsigned count; /* calls of the list or context callback */
};

struct option;

/* The haggling of a handle; part of it. */
struct option_state {
	enum option_goal goal;
	size_t next;                  /* row of the table to look at */
	const struct option *current; /* sent, or being sent */
	struct string_list queries;   /* of the user's request */
	bool has_queries;
	nbd_list_callback list;
	nbd_context_callback context;
	nbd_completion_callback completion;
	struct option_result result;

	struct export_info offer; /* INFO replies, taken over at ACK */
	bool contexts_were_asked; /* SET_META_CONTEXT was sent for this goal */
	bool go_is_unsupported;
	bool has_refused_unknown; /* the server answered ERR_UNSUP */
	bool abort_is_dead; /* after ABORT the handle is dead, not closed */

	uint32_t reply_type;
	uint32_t reply_length;
	uint32_t skip;
	uint32_t n_items;    /* of the current option */
	uint64_t item_bytes; /* likewise */

	uint8_t *output; /* what has to be sent before anything is read */
	size_t output_length;
	size_t output_sent;
	size_t output_capacity;
	bool output_failed; /* out of memory while filling it */
};

/* Releases everything, an unfinished request's closures without calling its
 * completion. */
void option_done(struct option_state *option);

/* For the engine's own files. */

/* Begins the automatic sequence after the handshake flags. */
void option_begin(struct nbd_handle *h);

/* Is the current sequence of options a user's request? */
bool option_is_requested(const struct nbd_handle *h);

/* A user's request that can no longer be answered completes with ERRNUM. */
void option_fail_pending(struct nbd_handle *h, int errnum);

/* Appends to what will be sent next. Failures show when it is sent. */
void option_put(struct option_state *option, const void *bytes, size_t length);
void option_put_u16(struct option_state *option, uint16_t value);
void option_put_u32(struct option_state *option, uint32_t value);
/* A string after its length. */
void option_put_string(struct option_state *option, const char *text);
