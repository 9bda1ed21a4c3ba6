/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the queue to a connection and back. A request is handed out piece by
 * piece, never more than connections have room for; a piece whose connection
 * is lost goes first on another one. A request that ends before its pieces
 * leaves them its buffer: the library may still write there.
 */
#include "daemon/core/dispatch.h"

#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/block_status.h"
#include "daemon/core/check.h"
#include "daemon/core/split.h"

/* A server that hangs up each time it gets a certain command shall not get it
 * for ever. */
#define MAX_LOSSES 5

struct connection *
target_choose(const struct request_target *target)
{
	struct connection *best = NULL;

	list_for_each(link, &target->connections) {
		struct connection *connection = container_of(
			link, struct connection, link);

		if (connection->in_flight >= target->in_flight_limit)
			continue;
		if (!best ||
		    connection->bytes_in_flight < best->bytes_in_flight)
			best = connection;
	}
	return best;
}

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

/* The export is known: is the request one for it? 0 or a negative errno with
 * the failure filled. */
static int
start(struct request_target *target, struct request *request)
{
	struct check_facts facts = {
		.export = &target->export,
		.is_read_only = target->is_read_only,
	};
	int r = check_against_export(request, &facts);

	if (r < 0)
		return r;
	request->start = request->offset;
	request->end = request->offset + request->length;
	if (request->command == REQUEST_WRITE)
		request->base = request->payload.data;
	else if (request->command == REQUEST_READ)
		r = prepare_read(target, request);
	else if (request->command == REQUEST_BLOCK_STATUS)
		r = block_status_start(request, &target->export);
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

/* Makes the next piece of REQUEST and moves the cursor behind it. */
static void
shape(const struct request_target *target, struct request *request,
      struct part *part)
{
	part->command = request->command;
	part->flags = request->flags;
	part->request = request;
	list_append(&request->parts, &part->sibling);
	if (request->command == REQUEST_FLUSH)
		return;
	if (request->command == REQUEST_BLOCK_STATUS) {
		shape_block_status(target, request, part);
		return;
	}
	part->offset = request->next_offset;
	part->length = split_next(request->command, &target->export,
				  part->offset, request->end);
	if (request->base)
		part->data = request->base + (part->offset - request->start);
	request->next_offset += part->length;
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

static void
set_running(struct request_target *target, struct request *request)
{
	list_remove(&request->link);
	list_append(&target->running, &request->link);
	request->is_running = true;
	target->n_waiting--;
	target->n_running++;
}

static void
send_part(struct request_target *target, struct connection *connection,
	  struct part *part)
{
	struct request *request = part->request;

	if (part->command == REQUEST_BLOCK_STATUS)
		block_status_reset(request);
	if (request_command_writes(part->command))
		target->is_dirty = true;
	connection_send(connection, part);
}

/* NBD §Ordering: a flush covers writes on other connections only if the server
 * says multi-conn; else each connection gets one. */
static bool
hand_out_flush(struct request_target *target, struct request *request)
{
	bool everywhere = !target->export.can_multi_conn;

	list_for_each(link, &target->connections) {
		struct connection *connection = container_of(
			link, struct connection, link);
		struct part *part = target_take_part(target);

		if (!part)
			return false;
		shape(target, request, part);
		send_part(target, connection, part);
		if (!everywhere)
			break;
	}
	target->is_dirty = false;
	return true;
}

static bool
hand_out_next(struct request_target *target, struct request *request,
	      struct connection *connection)
{
	struct part *part;

	if (request->command == REQUEST_FLUSH)
		return hand_out_flush(target, request);
	part = target_take_part(target);
	if (!part)
		return false;
	shape(target, request, part);
	send_part(target, connection, part);
	return true;
}

static void
finish(struct request_target *target, struct request *request)
{
	if (request->is_running)
		target->n_running--;
	else
		target->n_waiting--;
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

/* False: no connection has room. */
static bool
hand_out(struct request_target *target, struct request *request)
{
	if (!request->is_started && start(target, request) < 0) {
		finish(target, request);
		return true;
	}
	while (!is_handed_out(request)) {
		struct connection *connection = target_choose(target);

		if (!connection)
			return false;
		if (!hand_out_next(target, request, connection)) {
			fail_for_memory(target, request);
			return true;
		}
	}
	set_running(target, request);
	return true;
}

static bool
resend(struct request_target *target)
{
	list_for_each_safe(link, &target->retries) {
		struct connection *connection = target_choose(target);

		if (!connection)
			return false;
		list_remove(link);
		target->n_retries++;
		send_part(target, connection,
			  container_of(link, struct part, link));
	}
	return true;
}

void
dispatch_run(struct message *message)
{
	struct request_target *target = container_of(
		message, struct request_target, dispatch);

	if (target->has_export && resend(target))
		while (!list_is_empty(&target->waiting))
			if (!hand_out(target,
				      container_of(target->waiting.next,
						   struct request, link)))
				break;
	if (target->on_dispatched)
		target->on_dispatched(target);
}

/* The first failure counts, and nothing more is handed out. */
static void
record_failure(struct request_target *target, struct part *part, int errnum,
	       enum failure_reason reason, const char *text)
{
	struct request *request = part->request;

	if (request->failure.errnum)
		return;
	failure_set(&request->failure, errnum, reason, "%s: %s",
		    request_command_name(request->command), text);
	failure_set_place(&request->failure, NULL,
			  part->connection->endpoint->uri);
	if (!request->is_running)
		set_running(target, request);
}

static void
put_back(struct request_target *target, struct request *request)
{
	list_remove(&request->link);
	list_prepend(&target->waiting, &request->link);
	request->is_running = false;
	target->n_running--;
	target->n_waiting++;
}

/* One command is answered. Is the whole range, or all that was asked for? */
static bool
advance_block_status(struct request *request)
{
	uint64_t next = block_status_deliver(request);

	if (next == request->next_offset) {
		failure_set(&request->failure, EPROTO, FAILURE_NBD,
			    "block status: the server's answer at offset "
			    "%" PRIu64 " covers nothing",
			    next);
		return true;
	}
	request->next_offset = next;
	return next >= request->end || request->is_partial_ok ||
	       (request->flags & LIBNBD_CMD_FLAG_REQ_ONE);
}

/* All that was handed out is answered. */
static void
on_all_answered(struct request_target *target, struct request *request)
{
	if (!request->is_running)
		return;
	if (request->command == REQUEST_BLOCK_STATUS &&
	    !request->failure.errnum && !advance_block_status(request))
		put_back(target, request);
	else
		finish(target, request);
}

static void
release_orphan(struct orphan *orphan)
{
	if (!orphan || --orphan->n_parts > 0)
		return;
	buffer_release(&orphan->payload);
	free(orphan);
}

/* Will the part be sent again? */
static bool
retry(struct request_target *target, struct part *part)
{
	if (!target->retries_parts || part->request->failure.errnum ||
	    ++part->losses >= MAX_LOSSES)
		return false;
	list_append(&target->retries, &part->link);
	return true;
}

void
target_on_part(struct request_target *target, struct part *part,
	       enum part_outcome outcome, const char *text)
{
	struct request *request = part->request;

	target_dispatch_later(target);
	if (!request) {
		release_orphan(part->orphan);
		target_give_part(target, part);
		return;
	}
	if (outcome == PART_LOST) {
		if (request_command_writes(part->command))
			request->may_be_applied = true;
		if (retry(target, part))
			return;
		record_failure(target, part, ECONNRESET,
			       FAILURE_SERVER_UNREACHABLE, text);
	} else if (outcome == PART_FAILED) {
		record_failure(target, part, part->errnum, FAILURE_NBD, text);
	}
	list_remove(&part->sibling);
	target_give_part(target, part);
	if (list_is_empty(&request->parts))
		on_all_answered(target, request);
}

/* The parts that are in flight keep the buffer until they are answered. */
static int
leave_buffer(struct request *request)
{
	struct orphan *orphan = NULL;

	if (list_is_empty(&request->parts))
		return 0;
	if (request->payload.owner) {
		orphan = calloc(1, sizeof(*orphan));
		if (!orphan)
			return -ENOMEM;
		orphan->payload = buffer_take(&request->payload);
	}
	if (request_command_writes(request->command))
		request->may_be_applied = true;
	list_for_each_safe(link, &request->parts) {
		struct part *part = container_of(link, struct part, sibling);

		part->request = NULL;
		part->orphan = orphan;
		list_remove(&part->sibling);
		if (orphan)
			orphan->n_parts++;
	}
	return 0;
}

static void
drop_retries_of(struct request_target *target, const struct request *request)
{
	list_for_each_safe(link, &target->retries) {
		struct part *part = container_of(link, struct part, link);

		if (part->request != request)
			continue;
		list_remove(&part->link);
		list_remove(&part->sibling);
		target_give_part(target, part);
	}
}

void
dispatch_abandon(struct request_target *target, struct request *request)
{
	drop_retries_of(target, request);
	if (leave_buffer(request) == 0)
		finish(target, request);
	else if (!request->is_running)
		/* Without memory for the record of it we wait for the parts
		 * after all. */
		set_running(target, request);
}

static void
explain_no_connection(struct request_target *target, struct request *request)
{
	const struct failure *why = &target->last_failure;

	failure_set(&request->failure, ENOTCONN,
		    why->errnum ? why->reason : FAILURE_SERVER_UNREACHABLE,
		    "%s: no connection within the time allowed%s%s",
		    request_command_name(request->command),
		    why->errnum ? "; the last attempt: " : "",
		    why->errnum ? failure_text(why) : "");
	failure_set_hint(&request->failure,
			 "Check that the server runs and can be reached from "
			 "this machine.");
	failure_set_place(&request->failure, target->name, why->endpoint);
}

void
dispatch_expire(struct request_target *target, struct request *request)
{
	if (request->failure.errnum) {
		/* It failed already, and only waited for its parts. */
	} else if (list_is_empty(&target->connections)) {
		explain_no_connection(target, request);
	} else {
		failure_set(&request->failure, ETIMEDOUT, FAILURE_TIMEOUT,
			    "%s: not done within the time allowed",
			    request_command_name(request->command));
	}
	dispatch_abandon(target, request);
}
