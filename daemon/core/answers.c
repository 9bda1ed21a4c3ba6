/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The way back: what becomes of a request when its parts are answered, lost or
 * late. A request that ends before its parts leaves them its buffer, because
 * the library may still write there.
 */
#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <stdlib.h>

#include "daemon/core/block_status.h"
#include "daemon/core/check.h"
#include "daemon/core/dispatch.h"
#include "daemon/core/slow.h"

/* A server that hangs up each time it gets a certain command shall not get it
 * for ever. */
#define MAX_LOSSES 5

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
		dispatch_set_running(target, request);
}

static void
put_back(struct request_target *target, struct request *request)
{
	list_remove(&request->link);
	list_prepend(&target->waiting, &request->link);
	fair_put_back(&target->queue, request);
	request->is_running = false;
	target->n_running--;
	target->n_waiting++;
	TARGET_COUNT(target, request, in_flight, -1ull);
	TARGET_COUNT(target, request, waiting, 1);
}

static void
restart(struct request_target *target, struct request *request)
{
	request->must_restart = false;
	TARGET_COUNT(target, request, retries, 1);
	put_back(target, request);
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
	else if (request->must_restart && !request->failure.errnum)
		restart(target, request);
	else
		dispatch_finish(target, request);
}

/* A flush covers nothing that had to be written again, so it begins anew, with
 * all of its parts. */
static bool
retry_flush(struct request_target *target, struct part *part)
{
	struct request *request = part->request;

	if (!target->retries_parts || request->failure.errnum ||
	    ++request->n_losses >= MAX_LOSSES)
		return false;
	request->must_restart = true;
	list_remove(&part->sibling);
	target_give_part(target, part);
	if (list_is_empty(&request->parts))
		on_all_answered(target, request);
	return true;
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

static void
note_answer(const struct request_target *target, struct request *request,
	    const struct part *part)
{
	struct request_times *times = &request->times;

	if (!times->answered)
		times->answered = part->answered_at;
	times->answered_last = part->answered_at;
	if (slow_is_slow(target, part->answered_at - times->arrived)) {
		times->round_trip = connection_round_trip(part->connection);
		times->endpoint = part->connection->endpoint;
		times->connection = part->connection->id;
	}
}

void
target_on_part(struct request_target *target, struct part *part,
	       enum part_outcome outcome, const char *text)
{
	struct request *request = part->request;

	target_dispatch_later(target);
	if (outcome != PART_LOST)
		journal_settle(&target->journal, part, outcome == PART_DONE);
	if (part->command == REQUEST_FLUSH && outcome == PART_DONE)
		journal_cover(&target->journal, part->connection, part->mark);
	if (!request) {
		target_give_part(target, part);
		return;
	}
	if (outcome == PART_LOST) {
		if (request_command_writes(part->command))
			request->may_be_applied = true;
		if (part->command == REQUEST_FLUSH ? retry_flush(target, part)
						   : retry(target, part))
			return;
		record_failure(target, part, ECONNRESET,
			       FAILURE_SERVER_UNREACHABLE, text);
	} else if (outcome == PART_FAILED) {
		record_failure(target, part, part->errnum, FAILURE_NBD, text);
	}
	if (outcome != PART_LOST)
		note_answer(target, request, part);
	if (outcome == PART_DONE && part->is_edge &&
	    part->command == REQUEST_READ)
		edges_on_read(part);
	list_remove(&part->sibling);
	target_give_part(target, part);
	if (list_is_empty(&request->parts))
		on_all_answered(target, request);
}

/* The parts that are in flight keep the buffer until they are answered. */
static int
leave_buffer(struct request *request)
{
	struct buffer *payload = &request->payload;
	struct buffer *blocks = &request->edges.blocks;

	if (list_is_empty(&request->parts))
		return 0;
	if ((payload->owner && buffer_share(payload) < 0) ||
	    (blocks->owner && buffer_share(blocks) < 0))
		return -ENOMEM;
	list_for_each_safe(link, &request->parts) {
		struct part *part = container_of(link, struct part, sibling);
		struct buffer *buffer = part->is_edge ? blocks : payload;

		if (request_command_writes(part->command))
			request->may_be_applied = true;
		part->request = NULL;
		if (buffer->owner && !part->hold.owner)
			part->hold = buffer_ref(buffer);
		list_remove(&part->sibling);
	}
	buffer_release(&request->payload);
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
		dispatch_finish(target, request);
	else if (!request->is_running)
		/* Without memory for the record of it we wait for the parts
		 * after all. */
		dispatch_set_running(target, request);
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

static void
explain_pause(struct request_target *target, struct request *request)
{
	failure_set(&request->failure, EAGAIN, FAILURE_BUSY,
		    "%s: the volume is paused, and was not resumed within the "
		    "time allowed",
		    request_command_name(request->command));
	failure_set_hint(&request->failure, "An administrator resumes it with "
					    "nbdctl volume resume.");
	failure_set_place(&request->failure, target->name, NULL);
}

void
dispatch_expire(struct request_target *target, struct request *request)
{
	const char *waits_for = target->journal.needs_replay
					? "unflushed writes, which must be "
					  "written again first"
					: request->waits_for;

	if (request->failure.errnum) {
		/* It failed already, and only waited for its parts. */
	} else if (target->is_paused && list_is_empty(&request->parts)) {
		explain_pause(target, request);
	} else if (list_is_empty(&target->connections)) {
		explain_no_connection(target, request);
	} else {
		failure_set(&request->failure, ETIMEDOUT, FAILURE_TIMEOUT,
			    "%s: not done within the time allowed%s%s",
			    request_command_name(request->command),
			    waits_for ? "; it waited for " : "",
			    waits_for ? waits_for : "");
	}
	dispatch_abandon(target, request);
}
