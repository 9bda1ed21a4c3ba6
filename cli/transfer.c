/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Slots go round: free, reading, ready, writing. A slot is a piece of the
 * range; its sequence number is its place in the order of offsets, which
 * matters to pipes only.
 */
#include "cli/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/extents.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/zero.h"

/* Small enough that the buffers in flight stay in the processor's cache. */
#define CHUNK (UINT64_C(256) << 10)
/* Zeroes asked for at once: progress shows, and no server takes for ever. */
#define ZERO_CHUNK (UINT64_C(128) << 20)

enum slot_state {
	SLOT_FREE,
	SLOT_READING,
	SLOT_READY,
	SLOT_WRITING,
};

struct slot {
	struct run *run;
	enum slot_state state;
	uint64_t sequence;
	/* Relative to the range. */
	uint64_t offset;
	bool is_zero;
	struct disk_request request;
};

struct run {
	struct transfer *transfer;
	struct extent_walk walk;
	struct slot *slots;
	unsigned int n_slots;
	unsigned int n_busy;
	uint64_t next_sequence;
	/* The sequence number that a pipe takes next. */
	uint64_t next_to_write;
	uint64_t chunk;
	/* Both disks want multiples of this. */
	uint64_t alignment;
	uint64_t started_at;
	bool is_at_end;
	bool is_failed;
};

static void slot_put(struct slot *slot);

static void
slot_free(struct slot *slot)
{
	payload_release(&slot->request.data);
	slot->state = SLOT_FREE;
	slot->run->n_busy--;
}

static void
slot_fail(struct slot *slot)
{
	slot->run->is_failed = true;
	slot_free(slot);
}

/* The one that a pipe has waited for may go now. */
static void
put_next(struct run *run)
{
	for (unsigned int i = 0; i < run->n_slots; i++)
		if (run->slots[i].state == SLOT_READY &&
		    run->slots[i].sequence == run->next_to_write) {
			slot_put(&run->slots[i]);
			return;
		}
}

static void
on_put(struct disk_request *request)
{
	struct slot *slot = request->user;
	struct run *run = slot->run;
	struct transfer *transfer = run->transfer;

	if (request->status != EXIT_OK) {
		slot_fail(slot);
		return;
	}
	if (slot->is_zero)
		transfer->zeroed += request->length;
	else
		transfer->copied += request->length;
	progress_add(transfer->progress, request->length);
	run->next_to_write++;
	slot_free(slot);
	if (transfer->destination->is_sequential && !run->is_failed)
		put_next(run);
}

/* A server that cannot zero is sent zeroes. */
static void
make_zeroes(struct disk_request *request)
{
	void *bytes;

	request->command = DISK_WRITE;
	request->data = payload_allocate(request->length, &bytes);
	memset(bytes, 0, request->length);
}

/* Sends a slot that is ready to the destination. */
static void
slot_put(struct slot *slot)
{
	struct transfer *transfer = slot->run->transfer;
	struct disk_request *request = &slot->request;

	slot->state = SLOT_WRITING;
	request->offset = transfer->destination_offset + slot->offset;
	request->on_done = on_put;
	request->flags = transfer->write_flags;
	if (slot->is_zero) {
		request->command = DISK_ZERO;
		if (transfer->no_holes)
			request->flags |= DISK_NO_HOLE;
		if (!transfer->destination->export->can_zero)
			make_zeroes(request);
	} else {
		request->command = DISK_WRITE;
	}
	disk_submit(transfer->destination, request);
}

/* The slot has its data, or knows that it is zero. */
static void
slot_ready(struct slot *slot)
{
	struct run *run = slot->run;

	slot->state = SLOT_READY;
	if (run->is_failed)
		slot_free(slot);
	else if (!run->transfer->destination->is_sequential ||
		 slot->sequence == run->next_to_write)
		slot_put(slot);
}

/* A block of zeroes that looked like data. True if nothing is left to do. */
static bool
slot_find_zeroes(struct slot *slot)
{
	struct transfer *transfer = slot->run->transfer;
	struct payload *data = &slot->request.data;

	if (!transfer->find_zeroes || !is_all_zero(data->bytes, data->length))
		return false;
	payload_release(data);
	slot->is_zero = true;
	if (!transfer->skip_zeroes)
		return false;
	transfer->skipped += slot->request.length;
	progress_add(transfer->progress, slot->request.length);
	slot_free(slot);
	return true;
}

static void
on_read(struct disk_request *request)
{
	struct slot *slot = request->user;
	struct run *run = slot->run;

	if (request->status != EXIT_OK) {
		slot_fail(slot);
		return;
	}
	/* Only a pipe gives less than was asked for: at its end. */
	if (request->length < run->chunk &&
	    run->transfer->source->is_sequential)
		run->is_at_end = true;
	if (request->length == 0)
		slot_free(slot);
	else if (!slot_find_zeroes(slot))
		slot_ready(slot);
}

static struct slot *
slot_take(struct run *run, uint64_t length)
{
	struct slot *slot = run->slots;

	while (slot->state != SLOT_FREE)
		slot++;
	slot->sequence = run->next_sequence++;
	slot->offset = run->walk.offset - run->transfer->source_offset;
	slot->is_zero = false;
	slot->request = (struct disk_request){ .length = length, .user = slot };
	run->n_busy++;
	return slot;
}

static void
start_read(struct run *run, uint64_t length)
{
	struct slot *slot = slot_take(run, length);

	slot->state = SLOT_READING;
	slot->request.command = DISK_READ;
	slot->request.offset = run->walk.offset;
	slot->request.on_done = on_read;
	disk_submit(run->transfer->source, &slot->request);
}

static void
start_zero(struct run *run, uint64_t length)
{
	struct slot *slot = slot_take(run, length);

	slot->is_zero = true;
	slot_ready(slot);
}

static void
skip(struct run *run, uint64_t length)
{
	run->transfer->skipped += length;
	progress_add(run->transfer->progress, length);
}

/* How much of a run of LENGTH bytes is taken at once. Edges that the
 * destination's block size does not allow for become data. */
static uint64_t
piece_length(const struct run *run, uint64_t length, bool *is_zero)
{
	uint64_t offset = run->walk.offset - run->transfer->source_offset;
	uint64_t left = run->walk.end - run->walk.offset;
	uint64_t limit = run->chunk;

	if (*is_zero && length < left) {
		length -= length % run->alignment;
		*is_zero = length > 0;
	}
	if (*is_zero && (run->transfer->skip_zeroes ||
			 run->transfer->destination->export->can_zero))
		limit = ZERO_CHUNK;
	if (!*is_zero && length % run->alignment)
		length += run->alignment - length % run->alignment;
	if (length == 0)
		length = run->alignment;
	limit -= offset % limit;
	length = length < limit ? length : limit;
	return length < left ? length : left;
}

/* Begins with the next piece, if there is one. */
static int
start_next(struct run *run)
{
	uint64_t length;
	bool is_zero;
	int status = extent_walk_look(&run->walk, &length, &is_zero);

	if (status != EXIT_OK)
		return status;
	if (length == 0) {
		run->is_at_end = true;
		return EXIT_OK;
	}
	length = piece_length(run, length, &is_zero);
	if (is_zero && run->transfer->skip_zeroes)
		skip(run, length);
	else if (is_zero)
		start_zero(run, length);
	else
		start_read(run, length);
	extent_walk_advance(&run->walk, length);
	return EXIT_OK;
}

/* Milliseconds until the rate allows more. */
static int
rate_delay(const struct run *run)
{
	const struct transfer *transfer = run->transfer;
	double due;
	uint64_t elapsed = progress_now() - run->started_at;

	if (!transfer->rate)
		return 0;
	due = (double)(transfer->copied + transfer->zeroed) * 1000 /
	      (double)transfer->rate;
	return due > (double)elapsed ? (int)(due - (double)elapsed) + 1 : 0;
}

static bool
may_start(const struct run *run)
{
	return !run->is_failed && !run->is_at_end &&
	       run->n_busy < run->n_slots && !interrupted() &&
	       rate_delay(run) == 0;
}

/*
 * Reads end by waiting for the source; while there are none, writes by waiting
 * for the destination. That is never stuck: what the other disk has to tell is
 * fetched right after, without waiting.
 */
static void
wait_some(struct run *run)
{
	struct disk *source = run->transfer->source;
	struct disk *destination = run->transfer->destination;
	int delay = rate_delay(run);
	int timeout = delay > 0 ? delay : -1;

	if (source->n_pending > 0) {
		disk_wait(source, timeout);
		disk_wait(destination, 0);
	} else if (destination->n_pending > 0) {
		disk_wait(destination, timeout);
	} else if (delay > 0) {
		struct timespec pause = { .tv_sec = delay / 1000,
					  .tv_nsec = delay % 1000 * 1000000L };

		nanosleep(&pause, NULL);
	}
}

static int
run_loop(struct run *run)
{
	for (;;) {
		while (may_start(run))
			if (start_next(run) != EXIT_OK)
				run->is_failed = true;
		if (run->n_busy == 0 &&
		    (run->is_failed || run->is_at_end || interrupted()))
			break;
		wait_some(run);
	}
	if (interrupted())
		return fail_interrupted();
	return (int)failure_code();
}

static uint64_t
smallest(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t smaller = a < b ? a : b;

	return smaller < c ? smaller : c;
}

static int
run_init(struct run *run, struct transfer *transfer)
{
	struct disk *source = transfer->source;
	struct disk *destination = transfer->destination;

	*run = (struct run){
		.transfer = transfer,
		.n_slots = (unsigned int)smallest(transfer->jobs,
						  source->max_in_flight,
						  destination->max_in_flight),
		.chunk = smallest(CHUNK, source->max_payload,
				  destination->max_payload),
		.alignment = source->alignment > destination->alignment
				     ? source->alignment
				     : destination->alignment,
		.started_at = progress_now(),
	};
	run->slots = calloc(run->n_slots, sizeof(*run->slots));
	if (!run->slots)
		return fail_errno(ENOMEM, "no memory for the requests");
	for (unsigned int i = 0; i < run->n_slots; i++)
		run->slots[i].run = run;
	extent_walk_init(&run->walk, source, transfer->source_offset,
			 transfer->length == DISK_SIZE_UNKNOWN
				 ? INT64_MAX - transfer->source_offset
				 : transfer->length);
	return EXIT_OK;
}

/* The failure stands; what was done before it is added. */
static int
say_how_far(const struct transfer *transfer)
{
	uint64_t done = transfer->copied + transfer->zeroed;
	enum exit_code code = failure_code();

	if (done == 0)
		return (int)code;
	return failure_amend(code == EXIT_CANCELLED ? code : EXIT_PARTIAL,
			     "; before that %" PRIu64
			     " bytes were written to %s, which is incomplete",
			     done, transfer->destination->name);
}

int
transfer_run(struct transfer *transfer)
{
	struct run run;
	int status = run_init(&run, transfer);

	if (status != EXIT_OK)
		return status;
	status = run_loop(&run);
	extent_walk_done(&run.walk);
	free(run.slots);
	return status == EXIT_OK ? status : say_how_far(transfer);
}
