/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A channel outlives the daemon it was opened with: when that has gone, a new
 * call takes its place, and what has no answer is sent again. That is safe for
 * all that a channel carries: a write with the same bytes may happen twice.
 */
#include "proto/channel_internal.h"

#include <stdlib.h>

void
channel_take_back(struct channel *channel, struct channel_request *request)
{
	list_prepend(&channel->queued, &request->link);
	channel->n_queued++;
}

static void
take_back_all(struct channel *channel)
{
	for (size_t i = 0; i < channel->n_slots; i++)
		if (channel->slots[i])
			channel_take_back(channel, channel->slots[i]);
	free(channel->slots);
	free(channel->free_ids);
	channel->slots = NULL;
	channel->free_ids = NULL;
	channel->n_slots = 0;
	channel->n_free = 0;
}

bool
channel_resume(struct channel *channel)
{
	if (channel->is_given_up ||
	    !client_recover(channel->client, &channel->patience, channel->epoch,
			    &channel->error))
		return false;
	/* The old call's last batch, which its end has ended. */
	client_wait(channel->client, &channel->sending);
	take_back_all(channel);
	call_done(&channel->call);
	channel_writer_done(&channel->writer);
	channel->writer = (struct channel_writer){ 0 };
	channel->error = (struct client_error){ 0 };
	channel->is_over = false;
	channel->is_draining = false;
	channel_start(channel);
	return true;
}
