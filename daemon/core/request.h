/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One command from call to reply. The caller owns the memory, usually inside
 * its own per-call object, fills the first half, and has it back in on_done.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "common/strings.h"
#include "daemon/core/buffer.h"
#include "daemon/core/edges.h"
#include "daemon/core/failure.h"
#include "daemon/core/loop.h"
#include "daemon/core/timer.h"

struct client;
struct endpoint;
struct flow;
struct extent_collection;
struct request_target;

enum request_command {
	REQUEST_READ,
	REQUEST_WRITE,
	REQUEST_FLUSH,
	REQUEST_TRIM,
	REQUEST_CACHE,
	REQUEST_ZERO,
	REQUEST_BLOCK_STATUS,
};

#define REQUEST_N_COMMANDS (REQUEST_BLOCK_STATUS + 1)

struct request_extent {
	uint64_t length;
	uint64_t flags;
};

/* When a request came how far: CLOCK_MONOTONIC, ns; 0: it did not. */
struct request_times {
	uint64_t arrived;
	/* Its first part was sent; answered, be it with an error. */
	uint64_t sent;
	uint64_t answered;
	/* The last part that was answered. */
	uint64_t answered_last;
	uint64_t ended;
	/* What the kernel says of the way to the server and back, if it knows
	 * and the request is slow: ns. */
	uint64_t round_trip;
	/* Who answered a slow one; the target's owner keeps the endpoint. */
	const struct endpoint *endpoint;
	uint64_t connection;
};

struct request {
	/* Filled by the caller; the rest zero. */
	enum request_command command;
	/* The protocol's own bits, LIBNBD_CMD_FLAG_*. */
	uint32_t flags;
	uint64_t offset;
	/* Writes: 0 or the payload's size. Block status: 0 is "to the end". */
	uint64_t length;
	/* Write: given by the caller, released by the core as soon as the
	 * bytes are not needed any more. Read: allocated by the core and the
	 * caller's in on_done, where the caller takes it with buffer_take()
	 * or leaves it to request_done(). */
	struct buffer payload;
	/* Block status: the contexts wanted; empty: all. */
	struct string_list contexts;
	/* Block status: one command to the server suffices; the extents may
	 * cover less than was asked. */
	bool is_partial_ok;
	/* The daemon asks for a purpose of its own: statistics leave it out. */
	bool is_uncounted;
	/* CLOCK_MONOTONIC, ns; 0: the volume's RequestTimeout from now. */
	uint64_t deadline;
	/* Whose request it is: access and limits. A reference of the caller's
	 * that outlives the request; NULL: the daemon's own. */
	struct client *client;
	/* Block status, before on_done, on the I/O thread: the next extents
	 * of CONTEXT, which begin at OFFSET and join the previous ones. May be
	 * NULL for other commands. */
	void (*on_extents)(struct request *request, const char *context,
			   uint64_t offset,
			   const struct request_extent *extents, size_t n);
	/* Exactly once, on the I/O thread, or from within the submitting call
	 * if the request is refused at once. The request belongs to the caller
	 * again, who may free it here. */
	void (*on_done)(struct request *request);
	void *user;

	/* The outcome; errnum 0 is success. */
	struct failure failure;

	/* Private to the core. */
	struct message message;
	struct list link;
	/* While it waits: its client's queue, and the place there. */
	struct flow *flow;
	struct list flow_link;
	struct timer timer;
	struct request_target *target;
	struct extent_collection *collection;
	/* Where the first part begins and the last one ends, which for a read
	 * that had to be widened is outside of what was asked for; and the
	 * memory that this range stands for. */
	uint64_t start;
	uint64_t end;
	unsigned char *base;
	/* The first byte that is not handed out yet; of block status, that is
	 * not answered yet. */
	uint64_t next_offset;
	/* Of a change that does not consist of whole blocks. */
	struct edges edges;
	/* Handed out and not answered, and to be sent again. */
	struct list parts;
	/* It keeps the target's owner alive. */
	bool holds_owner;
	/* It counts against its user's limits. */
	bool is_charged;
	uint64_t charged_bytes;
	/* Why it is not sent though there is a connection: static text, or
	 * NULL. */
	const char *waits_for;
	bool is_started;
	bool is_running;
	/* A flush: a part was lost. */
	bool must_restart;
	unsigned n_losses;
	bool may_be_applied;
	struct request_times times;
	/* Unique in the life of the daemon, from when it reaches its loop. */
	uint64_t id;
	unsigned n_parts;
	atomic_bool is_cancelled;
};

/* Any thread, while the caller knows that on_done has not been called: nobody
 * waits for the request any more. It ends soon with ECANCELED, unless it is done
 * before; on_done still comes, once. */
void request_cancel(struct request *request);

/* Releases what the request holds (payload, contexts, failure), not the
 * request itself. After on_done. */
void request_done(struct request *request);

/* How long it waited until it was sent, or, if it never was, until it ended:
 * ns. Once it has ended. */
uint64_t request_time_in_queue(const struct request *request);

const char *request_command_name(enum request_command command);
/* The same without blanks: "block_status". */
const char *request_command_label(enum request_command command);
