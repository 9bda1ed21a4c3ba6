/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A piece of a transfer, from its read to its write. */
#include "cli/transfer_slot.h"

#include <string.h>

#include "cli/errors.h"
#include "cli/progress.h"
#include "cli/zero.h"

static void slot_put(struct slot *slot);

static void
slot_free(struct slot *slot)
{
	payload_release(&slot->request.data);
	if (slot->request.source)
		slot->run->bytes_offloaded -= slot->request.length;
	slot->state = SLOT_FREE;
	slot->run->n_busy--;
	window_add_done(&slot->run->window);
}

static void
slot_fail(struct slot *slot)
{
	struct run *run = slot->run;

	run->is_failed = true;
	slot_free(slot);
	/* Those that wait for their turn would wait for ever. */
	for (unsigned int i = 0; i < run->n_slots; i++)
		if (run->slots[i].state == SLOT_READY)
			slot_free(&run->slots[i]);
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

void
slot_start_read(struct run *run, uint64_t length)
{
	struct slot *slot = slot_take(run, length);

	slot->state = SLOT_READING;
	slot->request.command = DISK_READ;
	slot->request.offset = run->walk.offset;
	slot->request.on_done = on_read;
	disk_submit(run->transfer->source, &slot->request);
}

void
slot_start_copy(struct run *run, uint64_t length)
{
	struct slot *slot = slot_take(run, length);

	slot->request.source = run->transfer->source;
	slot->request.source_offset = run->walk.offset;
	run->bytes_offloaded += length;
	slot_ready(slot);
}

void
slot_start_zero(struct run *run, uint64_t length)
{
	struct slot *slot = slot_take(run, length);

	slot->is_zero = true;
	slot_ready(slot);
}
