/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The queue: requests arrive, wait for a connection, and end. What happens to
 * their parts in between is in dispatch.c.
 */
#include "daemon/core/target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/core/block_status.h"
#include "daemon/core/check.h"
#include "daemon/core/dispatch.h"
#include "daemon/core/slow.h"
#include "daemon/core/user.h"

#define MAX_SPARE_PARTS 256

static void
cancel_in(struct request_target *target, struct list *requests)
{
	list_for_each_safe(link, requests) {
		struct request *request = container_of(link, struct request,
						       link);

		if (!request->is_cancelled)
			continue;
		failure_set(&request->failure, ECANCELED, FAILURE_TIMEOUT,
			    "%s: the caller has gone",
			    request_command_name(request->command));
		dispatch_abandon(target, request);
	}
}

/* Ends requests whose caller has gone. Answers to what was sent of them are
 * dropped when they come. */
static void
on_cancel(struct message *message)
{
	struct request_target *target = container_of(
		message, struct request_target, cancel);

	target->is_cancel_sent = false;
	cancel_in(target, &target->waiting);
	cancel_in(target, &target->running);
}

void
target_init(struct request_target *target, struct loop *loop, const char *name)
{
	target->loop = loop;
	target->name = name;
	list_init(&target->connections);
	list_init(&target->waiting);
	fair_init(&target->queue);
	list_init(&target->running);
	list_init(&target->retries);
	list_init(&target->spare_parts);
	overlap_init(&target->being_written);
	journal_init(&target->journal);
	replay_init(&target->replay);
	loop_message_init(&target->dispatch, dispatch_run);
	target->cancel.run = on_cancel;
}

void
target_done(struct request_target *target)
{
	struct list *link;

	loop_message_cancel(&target->dispatch);
	while ((link = list_take_first(&target->spare_parts)))
		free(container_of(link, struct part, link));
	fair_done(&target->queue);
	journal_done(&target->journal);
	export_info_done(&target->export);
	failure_done(&target->closed_because);
	failure_done(&target->last_failure);
}

bool
target_is_idle(const struct request_target *target)
{
	return list_is_empty(&target->waiting) &&
	       list_is_empty(&target->running);
}

bool
target_is_quiet(const struct request_target *target)
{
	list_for_each(link, &target->connections) {
		if (container_of(link, struct connection, link)->in_flight > 0)
			return false;
	}
	return true;
}

void
target_dispatch_later(struct request_target *target)
{
	loop_run_later(target->loop, &target->dispatch);
}

static void
count_end(struct request_target *target, struct request *request)
{
	struct request_times *times = &request->times;
	bool is_well = request->failure.errnum == 0;

	times->ended = is_well && times->answered_last ? times->answered_last
						       : clock_now();
	metrics_request_ended(target->metrics, request);
	metrics_request_ended(client_metrics(request->client, target->loop),
			      request);
	slow_check(target, request);
}

/* Bytes that were written are not needed any more; a read that failed has
 * brought nothing. */
static void
settle_payload(struct request *request)
{
	if (request->command == REQUEST_WRITE || request->failure.errnum)
		buffer_release(&request->payload);
}

void
target_finish(struct request_target *target, struct request *request)
{
	bool held_owner = request->holds_owner;

	loop_stop_timer(target->loop, &request->timer);
	list_remove(&request->link);
	fair_remove(&target->queue, request);
	if (request->failure.errnum) {
		request->failure.maybe_applied = request->may_be_applied;
		if (!request->failure.volume)
			failure_set_place(&request->failure, target->name,
					  request->failure.endpoint);
	}
	count_end(target, request);
	settle_payload(request);
	edges_done(target, request);
	block_status_done(request);
	if (request->client)
		request->client->requests_in_flight--;
	user_discharge(request);
	request->on_done(request);
	if (target_is_idle(target) && target->on_idle)
		target->on_idle(target);
	if (held_owner)
		target->on_release(target);
}

static void
on_deadline(struct timer *timer)
{
	struct request *request = container_of(timer, struct request, timer);

	dispatch_expire(request->target, request);
}

static void
prepare(struct request *request)
{
	request->timer.on_due = on_deadline;
	list_init(&request->link);
	list_init(&request->flow_link);
	list_init(&request->parts);
	request->id = loop_next_id(request->target->loop);
	/* A request of the daemon's own arrives here. */
	if (!request->times.arrived)
		request->times.arrived = clock_now();
	if (request->client)
		request->client->requests_in_flight++;
}

static void
enqueue(struct request_target *target, struct request *request)
{
	if (!request->deadline)
		request->deadline = loop_now(target->loop) +
				    target->request_timeout;
	if (fair_enqueue(&target->queue, request,
			 request->client ? request->client->id : FAIR_NOBODY,
			 loop_now(target->loop)) < 0 ||
	    loop_set_timer(target->loop, &request->timer, request->deadline) <
		    0) {
		failure_set(&request->failure, ENOMEM, FAILURE_LIMIT,
			    "%s: out of memory",
			    request_command_name(request->command));
		target_finish(target, request);
		return;
	}
	list_append(&target->waiting, &request->link);
	target->n_waiting++;
	TARGET_COUNT(target, request, waiting, 1);
	target_dispatch_later(target);
}

void
target_refuse(struct request_target *target, struct request *request)
{
	prepare(request);
	target_finish(target, request);
}

void
target_submit(struct request_target *target, struct request *request)
{
	prepare(request);
	if (target->is_closed) {
		failure_copy(&request->failure, &target->closed_because);
		target_finish(target, request);
	} else if (check_form(request) < 0) {
		target_finish(target, request);
	} else {
		enqueue(target, request);
	}
}

void
target_admit(struct request_target *target, struct request *request)
{
	request->target = target;
	prepare(request);
	enqueue(target, request);
}

void
target_add_connection(struct request_target *target,
		      struct connection *connection)
{
	list_append(&target->connections, &connection->link);
	target->n_connections++;
	target_dispatch_later(target);
}

void
target_remove_connection(struct request_target *target,
			 struct connection *connection)
{
	list_remove(&connection->link);
	target->n_connections--;
	target->batch.connection = NULL;
	journal_lose_connection(&target->journal, connection);
	replay_lose_connection(target, connection);
}

/* Requests that were checked against another size. */
static void
fail_beyond(struct request_target *target, struct list *requests)
{
	list_for_each_safe(link, requests) {
		struct request *request = container_of(link, struct request,
						       link);

		if (!request->is_started || request->end <= target->export.size)
			continue;
		failure_set(&request->failure, EIO, FAILURE_INVALID,
			    "%s: the export has shrunk to %" PRIu64
			    " bytes while the request waited",
			    request_command_name(request->command),
			    target->export.size);
		dispatch_abandon(target, request);
	}
}

int
target_set_export(struct request_target *target,
		  const struct export_info *export)
{
	int r = export_info_copy(&target->export, export);

	if (r < 0)
		return r;
	target->has_export = true;
	fail_beyond(target, &target->waiting);
	fail_beyond(target, &target->running);
	return 0;
}

void
request_cancel(struct request *request)
{
	struct request_target *target = request->target;

	request->is_cancelled = true;
	if (!atomic_exchange(&target->is_cancel_sent, true))
		loop_send(target->loop, &target->cancel);
}

void
target_close(struct request_target *target, const struct failure *why)
{
	if (!target->is_closed)
		failure_copy(&target->closed_because, why);
	target->is_closed = true;
}

void
target_open(struct request_target *target)
{
	target->is_closed = false;
	failure_done(&target->closed_because);
}

static void
fail_list(struct request_target *target, struct list *requests,
	  const struct failure *why)
{
	list_for_each_safe(link, requests) {
		struct request *request = container_of(link, struct request,
						       link);

		failure_copy(&request->failure, why);
		dispatch_abandon(target, request);
	}
}

void
target_fail_all(struct request_target *target, const struct failure *why)
{
	fail_list(target, &target->waiting, why);
	fail_list(target, &target->running, why);
}

struct part *
target_take_part(struct request_target *target)
{
	struct list *link = list_take_first(&target->spare_parts);

	if (!link)
		return calloc(1, sizeof(struct part));
	target->n_spare_parts--;
	return container_of(link, struct part, link);
}

void
target_give_part(struct request_target *target, struct part *part)
{
	journal_settle(&target->journal, part, false);
	overlap_remove(&target->being_written, &part->range);
	part_done(part);
	if (part->flow)
		part->flow->in_flight--;
	if (target->n_spare_parts >= MAX_SPARE_PARTS) {
		free(part);
		return;
	}
	*part = (struct part){ 0 };
	list_prepend(&target->spare_parts, &part->link);
	target->n_spare_parts++;
}
