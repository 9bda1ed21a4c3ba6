/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parts on a connection: out through nbd_aio_*, back through a completion
 * callback, which runs inside the library and so only moves the part to the
 * list of answered ones.
 */
#include <errno.h>
#include <libnbd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/core/block_status.h"
#include "daemon/core/connection_private.h"
#include "daemon/core/metrics.h"

/* Sizes on the wire without payload, for the counters: NBD §Request message,
 * §Simple reply message. */
#define REQUEST_SIZE 28
#define REPLY_SIZE   16

#define BRIEF_MAX (16u << 10)

/* ns */
#define MEASURE_PERIOD 1000000000ull

/* The load that a command means to a connection, in bytes. */
static uint64_t
weight(const struct part *part)
{
	bool has_payload = part->command == REQUEST_READ ||
			   part->command == REQUEST_WRITE;

	return has_payload ? part->length + 512 : 512;
}

static int
on_complete(void *user, int *error)
{
	struct part *part = user;

	/* A handle that is closed may tell twice what was not retired. */
	if (part->errnum < 0) {
		part->errnum = *error;
		list_remove(&part->link);
		list_append(&part->connection->answered, &part->link);
	}
	return 0;
}

static int
on_extents(void *user, const char *context, uint64_t offset, uint32_t *entries,
	   size_t n_entries, int *error)
{
	const struct part *part = user;
	int r;

	if (!part->request)
		return 0;
	r = block_status_collect(part->request, context, offset, entries,
				 n_entries / 2);
	if (r < 0 && *error == 0)
		*error = -r;
	return r;
}

static int64_t
issue(struct nbd_handle *nbd, struct part *part)
{
	nbd_completion_callback done = { .callback = on_complete,
					 .user_data = part };
	nbd_extent_callback extents = { .callback = on_extents,
					.user_data = part };

	switch (part->command) {
	case REQUEST_READ:
		return nbd_aio_pread(nbd, part->data, part->length,
				     part->offset, done, part->flags);
	case REQUEST_WRITE:
		return part_write(part, nbd, done);
	case REQUEST_FLUSH:
		return nbd_aio_flush(nbd, done, part->flags);
	case REQUEST_TRIM:
		return nbd_aio_trim(nbd, part->length, part->offset, done,
				    part->flags);
	case REQUEST_CACHE:
		return nbd_aio_cache(nbd, part->length, part->offset, done,
				     part->flags);
	case REQUEST_ZERO:
		return nbd_aio_zero(nbd, part->length, part->offset, done,
				    part->flags);
	case REQUEST_BLOCK_STATUS:
		return nbd_aio_block_status(nbd, part->length, part->offset,
					    extents, done, part->flags);
	}
	return -1;
}

/* Answers to these are worth gathering; others take longer to move than it
 * takes to send them on. */
static bool
is_brief(const struct part *part)
{
	return part->length <= BRIEF_MAX;
}

static void
count_sent(struct connection *connection, const struct part *part)
{
	connection->in_flight++;
	if (is_brief(part)) {
		connection->n_brief++;
		loop_expect(connection->loop, 1);
	}
	connection->bytes_in_flight += weight(part);
	connection->bytes_sent += REQUEST_SIZE;
	if (part->command == REQUEST_WRITE)
		connection->bytes_sent += part->length;
}

uint64_t
connection_round_trip(const struct connection *connection)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (connection->watch.fd < 0 ||
	    getsockopt(connection->watch.fd, IPPROTO_TCP, TCP_INFO, &info,
		       &size) < 0)
		return 0;
	return (uint64_t)info.tcpi_rtt * 1000;
}

static uint64_t
smooth(uint64_t before, uint64_t now)
{
	return before ? before - before / 8 + now / 8 : now;
}

uint64_t
connection_pace(const struct connection *connection, uint64_t ns)
{
	uint64_t time = connection->answer_time;

	return time ? connection->load * ns / time : 0;
}

/* The kernel is asked once a second. */
static void
measure(struct connection *connection, const struct part *part)
{
	connection->answer_time = smooth(connection->answer_time,
					 part->answered_at - part->sent_at);
	connection->load = smooth(connection->load, part->load);
	if (part->answered_at < connection->round_trip_at + MEASURE_PERIOD)
		return;
	connection->round_trip_at = part->answered_at;
	connection->round_trip = connection_round_trip(connection);
}

static void
count_answered(struct connection *connection, const struct part *part)
{
	connection->in_flight--;
	if (is_brief(part)) {
		connection->n_brief--;
		loop_expect(connection->loop, -1);
	}
	connection->bytes_in_flight -= weight(part);
	connection->bytes_received += REPLY_SIZE;
	if (part->command == REQUEST_READ)
		connection->bytes_received += part->length;
	/* What we do ourselves keeps no connection from being idle. */
	if (connection->in_flight == 0 && !part->on_answer)
		connection->idle_since = loop_now(connection->loop);
}

void
connection_send(struct connection *connection, struct part *part)
{
	int64_t cookie;

	part->connection = connection;
	part->errnum = -1;
	part->cookie = 0;
	part->sent_at = clock_now();
	METRIC_ADD(connection->metrics, in_flight, 1);
	list_append(&connection->parts, &part->link);
	count_sent(connection, part);
	part->load = connection->bytes_in_flight;
	cookie = issue(connection->nbd, part);
	if (cookie < 0) {
		/* Refused without being sent; the callback is not called. */
		part->errnum = nbd_get_errno() ? nbd_get_errno() : EINVAL;
		list_remove(&part->link);
		list_append(&connection->answered, &part->link);
	} else {
		part->cookie = (uint64_t)cookie;
	}
	connection_touch(connection);
}

/* Lets the library forget the command, which is also when it notices a read
 * that came short. The outcome, with a text unless it is success. */
static int
retire(struct connection *connection, const struct part *part,
       const char **text)
{
	int r;

	*text = part->errnum ? strerror(part->errnum) : NULL;
	if (part->cookie == 0)
		return part->errnum;
	r = nbd_aio_command_completed(connection->nbd, part->cookie);
	if (r >= 0)
		return part->errnum;
	*text = nbd_get_error();
	return nbd_get_errno() ? nbd_get_errno() : EIO;
}

void
connection_retire_parts(struct connection *connection)
{
	uint64_t now = clock_now();
	struct list *link;

	while (connection->phase == PHASE_DATA &&
	       (link = list_take_first(&connection->answered))) {
		struct part *part = container_of(link, struct part, link);
		const char *text;
		int errnum = retire(connection, part, &text);

		part->errnum = errnum;
		part->answered_at = now;
		count_answered(connection, part);
		METRIC_ADD(connection->metrics, in_flight, -1ull);
		metrics_part_ended(connection->metrics, part, errnum);
		measure(connection, part);
		connection->owner->on_part(connection, part,
					   errnum ? PART_FAILED : PART_DONE,
					   text);
	}
}

static enum part_outcome
last_outcome(const struct part *part)
{
	if (part->errnum == 0)
		return PART_DONE;
	/* That is what the library answers for those still in flight; no
	 * server can send it. */
	if (part->errnum < 0 || part->errnum == ENOTCONN)
		return PART_LOST;
	/* Refused by the library because the handle was dead already. */
	if (part->cookie == 0)
		return PART_LOST;
	return PART_FAILED;
}

void
connection_forget_parts(struct connection *connection)
{
	struct list *link;

	while ((link = list_take_first(&connection->parts)))
		list_append(&connection->answered, link);
	while ((link = list_take_first(&connection->answered))) {
		struct part *part = container_of(link, struct part, link);

		if (part->on_answer)
			part->on_answer(part, PART_LOST, "closed");
	}
	loop_expect(connection->loop, -(int)connection->n_brief);
	connection->n_brief = 0;
}

void
connection_lose_parts(struct connection *connection, const char *text)
{
	struct list *link;

	while ((link = list_take_first(&connection->parts)))
		list_append(&connection->answered, link);
	while ((link = list_take_first(&connection->answered))) {
		struct part *part = container_of(link, struct part, link);
		enum part_outcome outcome = last_outcome(part);

		part->answered_at = clock_now();
		count_answered(connection, part);
		connection->owner->on_part(
			connection, part, outcome,
			outcome == PART_FAILED ? strerror(part->errnum) : text);
	}
}
