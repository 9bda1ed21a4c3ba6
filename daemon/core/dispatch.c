/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the queue to a connection. A request is handed out piece by piece, never
 * more than connections have room for; pieces whose connection was lost go
 * first.
 */
#include "daemon/core/dispatch.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/core/block_status.h"
#include "daemon/core/check.h"
#include "daemon/core/choose.h"
#include "daemon/core/edges.h"
#include "daemon/core/identity.h"
#include "daemon/core/split.h"

/* A read is widened to whole blocks; its payload is the middle of that. */
static int
prepare_read(struct request_target *target, struct request *request)
{
	int r;

	split_widen(&target->export, &request->start, &request->end);
	r = buffer_allocate(&request->payload, request->end - request->start);
	if (r < 0)
		return failure_set(&request->failure, ENOMEM, FAILURE_LIMIT,
				   "read: no memory for %" PRIu64 " bytes",
				   request->length);
	request->base = request->payload.data;
	request->payload.data = request->base +
				(request->offset - request->start);
	request->payload.size = request->length;
	return 0;
}

/* A client that flushes is told, once, of writes that may be lost. */
static int
tell_of_loss(struct request_target *target, struct request *request)
{
	struct lost_ranges *lost = &target->journal.lost;

	if (request->command != REQUEST_FLUSH || !request->client ||
	    lost_ranges_is_empty(lost))
		return 0;
	lost_ranges_tell(lost, "flush", &request->failure);
	*lost = (struct lost_ranges){ 0 };
	return -EIO;
}

/* The export is known: is the request one for it? 0 or a negative errno with
 * the failure filled. */
static int
start(struct request_target *target, struct request *request)
{
	struct check_facts facts = {
		.export = &target->export,
		.is_read_only = target->is_read_only,
		.makes_whole_blocks = target->is_single_writer,
	};
	int r = check_against_export(request, &facts);

	if (r < 0)
		return r;
	request->start = request->offset;
	request->end = request->offset + request->length;
	if (request->command == REQUEST_READ)
		r = prepare_read(target, request);
	else if (request->command == REQUEST_BLOCK_STATUS)
		r = block_status_start(request, &target->export);
	else if (request->command != REQUEST_FLUSH)
		r = edges_prepare(target, request);
	if (r == -ENOMEM && !request->failure.errnum)
		failure_set(&request->failure, ENOMEM, FAILURE_LIMIT,
			    "%s: out of memory",
			    request_command_name(request->command));
	request->next_offset = request->start;
	request->is_started = r == 0;
	return r;
}

/* A block status command asks from the block that next_offset is in. */
static void
shape_block_status(const struct request_target *target,
		   const struct request *request, struct part *part)
{
	uint64_t from = request->next_offset;
	uint64_t to = request->end;

	split_widen(&target->export, &from, &to);
	part->offset = from;
	part->length = split_next(REQUEST_BLOCK_STATUS, &target->export, from,
				  to);
}

/* What PART carries, in memory of its request's. 0 or -ENOMEM. */
static int
set_data(const struct request *request, struct part *part)
{
	if (part->is_edge)
		return 0;
	if (request->command == REQUEST_WRITE)
		return part_set_payload(part, &request->payload,
					part->offset - request->offset);
	if (request->command == REQUEST_READ)
		part->data = request->base + (part->offset - request->start);
	return 0;
}

/* Makes the next piece of REQUEST and moves the cursor behind it. 0 or
 * -ENOMEM. */
static int
shape(const struct request_target *target, struct request *request,
      struct part *part)
{
	part->command = request->command;
	part->flags = request->flags;
	part->request = request;
	list_append(&request->parts, &part->sibling);
	if (request->command == REQUEST_FLUSH)
		return 0;
	if (request->command == REQUEST_BLOCK_STATUS) {
		shape_block_status(target, request, part);
		return 0;
	}
	part->offset = request->next_offset;
	part->length = edges_next(target, request);
	edges_shape(request, part);
	if (set_data(request, part) < 0)
		return -ENOMEM;
	request->next_offset += part->length;
	return 0;
}

/* Must the next piece of REQUEST wait, though there is a connection? */
static bool
is_held_back(struct request_target *target, struct request *request)
{
	uint64_t start = request->next_offset;
	uint64_t length;

	request->waits_for = NULL;
	if (!request_command_writes(request->command))
		return false;
	if (target->is_for_reads) {
		request->waits_for = "the first endpoint: only reads go to "
				     "another one (SharedStorage=no)";
		return true;
	}
	length = edges_next(target, request);
	/* What it has locked itself is free for it. */
	if (request->edges.lock.end == 0 &&
	    overlap_meets(&target->being_written, start, start + length)) {
		request->waits_for = "an earlier write to the same bytes, "
				     "which the server has not answered";
	} else if (!journal_has_room(&target->journal, request->command,
				     length)) {
		request->waits_for = "a flush: the writes that are not flushed "
				     "have reached UnflushedLimit=";
		target->waits_for_flush = true;
	}
	return request->waits_for;
}

static bool
is_handed_out(const struct request *request)
{
	/* One command at a time: where to go on is known by the answer. */
	if (request->command == REQUEST_FLUSH ||
	    request->command == REQUEST_BLOCK_STATUS)
		return !list_is_empty(&request->parts);
	return request->next_offset == request->end;
}

/* A trim of less than a block. */
static bool
is_nothing(const struct request *request)
{
	return request->command == REQUEST_TRIM &&
	       request->start == request->end;
}

void
dispatch_set_running(struct request_target *target, struct request *request)
{
	list_remove(&request->link);
	fair_remove(&target->queue, request);
	list_append(&target->running, &request->link);
	request->is_running = true;
	target->n_waiting--;
	target->n_running++;
	TARGET_COUNT(target, request, waiting, -1ull);
	TARGET_COUNT(target, request, in_flight, 1);
}

void
dispatch_send(struct request_target *target, struct connection *connection,
	      struct part *part)
{
	struct request *request = part->request;

	if (!part->flow) {
		part->flow = request->flow;
		part->flow->in_flight++;
		fair_charge(request, part->length);
	}
	if (part->command == REQUEST_BLOCK_STATUS)
		block_status_reset(request);
	if (request_command_writes(part->command)) {
		target->is_dirty = true;
		target->was_written = true;
	}
	connection_send(connection, part);
	request->n_parts++;
	if (!request->times.sent)
		request->times.sent = part->sent_at;
}

static bool
send_flush(struct request_target *target, struct request *request,
	   struct connection *connection)
{
	struct part *part = target_take_part(target);

	if (!part)
		return false;
	shape(target, request, part);
	part->mark = journal_mark(&target->journal);
	dispatch_send(target, connection, part);
	return true;
}

/* With a journal each connection gets one that has acknowledged something.
 * Without: NBD §Ordering: a flush covers writes on other connections only if
 * the server says multi-conn. */
static bool
hand_out_flush(struct request_target *target, struct request *request,
	       struct connection *any)
{
	bool has_journal = target->journal.is_on;
	bool everywhere = !target->export.can_multi_conn;

	list_for_each(link, &target->connections) {
		struct connection *connection = container_of(
			link, struct connection, link);

		if (has_journal ? connection->n_unflushed == 0
				: !everywhere && connection != any)
			continue;
		if (!send_flush(target, request, connection))
			return false;
	}
	target->is_dirty = false;
	return !list_is_empty(&request->parts) ||
	       send_flush(target, request, any);
}

static bool
hand_out_next(struct request_target *target, struct request *request,
	      struct connection *connection)
{
	struct part *part;

	if (request->command == REQUEST_FLUSH)
		return hand_out_flush(target, request, connection);
	part = target_take_part(target);
	if (!part)
		return false;
	if (shape(target, request, part) < 0) {
		list_remove(&part->sibling);
		target_give_part(target, part);
		return false;
	}
	if (request_command_writes(part->command)) {
		overlap_add(&target->being_written, &part->range, part->offset,
			    part->offset + part->length);
		if (journal_reserve(&target->journal, part) < 0) {
			list_remove(&part->sibling);
			target_give_part(target, part);
			return false;
		}
		if (target->identity)
			identity_note_write(target->identity, part->offset,
					    part->offset + part->length);
	}
	dispatch_send(target, connection, part);
	return true;
}

void
dispatch_finish(struct request_target *target, struct request *request)
{
	if (request->is_running) {
		target->n_running--;
		TARGET_COUNT(target, request, in_flight, -1ull);
	} else {
		target->n_waiting--;
		TARGET_COUNT(target, request, waiting, -1ull);
	}
	target_finish(target, request);
}

static void
fail_for_memory(struct request_target *target, struct request *request)
{
	failure_set(&request->failure, ENOMEM, FAILURE_LIMIT,
		    "%s: out of memory",
		    request_command_name(request->command));
	dispatch_abandon(target, request);
}

/* What became of a request whose turn it was. */
enum turn {
	/* Handed out, or through. */
	TURN_DONE,
	/* It waits for something else than a connection. */
	TURN_ASIDE,
	/* Its client has its share in flight. */
	TURN_OVER,
	NO_ROOM,
};

static enum turn
hand_out(struct request_target *target, struct request *request)
{
	/* Of losses a flush is told each time that it begins: it may itself
	 * have noticed that a connection is lost. */
	if ((!request->is_started && start(target, request) < 0) ||
	    tell_of_loss(target, request) < 0) {
		dispatch_finish(target, request);
		return TURN_DONE;
	}
	if (is_nothing(request)) {
		dispatch_finish(target, request);
		return TURN_DONE;
	}
	while (!is_handed_out(request)) {
		struct connection *connection = target_choose_for_batch(
			target, loop_now(target->loop));

		if (!connection)
			return NO_ROOM;
		if (target->is_paused && request->client) {
			request->waits_for = "the volume, which is paused";
			return TURN_ASIDE;
		}
		if (target->is_moving && request->client) {
			request->waits_for = "the way to a preferred endpoint";
			return TURN_ASIDE;
		}
		if (!fair_has_share(&target->queue, request->flow,
				    target->n_connections,
				    target->in_flight_limit))
			return TURN_OVER;
		if (is_held_back(target, request))
			return TURN_ASIDE;
		if (edges_are_missing(request)) {
			if (edges_read(target, request, connection) == 0)
				return TURN_ASIDE;
			fail_for_memory(target, request);
			return TURN_DONE;
		}
		if (!hand_out_next(target, request, connection)) {
			fail_for_memory(target, request);
			return TURN_DONE;
		}
	}
	dispatch_set_running(target, request);
	return TURN_DONE;
}

static bool
resend(struct request_target *target)
{
	list_for_each_safe(link, &target->retries) {
		struct connection *connection = target_choose(target);
		struct part *part = container_of(link, struct part, link);

		if (!connection)
			return false;
		list_remove(link);
		TARGET_COUNT(target, part->request, retries, 1);
		dispatch_send(target, connection, part);
	}
	return true;
}

/* One that must wait does not keep the others waiting. */
static void
hand_out_waiting(struct request_target *target)
{
	struct fair_queue *queue = &target->queue;
	struct request *request;
	bool has_room = true;

	fair_begin(queue, loop_now(target->loop));
	while (has_room && (request = fair_next(queue))) {
		switch (hand_out(target, request)) {
		case TURN_DONE:
			break;
		case TURN_ASIDE:
			fair_set_aside(request);
			break;
		case TURN_OVER:
			fair_block(queue, request);
			break;
		case NO_ROOM:
			has_room = false;
			break;
		}
	}
	fair_end(queue);
}

void
dispatch_run(struct message *message)
{
	struct request_target *target = container_of(
		message, struct request_target, dispatch);

	target->waits_for_flush = false;
	if (target->has_export && replay_run(target) && resend(target))
		hand_out_waiting(target);
	if (target->on_dispatched)
		target->on_dispatched(target);
}
