/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From disk to disk: which piece is next, and when; what happened. */
#include "cli/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/transfer_slot.h"

/* Zeroes asked for at once: progress shows, and no server takes for ever. */
#define ZERO_CHUNK (UINT64_C(128) << 20)

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
	uint64_t limit = run->window.is_slow ? run->slow_chunk : run->chunk;

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
		slot_start_zero(run, length);
	else if (run->is_offloaded)
		slot_start_copy(run, length);
	else
		slot_start_read(run, length);
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
	       run->n_busy < run->window.size &&
	       run->bytes_offloaded < TRANSFER_OFFLOADED_MAX &&
	       !interrupted() && rate_delay(run) == 0;
}

static void
wait_some(struct run *run)
{
	struct disk *source = run->transfer->source;
	struct disk *destination = run->transfer->destination;
	int delay = rate_delay(run);
	int timeout = delay > 0 ? delay : -1;

	if (source->n_pending + destination->n_pending > 0) {
		disk_wait_both(source, destination, timeout);
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

/* What the user says of requests and of their rate is meant for pieces. */
static uint64_t
wanted_chunk(const struct run *run)
{
	bool is_large = run->is_offloaded && !run->transfer->jobs &&
			!run->transfer->rate;

	return is_large ? TRANSFER_OFFLOADED_CHUNK : TRANSFER_CHUNK;
}

static int
run_init(struct run *run, struct transfer *transfer)
{
	struct disk *source = transfer->source;
	struct disk *destination = transfer->destination;

	*run = (struct run){
		.transfer = transfer,
		.alignment = source->alignment > destination->alignment
				     ? source->alignment
				     : destination->alignment,
		.is_offloaded = !transfer->find_zeroes &&
				disk_can_copy(destination, source),
		.started_at = progress_now(),
	};
	run->chunk = smallest(wanted_chunk(run), source->max_payload,
			      destination->max_payload);
	run->slow_chunk = smallest(2 * run->chunk, source->max_payload,
				   destination->max_payload);
	window_init(&run->window, transfer->jobs, run->is_offloaded ? 4 : 8,
		    source->max_in_flight < destination->max_in_flight
			    ? source->max_in_flight
			    : destination->max_in_flight);
	run->n_slots = run->window.max;
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

	if (done == 0 || transfer->leaves_nothing)
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
