/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Idle connections are read from now and then: a server that went away without
 * a word is noticed before somebody needs it. The deadline of the read is that
 * of any other. */
#include "daemon/core/dispatch.h"
#include "daemon/core/pool_private.h"
#include "daemon/core/split.h"

static void
on_probed(struct part *part, enum part_outcome outcome, const char *text)
{
	/* An error is an answer too, and a loss is told to the pool. */
	(void)outcome;
	(void)text;
	target_give_part(part->target, part);
}

static void
probe(struct request_target *target, struct connection *connection)
{
	uint64_t start = 0, end = 1;
	struct part *part;

	if (target->export.size == 0)
		return;
	split_widen(&target->export, &start, &end);
	part = target_take_part(target);
	if (!part)
		return;
	part->target = target;
	part->command = REQUEST_READ;
	part->length = end - start;
	part->on_answer = on_probed;
	/* Without memory it is left to the next time. */
	if (buffer_allocate(&part->hold, end - start) < 0) {
		target_give_part(target, part);
		return;
	}
	part->data = part->hold.data;
	connection_send(connection, part);
}

void
pool_on_probe(struct timer *timer)
{
	struct volume *volume = container_of(timer, struct volume, pool.probe);
	uint64_t interval = volume->settings->probe_interval;

	list_for_each(link, &volume->target.connections) {
		struct connection *connection = container_of(
			link, struct connection, link);

		if (connection->in_flight == 0)
			probe(&volume->target, connection);
	}
	loop_set_timer(volume->loop, timer, loop_now(volume->loop) + interval);
}
