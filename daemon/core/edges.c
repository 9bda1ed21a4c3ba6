/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Read, modify, write. */
#include "daemon/core/edges.h"

#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "daemon/core/dispatch.h"
#include "daemon/core/split.h"

static bool
has_edges(const struct request *request)
{
	return request->edges.head_length > 0 || request->edges.tail_length > 0;
}

/* Finds the blocks that REQUEST, whose range is widened already, changes only
 * in part. */
static void
find(struct request *request, uint64_t block)
{
	struct edges *edges = &request->edges;
	uint64_t last = (request->end - 1) / block * block;
	uint64_t end = request->offset + request->length;

	if (request->offset != request->start ||
	    (end != request->end && last == request->start))
		edges->head_length = last == request->start
					     ? request->end - last
					     : block;
	if (end != request->end && last != request->start) {
		edges->tail_offset = last;
		edges->tail_length = request->end - last;
	}
}

int
edges_prepare(const struct request_target *target, struct request *request)
{
	const struct export_info *export = &target->export;
	struct edges *edges = &request->edges;

	if (!target->is_single_writer ||
	    split_is_aligned(export, request->start,
			     request->end - request->start))
		return 0;
	if (request->command == REQUEST_TRIM) {
		split_narrow(export, &request->start, &request->end);
		return 0;
	}
	split_widen(export, &request->start, &request->end);
	if (request->command == REQUEST_CACHE)
		return 0;
	find(request, export->block_minimum);
	return has_edges(request) ? buffer_allocate(&edges->blocks,
						    edges->head_length +
							    edges->tail_length)
				  : 0;
}

bool
edges_are_missing(const struct request *request)
{
	return has_edges(request) && !request->edges.is_merged;
}

static int
read_one(struct request_target *target, struct request *request,
	 struct connection *connection, uint64_t offset, uint64_t length,
	 uint64_t at)
{
	struct part *part;

	if (length == 0)
		return 0;
	part = target_take_part(target);
	if (!part)
		return -ENOMEM;
	part->command = REQUEST_READ;
	part->is_edge = true;
	part->request = request;
	part->offset = offset;
	part->length = length;
	part->data = (unsigned char *)request->edges.blocks.data + at;
	list_append(&request->parts, &part->sibling);
	request->edges.n_unread++;
	dispatch_send(target, connection, part);
	return 0;
}

int
edges_read(struct request_target *target, struct request *request,
	   struct connection *connection)
{
	struct edges *edges = &request->edges;
	int r;

	request->waits_for = "the blocks around it, which the server has not "
			     "sent";
	if (edges->is_reading)
		return 0;
	if (overlap_meets(&target->being_written, request->start,
			  request->end)) {
		request->waits_for = "an earlier write to the same blocks, "
				     "which the server has not answered";
		return 0;
	}
	edges->is_reading = true;
	overlap_add(&target->being_written, &edges->lock, request->start,
		    request->end);
	r = read_one(target, request, connection, request->start,
		     edges->head_length, 0);
	return r < 0 ? r
		     : read_one(target, request, connection, edges->tail_offset,
				edges->tail_length, edges->head_length);
}

/* What the request changes of the block at OFFSET, whose bytes are DATA. */
static void
merge(const struct request *request, unsigned char *data, uint64_t offset,
      uint64_t length)
{
	uint64_t from = request->offset > offset ? request->offset : offset;
	uint64_t to = request->offset + request->length;

	if (length == 0)
		return;
	if (to > offset + length)
		to = offset + length;
	if (request->command == REQUEST_WRITE)
		buffer_read(&request->payload, from - request->offset,
			    to - from, data + (from - offset));
	else
		memset(data + (from - offset), 0, to - from);
}

void
edges_on_read(struct part *part)
{
	struct request *request = part->request;
	struct edges *edges = &request->edges;
	unsigned char *blocks = edges->blocks.data;

	if (--edges->n_unread > 0)
		return;
	merge(request, blocks, request->start, edges->head_length);
	merge(request, blocks + edges->head_length, edges->tail_offset,
	      edges->tail_length);
	edges->is_merged = true;
}

static bool
is_head_next(const struct request *request)
{
	return request->edges.head_length > 0 &&
	       request->next_offset == request->start;
}

static bool
is_tail_next(const struct request *request)
{
	return request->edges.tail_length > 0 &&
	       request->next_offset == request->edges.tail_offset;
}

uint64_t
edges_next(const struct request_target *target, const struct request *request)
{
	const struct edges *edges = &request->edges;
	uint64_t end = edges->tail_length > 0 ? edges->tail_offset
					      : request->end;

	if (is_head_next(request))
		return edges->head_length;
	if (is_tail_next(request))
		return edges->tail_length;
	return split_next(request->command, &target->export,
			  request->next_offset, end);
}

void
edges_shape(struct request *request, struct part *part)
{
	bool is_head = is_head_next(request);
	unsigned char *blocks = request->edges.blocks.data;

	if (!is_head && !is_tail_next(request))
		return;
	part->is_edge = true;
	part->command = REQUEST_WRITE;
	part->flags &= LIBNBD_CMD_FLAG_FUA;
	part->data = is_head ? blocks : blocks + request->edges.head_length;
}

void
edges_done(struct request_target *target, struct request *request)
{
	struct edges *edges = &request->edges;

	if (edges->lock.end > 0)
		target_dispatch_later(target);
	overlap_remove(&target->being_written, &edges->lock);
	buffer_release(&edges->blocks);
}
