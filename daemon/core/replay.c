/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many writes at a time, but never two that overlap. */
#include "daemon/core/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>

#include "daemon/core/choose.h"
#include "daemon/core/dispatch.h"
#include "daemon/core/log.h"
#include "daemon/core/split.h"

/* For servers that have lost the command to write zeroes. */
static const unsigned char zeroes[64 * 1024];

void
replay_init(struct replay *replay)
{
	overlap_init(&replay->sent);
}

static bool
begin(struct request_target *target)
{
	struct replay *replay = &target->replay;
	struct connection *connection = target_choose(target);

	if (!connection || !target_is_quiet(target))
		return false;
	replay->connection = connection;
	replay->next = target->journal.entries.next;
	replay->n_entries = 0;
	replay->n_bytes = 0;
	list_for_each(link, &target->journal.entries) {
		container_of(link, struct journal_entry, link)->sent = 0;
	}
	return true;
}

static void
finish(struct request_target *target)
{
	struct replay *replay = &target->replay;
	struct log_subject about = {
		.volume = target->name,
		.endpoint = replay->connection->endpoint->uri,
		.event = LOG_EVENT_REPLAYED,
	};

	log_write(LOG_NOTICE, &about,
		  "%" PRIu64 " unflushed writes, %" PRIu64 " bytes, written "
		  "again",
		  replay->n_entries, replay->n_bytes);
	METRIC_ADD(target->metrics, replayed, replay->n_entries);
	replay->connection = NULL;
	target->journal.needs_replay = false;
	/* A server that could flush, and now cannot. */
	if (!target->journal.is_on)
		journal_forget_all(&target->journal);
}

/* Can the export, which may not be what it was, take the entry? */
static bool
fits(const struct request_target *target, const struct journal_entry *entry)
{
	const struct export_info *export = &target->export;

	return !export->is_read_only && entry->length <= export->size &&
	       entry->offset <= export->size - entry->length &&
	       split_is_aligned(export, entry->offset, entry->length);
}

static void
on_answer(struct part *part, enum part_outcome outcome, const char *text)
{
	struct journal_entry *entry = part->user;
	struct request_target *target = part->target;
	struct replay *replay = &target->replay;

	overlap_remove(&replay->sent, &part->range);
	replay->n_unanswered--;
	entry->n_unanswered--;
	if (outcome == PART_FAILED) {
		struct log_subject about = { .volume = target->name };

		log_write(LOG_ERR, &about,
			  "bytes at %" PRIu64 " cannot be written again: %s",
			  part->offset, text);
		entry->is_refused = true;
	}
	target_give_part(target, part);
	if (outcome != PART_LOST && entry->n_unanswered == 0 &&
	    entry->sent == entry->length) {
		if (entry->is_refused)
			journal_give_up(&target->journal, entry);
		else
			journal_bind(&target->journal, entry,
				     replay->connection);
	}
	target_dispatch_later(target);
}

/* 0 or -ENOMEM. */
static int
shape(const struct request_target *target, struct journal_entry *entry,
      struct part *part)
{
	const struct export_info *export = &target->export;

	part->command = entry->command;
	part->flags = entry->flags & LIBNBD_CMD_FLAG_NO_HOLE;
	part->offset = entry->offset + entry->sent;
	part->length = split_next(part->command, export, part->offset,
				  entry->offset + entry->length);
	if (part->command == REQUEST_WRITE &&
	    part_set_payload(part, &entry->buffer, entry->at + entry->sent) < 0)
		return -ENOMEM;
	if (part->command == REQUEST_ZERO && !export->can_zero) {
		part->command = REQUEST_WRITE;
		part->flags = 0;
		part->constant = zeroes;
		if (part->length > sizeof(zeroes))
			part->length = sizeof(zeroes);
	}
	entry->sent += part->length;
	return 0;
}

/* False: it must wait. */
static bool
send_piece(struct request_target *target, struct journal_entry *entry)
{
	struct replay *replay = &target->replay;
	struct part *part;

	if (replay->connection->in_flight >= target->in_flight_limit ||
	    (entry->sent == 0 && overlap_meets(&replay->sent, entry->offset,
					       entry->offset + entry->length)))
		return false;
	part = target_take_part(target);
	if (!part)
		/* Others that are answered will give theirs back. */
		return false;
	if (shape(target, entry, part) < 0) {
		target_give_part(target, part);
		return false;
	}
	part->target = target;
	part->user = entry;
	part->on_answer = on_answer;
	overlap_add(&replay->sent, &part->range, part->offset,
		    part->offset + part->length);
	replay->n_unanswered++;
	replay->n_bytes += part->length;
	entry->n_unanswered++;
	connection_send(replay->connection, part);
	return true;
}

/* False: it must wait. */
static bool
send_entry(struct request_target *target, struct journal_entry *entry)
{
	if (!fits(target, entry)) {
		journal_give_up(&target->journal, entry);
		return true;
	}
	if (entry->command == REQUEST_TRIM && !target->export.can_trim) {
		/* What a trim leaves behind may be anything. */
		journal_bind(&target->journal, entry,
			     target->replay.connection);
		return true;
	}
	entry->is_refused = false;
	while (entry->sent < entry->length)
		if (!send_piece(target, entry))
			return false;
	target->replay.n_entries++;
	return true;
}

bool
replay_run(struct request_target *target)
{
	struct journal *journal = &target->journal;
	struct replay *replay = &target->replay;

	if (!journal->needs_replay)
		return true;
	if (!replay->connection && !begin(target))
		return false;
	while (replay->next != &journal->entries) {
		struct list *link = replay->next;

		replay->next = link->next;
		if (!send_entry(target, container_of(link, struct journal_entry,
						     link))) {
			replay->next = link;
			return false;
		}
	}
	if (replay->n_unanswered > 0)
		return false;
	finish(target);
	return true;
}

void
replay_lose_connection(struct request_target *target,
		       const struct connection *connection)
{
	if (target->replay.connection == connection)
		target->replay.connection = NULL;
}
