/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeping writes until they are flushed. All that can fail happens before a
 * write is sent, so what was acknowledged is always kept.
 */
#include "daemon/core/journal.h"

#include <errno.h>
#include <libnbd.h>
#include <stdlib.h>

#include "daemon/core/connection.h"
#include "daemon/core/part.h"

/* What an entry counts for besides its bytes. */
#define ENTRY_COST 192

/*
 * A payload lies in blocks of up to 64 KiB that gRPC has received; the first
 * and the last one it may share with neighbours. Where those are kept too, as
 * nearly always, entries by reference hold what they count: 1.00 to 1.05 times
 * as much was measured for writes of 16 KiB to 1 MiB. At the worst, when none
 * of the neighbours is kept, an entry holds two blocks more than it counts. So
 * short ones are copied, and the whole is never more than three times the
 * journal's limit, and for writes of 1 MiB one eighth above it.
 */
#define COPY_BELOW (64 * 1024)

void
journal_init(struct journal *journal)
{
	list_init(&journal->entries);
}

static void
entry_free(struct journal_entry *entry)
{
	buffer_release(&entry->buffer);
	free(entry);
}

static void
unbind(struct journal_entry *entry)
{
	if (entry->connection)
		entry->connection->n_unflushed--;
	entry->connection = NULL;
}

static void
drop(struct journal *journal, struct journal_entry *entry)
{
	unbind(entry);
	journal->bytes -= entry->cost;
	list_remove(&entry->link);
	entry_free(entry);
}

void
journal_done(struct journal *journal)
{
	list_for_each_safe(link, &journal->entries) {
		entry_free(container_of(link, struct journal_entry, link));
	}
}

/* Not below JOURNAL_EAGER, which is where it starts, unless half of what may be
 * kept is less. */
static void
bound_flush_at(struct journal *journal)
{
	uint64_t most = journal->limit / 2;

	if (journal->flush_at < JOURNAL_EAGER)
		journal->flush_at = JOURNAL_EAGER;
	if (journal->flush_at > most)
		journal->flush_at = most;
}

void
journal_set(struct journal *journal, enum unflushed_policy policy,
	    uint64_t limit)
{
	journal->is_on = policy != UNFLUSHED_IGNORE;
	journal->keeps_data = policy == UNFLUSHED_REPLAY;
	journal->limit = limit;
	bound_flush_at(journal);
}

static uint64_t
cost_of(const struct journal *journal, enum request_command command,
	uint64_t length)
{
	bool has_data = journal->keeps_data && command == REQUEST_WRITE;

	return ENTRY_COST + (has_data ? length : 0);
}

bool
journal_has_room(const struct journal *journal, enum request_command command,
		 uint64_t length)
{
	uint64_t used = journal->bytes + journal->reserved;

	return !journal->is_on || used == 0 ||
	       used + cost_of(journal, command, length) <= journal->limit;
}

bool
journal_wants_flush(const struct journal *journal)
{
	return journal->is_on && journal->bytes >= journal->flush_at;
}

void
journal_note_flush(struct journal *journal, uint64_t taken, uint64_t after)
{
	if (taken > after / 4)
		journal->flush_at *= 2;
	else if (taken < after / 16)
		journal->flush_at /= 2;
	bound_flush_at(journal);
}

static bool
meets(const struct journal_entry *entry, uint64_t start, uint64_t end)
{
	return start < entry->offset + entry->length && entry->offset < end;
}

static bool
meets_any(const struct journal *journal, uint64_t start, uint64_t end)
{
	list_for_each(link, &journal->entries) {
		if (meets(container_of(link, struct journal_entry, link), start,
			  end))
			return true;
	}
	return false;
}

static int
keep_data(struct journal_entry *entry, struct part *part)
{
	struct request *request = part->request;
	struct buffer *payload = &request->payload;
	uint64_t at = part->offset - request->offset;
	int r;

	if (part->is_edge)
		return buffer_copy(&entry->buffer, part->data, part->length);
	if (part->length < COPY_BELOW) {
		r = buffer_allocate(&entry->buffer, part->length);
		if (r == 0)
			buffer_read(payload, at, part->length,
				    entry->buffer.data);
		return r;
	}
	r = buffer_share(payload);
	if (r < 0)
		return r;
	entry->buffer = buffer_ref(payload);
	entry->at = at;
	return 0;
}

int
journal_reserve(struct journal *journal, struct part *part)
{
	bool is_durable = part->flags & LIBNBD_CMD_FLAG_FUA;
	struct journal_entry *entry;

	/* What it would lie over cannot change until it is answered: writes to
	 * the same bytes are sent one after the other. */
	if (!journal->is_on ||
	    (is_durable &&
	     !meets_any(journal, part->offset, part->offset + part->length)))
		return 0;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	list_init(&entry->link);
	entry->command = part->command;
	entry->flags = part->flags;
	entry->offset = part->offset;
	entry->length = part->length;
	entry->is_durable = is_durable;
	entry->cost = cost_of(journal, part->command, part->length);
	if (journal->keeps_data && part->command == REQUEST_WRITE &&
	    keep_data(entry, part) < 0) {
		free(entry);
		return -ENOMEM;
	}
	journal->reserved += entry->cost;
	part->entry = entry;
	return 0;
}

/* Only what lies over older ones that are not durable is still needed. */
static void
drop_durable(struct journal *journal)
{
	list_for_each_safe(link, &journal->entries) {
		struct journal_entry *entry = container_of(
			link, struct journal_entry, link);

		if (!entry->is_durable)
			return;
		drop(journal, entry);
	}
}

/* A durable write makes older ones below it superfluous. True: some of them
 * reach beyond it, and so it must be kept to lie over them. */
static bool
supersede(struct journal *journal, const struct journal_entry *durable)
{
	uint64_t end = durable->offset + durable->length;
	bool is_needed = false;

	list_for_each_safe(link, &journal->entries) {
		struct journal_entry *entry = container_of(
			link, struct journal_entry, link);

		if (!meets(entry, durable->offset, end))
			continue;
		if (entry->offset >= durable->offset &&
		    entry->offset + entry->length <= end)
			drop(journal, entry);
		else
			is_needed = true;
	}
	drop_durable(journal);
	return is_needed;
}

void
journal_settle(struct journal *journal, struct part *part, bool is_acknowledged)
{
	struct journal_entry *entry = part->entry;

	if (!entry)
		return;
	part->entry = NULL;
	journal->reserved -= entry->cost;
	if (!is_acknowledged ||
	    (entry->is_durable && !supersede(journal, entry))) {
		entry_free(entry);
		return;
	}
	journal->bytes += entry->cost;
	list_append(&journal->entries, &entry->link);
	if (!entry->is_durable)
		journal_bind(journal, entry, part->connection);
}

void
journal_bind(struct journal *journal, struct journal_entry *entry,
	     struct connection *connection)
{
	unbind(entry);
	entry->is_durable = false;
	entry->connection = connection;
	entry->stamp = journal->clock;
	connection->n_unflushed++;
}

uint64_t
journal_mark(struct journal *journal)
{
	return ++journal->clock;
}

void
journal_cover(struct journal *journal, const struct connection *connection,
	      uint64_t mark)
{
	list_for_each(link, &journal->entries) {
		struct journal_entry *entry = container_of(
			link, struct journal_entry, link);

		if (entry->connection != connection || entry->stamp >= mark)
			continue;
		unbind(entry);
		entry->is_durable = true;
	}
	drop_durable(journal);
}

void
journal_move(struct journal *to, struct journal *from)
{
	struct list *link;

	while ((link = list_take_first(&from->entries)))
		list_append(&to->entries, link);
	to->bytes += from->bytes;
	from->bytes = 0;
	to->needs_replay = !list_is_empty(&to->entries);
	from->needs_replay = false;
	to->lost = from->lost;
	from->lost = (struct lost_ranges){ 0 };
}

void
journal_give_up(struct journal *journal, struct journal_entry *entry)
{
	if (!entry->is_durable)
		lost_ranges_add(&journal->lost, entry->offset,
				entry->offset + entry->length);
	drop(journal, entry);
}

void
journal_forget_all(struct journal *journal)
{
	list_for_each_safe(link, &journal->entries) {
		drop(journal, container_of(link, struct journal_entry, link));
	}
}

void
journal_give_up_all(struct journal *journal)
{
	list_for_each_safe(link, &journal->entries) {
		journal_give_up(journal,
				container_of(link, struct journal_entry, link));
	}
	journal->needs_replay = false;
}

void
journal_lose_connection(struct journal *journal, struct connection *connection)
{
	if (connection->n_unflushed == 0)
		return;
	list_for_each_safe(link, &journal->entries) {
		struct journal_entry *entry = container_of(
			link, struct journal_entry, link);

		if (entry->connection != connection)
			continue;
		if (journal->keeps_data)
			unbind(entry);
		else
			journal_give_up(journal, entry);
	}
	journal->needs_replay |= journal->keeps_data;
	drop_durable(journal);
}
