/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which of a target's connections is given the next piece. */
#include "daemon/core/choose.h"

#include "daemon/core/connection.h"
#include "daemon/core/target.h"

static bool
has_room(const struct request_target *target,
	 const struct connection *connection)
{
	return connection->in_flight < target->in_flight_limit;
}

struct connection *
target_choose(const struct request_target *target)
{
	struct connection *best = NULL;

	list_for_each(link, &target->connections) {
		struct connection *connection = container_of(
			link, struct connection, link);

		if (has_room(target, connection) &&
		    (!best ||
		     connection->bytes_in_flight < best->bytes_in_flight))
			best = connection;
	}
	return best;
}

/*
 * A connection is given all that it would answer within this time, as its
 * server has done of late: where that is much, further ones would only mean
 * more to wake up and to switch to, on both sides. ns
 */
#define QUICK_TIME 400000u

static struct connection *
choose_quick(const struct request_target *target)
{
	list_for_each(link, &target->connections) {
		struct connection *connection = container_of(
			link, struct connection, link);

		if (has_room(target, connection) &&
		    connection->bytes_in_flight <
			    connection_pace(connection, QUICK_TIME))
			return connection;
	}
	return NULL;
}

/*
 * Requests that come together go to one connection, up to so many bytes of
 * them: they leave the library in one system call, and so do their answers the
 * server. A server that takes its time answers one by one, so that later
 * requests find the connection with the least to do.
 */
#define BATCH_BYTES (64u << 10)

struct connection *
target_choose_for_batch(struct request_target *target, uint64_t now)
{
	struct batch *batch = &target->batch;
	struct connection *connection = batch->connection;

	if (connection && batch->turn == now && has_room(target, connection) &&
	    connection->bytes_in_flight < batch->bytes_limit)
		return connection;
	connection = choose_quick(target);
	if (!connection)
		connection = target_choose(target);
	*batch = (struct batch){
		.turn = now,
		.connection = connection,
		.bytes_limit = connection ? connection->bytes_in_flight +
						    BATCH_BYTES
					  : 0,
	};
	return connection;
}
