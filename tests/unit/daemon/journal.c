/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the journal keeps, which flush covers it, and what counts as lost. */
#include "daemon/core/journal.h"

#include <libnbd.h>
#include <string.h>

#include "daemon/core/connection.h"
#include "daemon/core/part.h"
#include "tests/support/unit.h"

#define MIB UINT64_C(1048576)
#define KIB 1024

struct fixture {
	struct journal journal;
	struct connection connections[2];
	struct request request;
};

static void
set_up(struct fixture *f, enum unflushed_policy policy, uint64_t limit)
{
	*f = (struct fixture){ 0 };
	journal_init(&f->journal);
	journal_set(&f->journal, policy, limit);
}

/* A write of LENGTH bytes of OFFSET's number, acknowledged on CONNECTION. */
static void
acknowledge(struct fixture *f, unsigned connection, uint64_t offset,
	    uint64_t length, uint32_t flags)
{
	struct part part = {
		.request = &f->request,
		.connection = &f->connections[connection],
		.command = REQUEST_WRITE,
		.flags = flags,
		.offset = offset,
		.length = length,
	};

	f->request.offset = offset;
	assert_int_equal(buffer_allocate(&f->request.payload, length), 0);
	memset(f->request.payload.data, (int)offset, length);
	part.data = f->request.payload.data;
	assert_int_equal(journal_reserve(&f->journal, &part), 0);
	journal_settle(&f->journal, &part, true);
	assert_null(part.entry);
	buffer_release(&f->request.payload);
}

static void
flush(struct fixture *f, unsigned connection)
{
	journal_cover(&f->journal, &f->connections[connection],
		      journal_mark(&f->journal));
}

static size_t
n_entries(const struct fixture *f)
{
	size_t n = 0;

	list_for_each(link, &f->journal.entries)
		n++;
	return n;
}

static const struct journal_entry *
first(const struct fixture *f)
{
	return container_of(f->journal.entries.next, struct journal_entry,
			    link);
}

static void
bytes_are_kept_after_their_request_has_gone(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, UNFLUSHED_REPLAY, 1 << 20);
	/* A small one is copied, a large one held. */
	acknowledge(&f, 0, 7, 10, 0);
	assert_int_equal(((char *)first(&f)->buffer.data)[9], 7);
	flush(&f, 0);
	assert_int_equal(n_entries(&f), 0);
	acknowledge(&f, 0, 9, 64 * KIB, 0);
	assert_int_equal(((char *)first(&f)->buffer.data)[64 * KIB - 1], 9);
	journal_done(&f.journal);
}

/* Its middle is a write of its own, as when the server takes no more at a
 * time. */
static void
pieces_are_kept_as_pieces(void **state)
{
	static unsigned char bytes[256 * KIB];
	const struct iovec pieces[] = { { bytes, 100 * KIB },
					{ bytes + 100 * KIB, 156 * KIB } };
	static unsigned char seen[128 * KIB];
	struct fixture f;
	struct part part = { .request = &f.request,
			     .command = REQUEST_WRITE,
			     .offset = 1000 + 64 * KIB,
			     .length = 128 * KIB };

	(void)state;
	set_up(&f, UNFLUSHED_REPLAY, 1 << 20);
	part.connection = &f.connections[0];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i / 999);
	f.request.offset = 1000;
	f.request.payload = (struct buffer){ .size = sizeof(bytes),
					     .pieces = pieces,
					     .n_pieces = 2 };
	assert_int_equal(journal_reserve(&f.journal, &part), 0);
	journal_settle(&f.journal, &part, true);
	buffer_release(&f.request.payload);
	buffer_read(&first(&f)->buffer, first(&f)->at, sizeof(seen), seen);
	assert_memory_equal(seen, bytes + 64 * KIB, sizeof(seen));
	assert_ptr_equal(first(&f)->buffer.pieces, pieces);
	/* Few bytes must not keep much memory: they are copied. */
	f.request.payload = (struct buffer){ .size = sizeof(bytes),
					     .pieces = pieces,
					     .n_pieces = 2 };
	part.offset = 1000 + 90 * KIB;
	part.length = 30 * KIB;
	flush(&f, 0);
	assert_int_equal(journal_reserve(&f.journal, &part), 0);
	journal_settle(&f.journal, &part, true);
	assert_memory_equal(first(&f)->buffer.data, bytes + 90 * KIB, 30 * KIB);
	journal_done(&f.journal);
}

static void
a_flush_covers_what_its_connection_had_acknowledged(void **state)
{
	struct fixture f;
	uint64_t mark;

	(void)state;
	set_up(&f, UNFLUSHED_REPLAY, 1 << 20);
	acknowledge(&f, 0, 0, 10, 0);
	mark = journal_mark(&f.journal);
	/* Its reply came after the flush was sent. */
	acknowledge(&f, 0, 100, 10, 0);
	journal_cover(&f.journal, &f.connections[0], mark);
	assert_int_equal(n_entries(&f), 1);
	assert_int_equal(first(&f)->offset, 100);
	flush(&f, 1);
	assert_int_equal(n_entries(&f), 1);
	flush(&f, 0);
	assert_int_equal(n_entries(&f), 0);
	assert_int_equal(f.journal.bytes, 0);
	assert_int_equal(f.connections[0].n_unflushed, 0);
	journal_done(&f.journal);
}

/* Else the older one, written again, would lie over the newer one. */
static void
a_flushed_write_stays_behind_an_older_unflushed_one(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, UNFLUSHED_REPLAY, 1 << 20);
	acknowledge(&f, 0, 0, 10, 0);
	acknowledge(&f, 1, 0, 10, 0);
	flush(&f, 1);
	assert_int_equal(n_entries(&f), 2);
	journal_lose_connection(&f.journal, &f.connections[0]);
	assert_true(f.journal.needs_replay);
	assert_int_equal(n_entries(&f), 2);
	/* Written again on the other one, both need its flush. */
	list_for_each(link, &f.journal.entries)
		journal_bind(&f.journal,
			     container_of(link, struct journal_entry, link),
			     &f.connections[1]);
	assert_int_equal(f.connections[1].n_unflushed, 2);
	flush(&f, 1);
	assert_int_equal(n_entries(&f), 0);
	journal_done(&f.journal);
}

static void
a_durable_write_is_kept_only_over_older_ones(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, UNFLUSHED_REPLAY, 1 << 20);
	acknowledge(&f, 0, 0, 10, LIBNBD_CMD_FLAG_FUA);
	assert_int_equal(n_entries(&f), 0);
	/* All of the older one is under it. */
	acknowledge(&f, 0, 0, 10, 0);
	acknowledge(&f, 0, 0, 20, LIBNBD_CMD_FLAG_FUA);
	assert_int_equal(n_entries(&f), 0);
	acknowledge(&f, 0, 0, 30, 0);
	acknowledge(&f, 0, 10, 10, LIBNBD_CMD_FLAG_FUA);
	assert_int_equal(n_entries(&f), 2);
	flush(&f, 0);
	assert_int_equal(n_entries(&f), 0);
	assert_int_equal(f.journal.bytes, 0);
	journal_done(&f.journal);
}

/* The time that a flush takes, and that there is between two. */
#define MS UINT64_C(1000000)

static void
quick_flushes_come_early_and_slow_ones_late(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, UNFLUSHED_REPLAY, 64 * MIB);
	assert_int_equal(f.journal.flush_at, JOURNAL_EAGER);
	journal_note_flush(&f.journal, 5 * MS, 100 * MS);
	assert_int_equal(f.journal.flush_at, JOURNAL_EAGER);
	journal_note_flush(&f.journal, 50 * MS, 100 * MS);
	assert_int_equal(f.journal.flush_at, 2 * JOURNAL_EAGER);
	/* That is bearable, and not little. */
	journal_note_flush(&f.journal, 20 * MS, 100 * MS);
	assert_int_equal(f.journal.flush_at, 2 * JOURNAL_EAGER);
	for (int i = 0; i < 20; i++)
		journal_note_flush(&f.journal, 50 * MS, 100 * MS);
	assert_int_equal(f.journal.flush_at, 32 * MIB);
	/* Another connection is found to what is the same journal. */
	journal_set(&f.journal, UNFLUSHED_REPLAY, 64 * MIB);
	assert_int_equal(f.journal.flush_at, 32 * MIB);
	for (int i = 0; i < 20; i++)
		journal_note_flush(&f.journal, 5 * MS, 100 * MS);
	assert_int_equal(f.journal.flush_at, JOURNAL_EAGER);
	journal_done(&f.journal);
}

static void
a_small_journal_is_flushed_at_half(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, UNFLUSHED_REPLAY, 1 * MIB);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(f.journal.flush_at, MIB / 2);
		journal_note_flush(&f.journal, i ? 50 * MS : 0, 100 * MS);
	}
	assert_int_equal(f.journal.flush_at, MIB / 2);
	journal_done(&f.journal);
}

static void
there_is_room_up_to_the_limit_and_for_one_at_least(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, UNFLUSHED_REPLAY, 100 * KIB);
	assert_true(journal_has_room(&f.journal, REQUEST_WRITE, 1000 * KIB));
	acknowledge(&f, 0, 0, 40 * KIB, 0);
	assert_false(journal_wants_flush(&f.journal));
	assert_true(journal_has_room(&f.journal, REQUEST_WRITE, 50 * KIB));
	assert_false(journal_has_room(&f.journal, REQUEST_WRITE, 60 * KIB));
	/* Zeroes take no memory but for the note of them. */
	assert_true(journal_has_room(&f.journal, REQUEST_ZERO, 1ull << 30));
	acknowledge(&f, 0, 50 * KIB, 20 * KIB, 0);
	assert_true(journal_wants_flush(&f.journal));
	journal_done(&f.journal);
}

static void
without_data_a_lost_connection_means_lost_ranges(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, UNFLUSHED_REPORT, 100 * KIB);
	acknowledge(&f, 0, 1000, 500, 0);
	acknowledge(&f, 1, 5000, 500, 0);
	assert_null(first(&f)->buffer.data);
	journal_lose_connection(&f.journal, &f.connections[0]);
	assert_false(f.journal.needs_replay);
	assert_int_equal(f.journal.lost.n, 1);
	assert_int_equal(f.journal.lost.ranges[0].start, 1000);
	assert_int_equal(n_entries(&f), 1);
	journal_done(&f.journal);
}

static void
lost_neighbours_become_one_range(void **state)
{
	struct lost_ranges lost = { 0 };
	struct failure failure = { 0 };

	(void)state;
	lost_ranges_add(&lost, 0, 10);
	lost_ranges_add(&lost, 20, 30);
	lost_ranges_add(&lost, 40, 50);
	lost_ranges_add(&lost, 10, 20);
	assert_int_equal(lost.n, 2);
	lost_ranges_add(&lost, 25, 45);
	assert_int_equal(lost.n, 1);
	assert_int_equal(lost.ranges[0].start, 0);
	assert_int_equal(lost.ranges[0].end, 50);
	for (uint64_t i = 0; i < 100; i++)
		lost_ranges_add(&lost, 1000 + 10 * i, 1005 + 10 * i);
	assert_int_equal(lost.n, LOST_RANGES_MAX);
	lost_ranges_tell(&lost, "flush", &failure);
	assert_non_null(strstr(failure.message, "0+50, 1000+5,"));
	assert_non_null(strstr(failure.message, "and 69 more"));
	assert_int_equal(failure.reason, FAILURE_DATA_LOSS);
	failure_done(&failure);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_kept_after_their_request_has_gone),
		cmocka_unit_test(pieces_are_kept_as_pieces),
		cmocka_unit_test(
			a_flush_covers_what_its_connection_had_acknowledged),
		cmocka_unit_test(
			a_flushed_write_stays_behind_an_older_unflushed_one),
		cmocka_unit_test(a_durable_write_is_kept_only_over_older_ones),
		cmocka_unit_test(quick_flushes_come_early_and_slow_ones_late),
		cmocka_unit_test(a_small_journal_is_flushed_at_half),
		cmocka_unit_test(
			there_is_room_up_to_the_limit_and_for_one_at_least),
		cmocka_unit_test(
			without_data_a_lost_connection_means_lost_ranges),
		cmocka_unit_test(lost_neighbours_become_one_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
