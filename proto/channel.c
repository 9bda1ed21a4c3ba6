/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * IO.Channel from the client's side. A request is queued, then in a slot until
 * its reply comes; the slot's number is its id on the wire. One message is sent
 * at a time, and what was queued meanwhile is the next: so batches grow with
 * the load and a lone request waits for nothing.
 */
#include "proto/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/channel_internal.h"
#include "proto/codec.h"
#include "proto/rpc_limits.h"
#include "proto/utf8.h"

/*
 * The daemon's window is 64 KiB: it wakes up to say that the rest of a longer
 * message may come. So of many small writes the first leave in a message that
 * fits, and the daemon carries these out meanwhile.
 */
#define FIRST_MAX          (60 * 1024)
#define FIRST_REQUESTS_MIN 8

/* With more of them something is under way all the time. */
#define REST_MAX 128

void
channel_complete(struct channel *channel, struct channel_request *request,
		 struct io_reply *reply, const struct client_error *error)
{
	payload_release(&request->io.data);
	channel->n_replied++;
	request->on_reply(request, reply, error);
}

/* Every request that has no answer gets the channel's error. Those that were
 * never sent have certainly not been carried out. */
static void
fail_all(struct channel *channel)
{
	struct client_error error = channel->error;
	struct list unsent;
	struct list *link;

	/* What callbacks submit meanwhile waits for the next time. */
	list_init(&unsent);
	while ((link = list_take_first(&channel->queued)))
		list_append(&unsent, link);
	if (error.applied == NBDCLIENTD__V1__APPLIED__APPLIED_UNSPECIFIED)
		error.applied = NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE;
	for (size_t i = 0; i < channel->n_slots; i++) {
		struct channel_request *request = channel->slots[i];

		if (!request)
			continue;
		channel->slots[i] = NULL;
		channel->free_ids[channel->n_free++] = (uint32_t)(i + 1);
		channel_complete(channel, request, NULL, &error);
	}
	error.applied = NBDCLIENTD__V1__APPLIED__APPLIED_NO;
	while ((link = list_take_first(&unsent))) {
		channel->n_queued--;
		channel_complete(
			channel,
			container_of(link, struct channel_request, link), NULL,
			&error);
	}
}

void
channel_set_over(struct channel *channel)
{
	struct client_error error;

	if (channel->is_over)
		return;
	channel->is_over = true;
	/* A broken answer has been noted before the call was cancelled. */
	if (channel->error.failure == CLIENT_OK &&
	    call_result(&channel->call, &error) < 0)
		channel->error = error;
}

static void
on_finished(struct event *event)
{
	struct channel *channel = channel_of_event(
		event, offsetof(struct channel, call.finished));

	/* The last message may still be on its way to us. */
	if (!channel->receiving.is_pending && !channel->is_dispatching)
		channel_set_over(channel);
}

static void
on_sent(struct event *event)
{
	struct channel *channel = channel_of_event(
		event, offsetof(struct channel, sending));

	/* If it failed, the status is on its way and says why. */
	if (event->ok)
		channel_send_queued(channel);
}

static void
refuse(struct channel *channel, struct channel_request *request)
{
	list_append(&channel->refused, &request->link);
	channel->n_refused++;
}

/* A client with patience keeps the payload: it may be sent again. */
static void
write_request(struct channel *channel, struct channel_request *request)
{
	struct payload kept = PAYLOAD_EMPTY;

	if (channel->call.client->patience_ms > 0)
		kept = payload_ref(&request->io.data);
	channel_writer_request(&channel->writer, &request->io);
	request->io.data = kept;
}

/* Would the message, which has N requests, be too long with another one that
 * makes it LENGTH? */
static bool
is_full(const struct channel *channel, size_t n, size_t length)
{
	if (n == 0)
		return false;
	if (length > RPC_BATCH_MAX)
		return true;
	return n >= FIRST_REQUESTS_MIN && channel->n_queued <= REST_MAX &&
	       !channel->is_rest && channel->writer.length <= FIRST_MAX &&
	       length > FIRST_MAX;
}

/* Moves requests from the queue into the message, as many as fit. */
static void
fill_message(struct channel *channel)
{
	size_t n = 0;

	while (channel->n_free > 0 && !list_is_empty(&channel->queued)) {
		struct channel_request *request = container_of(
			channel->queued.next, struct channel_request, link);
		size_t length;

		request->io.id = channel->free_ids[channel->n_free - 1];
		length = channel_writer_length_with_request(&channel->writer,
							    &request->io);
		if (is_full(channel, n, length)) {
			channel->is_rest = true;
			return;
		}
		list_remove(&request->link);
		channel->n_queued--;
		if (length > RPC_REQUEST_MAX) {
			refuse(channel, request);
			continue;
		}
		channel->n_free--;
		channel->slots[request->io.id - 1] = request;
		write_request(channel, request);
		n++;
	}
	channel->is_rest = false;
}

void
channel_send_queued(struct channel *channel)
{
	grpc_byte_buffer *bytes;

	if (channel->sending.is_pending || channel->is_dispatching ||
	    channel->is_draining || !channel->call.finished.is_pending)
		return;
	fill_message(channel);
	bytes = channel_writer_take(&channel->writer);
	if (bytes)
		call_send(&channel->call, bytes, false, false,
			  &channel->sending);
}

void
channel_start(struct channel *channel)
{
	struct call *call = &channel->call;
	struct client *client = channel->client;

	call_init(call, client, RPC_IO_CHANNEL, NULL,
		  gpr_inf_future(GPR_CLOCK_MONOTONIC));
	channel->epoch = client->epoch;
	utf8_copy(call->volume, sizeof(call->volume), channel->volume);
	call->finished.on_done = on_finished;
	channel->sending.on_done = on_sent;
	channel_writer_open(&channel->writer, channel->volume);
	call_send(call, channel_writer_take(&channel->writer), true, false,
		  &channel->sending);
	call_receive_status(call);
	channel_receive_next(channel);
}

static void
cancel_timed_out(struct channel *channel)
{
	channel->call.has_timed_out = true;
	call_cancel(&channel->call);
}

/* How the channel ended, for somebody who wanted more of it. */
static int
end_result(struct channel *channel, struct client_error *error)
{
	if (channel->error.failure == CLIENT_OK)
		client_error_set(&channel->error, CLIENT_BROKEN, EPIPE,
				 "the daemon ended the channel to %s",
				 channel->call.volume);
	*error = channel->error;
	return error->errno_value ? -error->errno_value : -EIO;
}

static struct channel *
channel_new(struct client *client, const char *volume, gpr_timespec deadline)
{
	struct channel *channel = calloc(1, sizeof(*channel));

	if (!channel)
		return NULL;
	list_init(&channel->queued);
	list_init(&channel->refused);
	channel->client = client;
	channel->patience.deadline = deadline;
	channel->volume = strdup(volume);
	if (!channel->volume) {
		free(channel);
		return NULL;
	}
	return channel;
}

struct channel *
channel_open(struct client *client, const char *volume, int timeout_ms,
	     struct client_error *error)
{
	gpr_timespec deadline = client_deadline(timeout_ms);
	struct channel *channel;

	*error = (struct client_error){ 0 };
	if (!client_is_usable(client, error))
		return NULL;
	channel = channel_new(client, volume, deadline);
	if (!channel) {
		client_error_set(error, CLIENT_BROKEN, ENOMEM,
				 "no memory for a channel to %s", volume);
		return NULL;
	}
	channel_start(channel);
	while (channel->n_slots == 0 &&
	       (!channel->is_over || channel_resume(channel)))
		if (!client_run_once(client, deadline))
			cancel_timed_out(channel);
	channel->patience.deadline = gpr_inf_future(GPR_CLOCK_MONOTONIC);
	if (!channel->is_over)
		return channel;
	end_result(channel, error);
	channel_free(channel);
	return NULL;
}

const Nbdclientd__V1__ChannelOpened *
channel_opened(const struct channel *channel)
{
	return channel->opened;
}

void
channel_submit(struct channel *channel, struct channel_request *request)
{
	struct client_error ignored;

	list_append(&channel->queued, &request->link);
	channel->n_queued++;
	if (client_is_usable(channel->call.client, &ignored))
		channel_send_queued(channel);
}

size_t
channel_pending(const struct channel *channel)
{
	return channel->n_queued + channel->n_refused +
	       (channel->n_slots - channel->n_free);
}

static void
fail_refused(struct channel *channel)
{
	struct list *link;

	while ((link = list_take_first(&channel->refused))) {
		struct channel_request *request = container_of(
			link, struct channel_request, link);
		struct client_error error;

		channel->n_refused--;
		client_error_set(&error, CLIENT_BROKEN, EMSGSIZE,
				 "a request with %zu bytes of data is larger "
				 "than the %u that the daemon takes at once",
				 request->io.data.length, RPC_REQUEST_MAX);
		error.applied = NBDCLIENTD__V1__APPLIED__APPLIED_NO;
		channel_complete(channel, request, NULL, &error);
	}
}

/* What needs no event: true if it made any on_reply run. */
static bool
settle(struct channel *channel)
{
	size_t before = channel->n_replied;

	if (!client_is_usable(channel->call.client, &channel->error))
		channel->is_over = true;
	fail_refused(channel);
	if (channel->is_over && channel_pending(channel) > 0 &&
	    !channel_resume(channel)) {
		struct client_error error;

		end_result(channel, &error);
		fail_all(channel);
	}
	return channel->n_replied != before;
}

size_t
channel_wait(struct channel *channel, int timeout_ms)
{
	gpr_timespec deadline = client_deadline(timeout_ms);
	size_t before = channel->n_replied;

	while (!settle(channel) && channel->n_replied == before &&
	       channel_pending(channel) > 0)
		if (!client_run_once(channel->call.client, deadline))
			break;
	return channel->n_replied - before;
}

/* Waits until the call is over; false if DEADLINE passed first. */
static bool
wait_until_over(struct channel *channel, gpr_timespec deadline)
{
	while (!channel->is_over)
		if (!client_run_once(channel->call.client, deadline))
			return false;
	return true;
}

int
channel_close(struct channel *channel, int timeout_ms,
	      struct client_error *error)
{
	gpr_timespec deadline = client_deadline(timeout_ms);
	struct client *client = channel->call.client;
	bool in_time = true;

	*error = (struct client_error){ 0 };
	if (!client_is_usable(client, error))
		return -EINVAL;
	while (in_time &&
	       (settle(channel),
		channel_pending(channel) > 0 || channel->sending.is_pending))
		in_time = client_run_once(client, deadline);
	if (in_time && !channel->is_over && channel->call.finished.is_pending) {
		call_send_close(&channel->call, &channel->sending);
		in_time = wait_until_over(channel, deadline);
	}
	if (!in_time) {
		cancel_timed_out(channel);
		wait_until_over(channel, gpr_inf_future(GPR_CLOCK_MONOTONIC));
	}
	/* All is answered, so it does not matter that the daemon has gone. */
	if (channel->error.failure == CLIENT_OK ||
	    client_may_recover(client, &channel->error))
		return 0;
	return end_result(channel, error);
}

void
channel_free(struct channel *channel)
{
	struct client_error ignored;

	if (!channel)
		return;
	if (!client_is_usable(channel->call.client, &ignored))
		return;
	channel->is_given_up = true;
	call_cancel(&channel->call);
	wait_until_over(channel, gpr_inf_future(GPR_CLOCK_MONOTONIC));
	client_wait(channel->call.client, &channel->sending);
	settle(channel);
	call_done(&channel->call);
	channel_writer_done(&channel->writer);
	codec_message_free(channel->opened);
	free(channel->slots);
	free(channel->free_ids);
	free(channel->volume);
	free(channel);
}
