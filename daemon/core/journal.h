/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writes that a server has acknowledged and not flushed yet, in order, with
 * their bytes: a server that is lost may have lost them, and then they are
 * written again (replay.h). NBD §Ordering: a flush covers the writes whose
 * replies came before it was sent; we count on that only for the connection
 * that carried both. A write with FUA needs no flush, but stays too while it
 * lies over an older one that would be written again.
 *
 * On the loop's thread, but for the number of bytes.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "common/strings.h"
#include "daemon/config/configuration.h"
#include "daemon/core/buffer.h"
#include "daemon/core/lost_ranges.h"
#include "daemon/core/request.h"

struct connection;
struct part;

struct journal_entry {
	struct list link;
	enum request_command command;
	uint32_t flags;
	uint64_t offset;
	uint64_t length;
	/* Of a write, if the journal keeps data: in which buffer, and where in
	 * it they begin. */
	struct buffer buffer;
	uint64_t at;
	/* Whose flush covers it; NULL: it is durable, or must be written again
	 * first. */
	struct connection *connection;
	/* When it was acknowledged, by the journal's clock. */
	uint64_t stamp;
	/* What it counts for, in bytes. */
	uint64_t cost;
	/* It is only here to be written again after an older one that is not,
	 * and that it lies over. */
	bool is_durable;

	/* For replay.c: how far it is sent, and what is unanswered of it. */
	uint64_t sent;
	unsigned n_unanswered;
	bool is_refused;
};

/* What stays in the processor's cache: bytes that are kept cost little then. */
#define JOURNAL_EAGER (2u << 20)

struct journal {
	/* Else nothing is kept and nothing can be replayed. */
	bool is_on;
	/* Replay; else the ranges alone, to be reported. */
	bool keeps_data;
	uint64_t limit;
	/* So much is kept that it is time to flush: from JOURNAL_EAGER to half
	 * of the limit. */
	uint64_t flush_at;
	struct list entries;
	/* Read by other threads. */
	atomic_ullong bytes;
	/* Of writes that are under way. */
	uint64_t reserved;
	uint64_t clock;
	/* A connection was lost, and what it acknowledged may be lost too. */
	bool needs_replay;
	/* What is lost and was not told yet. */
	struct lost_ranges lost;
};

/* JOURNAL is all zero; it is off. */
void journal_init(struct journal *journal);
void journal_done(struct journal *journal);

/* What happens from now on. An empty journal, or one that stays as it was. */
void journal_set(struct journal *journal, enum unflushed_policy policy,
		 uint64_t limit);

/* May a write of LENGTH bytes be sent without the journal growing beyond its
 * limit? An empty one takes any. */
bool journal_has_room(const struct journal *journal,
		      enum request_command command, uint64_t length);
/* So much is kept that it is time to flush. */
bool journal_wants_flush(const struct journal *journal);
/* A flush has taken TAKEN, and AFTER had passed since the last one: if they take
 * too much of the time they become fewer, and if they take little more. */
void journal_note_flush(struct journal *journal, uint64_t taken,
			uint64_t after);

/* PART, a command that writes for its request, is about to be sent: whatever
 * is needed to keep it is in part->entry. 0 or -ENOMEM. */
int journal_reserve(struct journal *journal, struct part *part);
/* Its fate is known, and part->entry is used: it was acknowledged on its
 * connection, or not. Harmless without an entry. */
void journal_settle(struct journal *journal, struct part *part,
		    bool is_acknowledged);

/* A flush is about to be sent: what to remember with it. */
uint64_t journal_mark(struct journal *journal);
/* The flush of MARK on CONNECTION is done. */
void journal_cover(struct journal *journal, const struct connection *connection,
		   uint64_t mark);

/* CONNECTION is gone: what it acknowledged needs to be replayed or, without
 * data, counts as lost. */
void journal_lose_connection(struct journal *journal,
			     struct connection *connection);

/* CONNECTION has carried ENTRY out again. */
void journal_bind(struct journal *journal, struct journal_entry *entry,
		  struct connection *connection);
/* All that FROM keeps, for which no connection is left, and all that it has
 * lost goes to TO, an empty one, to be written again there. */
void journal_move(struct journal *to, struct journal *from);

/* ENTRY cannot be carried out again: it counts as lost, and is freed. */
void journal_give_up(struct journal *journal, struct journal_entry *entry);
/* The same for all of them; or without a word. */
void journal_give_up_all(struct journal *journal);
void journal_forget_all(struct journal *journal);
