/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies as a whole: what a request asks for, in which turn, and what comes of
 * it. The pieces are in copy_pieces.c.
 */
#include "daemon/rpc/channel_copy.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/core/loop.h"
#include "daemon/core/volume.h"
#include "daemon/rpc/channel.h"
#include "daemon/rpc/channel_copy_private.h"
#include "daemon/rpc/peer.h"
#include "proto/rpc_limits.h"

static void
copy_free(struct channel_copy *copy)
{
	volume_unref(copy->source);
	failure_done(&copy->failure);
	free(copy);
}

void
copy_finish(struct channel_copy *copy)
{
	struct rpc_call *call = &copy->of->channel->call;

	copy->failure.maybe_applied |= copy->has_written;
	channel_answer(copy->of,
		       copy->failure.errnum == 0 ? NULL : &copy->failure);
	copy_free(copy);
	rpc_call_unref(call);
}

static bool
check(const struct io_request *from, struct failure *failure)
{
	if (from->command != NBDCLIENTD__V1__COMMAND__COMMAND_WRITE ||
	    from->data.length > 0)
		return failure_set(failure, EINVAL, FAILURE_INVALID,
				   "only a write without data has a source") ==
		       0;
	if (from->length == 0 || from->length > RPC_WRITE_MAX)
		return failure_set(failure, EINVAL, FAILURE_INVALID,
				   "one copy may be of 1 to %u bytes, and this "
				   "one is of %lu",
				   RPC_WRITE_MAX,
				   (unsigned long)from->length) == 0;
	return true;
}

static uint64_t
distance(uint64_t a, uint64_t b)
{
	return a < b ? b - a : a - b;
}

static struct channel_copy *
copy_new(struct channel_request *of, const struct io_request *from)
{
	struct channel_copy *copy = calloc(1, sizeof(*copy));

	if (!copy || copy_pieces_allocate(&of->channel->copying) < 0) {
		free(copy);
		return NULL;
	}
	list_init(&copy->link);
	copy->of = of;
	copy->source_offset = from->source_offset;
	copy->offset = from->offset;
	copy->length = from->length;
	copy->flags = from->flags;
	copy->arrived_at = clock_now();
	if (from->timeout_ms > 0)
		copy->deadline = copy->arrived_at +
				 (uint64_t)from->timeout_ms * 1000000u;
	return copy;
}

/* Bytes that are read and written are read first; and where one end is too
 * small nothing is written. */
static bool
must_be_whole(const struct channel_copy *copy)
{
	struct volume *destination = copy->of->channel->opening.volume;

	return (copy->source == destination &&
		distance(copy->offset, copy->source_offset) < copy->length) ||
	       !volume_has_range(copy->source, copy->source_offset,
				 copy->length) ||
	       !volume_has_range(destination, copy->offset, copy->length);
}

bool
channel_copy_prepare(struct channel_request *of, const struct io_request *from,
		     struct failure *failure)
{
	struct rpc_call *call = &of->channel->call;
	struct volume *source;

	if (!check(from, failure))
		return false;
	source = volume_find(rpc_call_daemon(call), from->source,
			     rpc_call_client(call));
	if (!source)
		return failure_set(failure, ENOENT, FAILURE_UNKNOWN_VOLUME,
				   "there is no volume \"%s\" to copy from",
				   from->source) == 0;
	of->copy = copy_new(of, from);
	if (!of->copy) {
		volume_unref(source);
		return failure_set(failure, ENOMEM, FAILURE_LIMIT,
				   "the daemon has no memory for a copy") == 0;
	}
	of->copy->source = source;
	of->copy->patience = volume_request_timeout(source);
	of->copy->is_whole = must_be_whole(of->copy);
	return true;
}

void
channel_copy_submit(struct channel_copy *copy)
{
	struct channel *channel = copy->of->channel;
	struct copying *copying = &channel->copying;

	rpc_call_ref(&channel->call);
	pthread_mutex_lock(&channel->lock);
	if (copying->n_busy == 0 && list_is_empty(&copying->waiting))
		window_resume(&copying->window);
	list_append(&copying->waiting, &copy->link);
	pthread_mutex_unlock(&channel->lock);
	copy_pieces_start(channel);
	rpc_call_unref(&channel->call);
}

/* With the lock held: what is left of each copy is not begun any more. Those of
 * which nothing is under way go to OVER. */
static void
cancel_waiting(struct copying *copying, struct list *over)
{
	struct list *link;

	while ((link = list_take_first(&copying->waiting))) {
		struct channel_copy *copy = container_of(
			link, struct channel_copy, link);

		failure_set(&copy->failure, ECANCELED, FAILURE_TIMEOUT,
			    "copy: the caller has gone");
		if (copy->n_busy == 0)
			list_append(over, link);
	}
}

void
channel_copy_cancel_all(struct channel *channel)
{
	struct list over;
	struct list *link;

	list_init(&over);
	pthread_mutex_lock(&channel->lock);
	channel->copying.is_cancelled = true;
	cancel_waiting(&channel->copying, &over);
	copy_pieces_cancel(&channel->copying);
	pthread_mutex_unlock(&channel->lock);
	while ((link = list_take_first(&over)))
		copy_finish(container_of(link, struct channel_copy, link));
}
