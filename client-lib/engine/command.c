/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a command. It gets a cookie and waits in the transmitter's
 * queue; its reply, or the end of the connection, completes it; the user (or
 * its completion callback) retires it.
 */
#include "client-lib/engine/command.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "client-lib/base/closure.h"
#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"
#include "common/cleanup.h"

/* The member of the union that this command uses. */
static void
take_callback(struct command *command, const struct command_request *request)
{
	command->has_extent64 = request->extent64 != NULL;
	if (request->chunk) {
		command->chunk = TAKE_CLOSURE(*request->chunk);
	} else if (request->extent64) {
		command->extent64 = TAKE_CLOSURE(*request->extent64);
	} else if (request->extent) {
		command->extent = TAKE_CLOSURE(*request->extent);
	}
}

static void
release_callback(struct command *command)
{
	if (command->type == NBD_CMD_READ)
		closure_release(command->chunk);
	else if (command->has_extent64)
		closure_release(command->extent64);
	else
		closure_release(command->extent);
}

static unsigned
enough(int n_in_flight)
{
	unsigned half = (unsigned)n_in_flight / 2;

	if (half < TRANSMIT_ENOUGH)
		return TRANSMIT_ENOUGH;
	return half < TRANSMIT_PLENTY ? half : TRANSMIT_PLENTY;
}

/* A request leaves at once if nothing else is under way, so that a single one
 * loses no time; otherwise it waits for company, until somebody polls. */
static void
send_soon(struct nbd_handle *h)
{
	struct transmit *transmit = &h->transmit;
	bool is_alone = (int)transmit->n_queued == h->n_in_flight;

	if (is_alone || transmit->n_queued >= enough(h->n_in_flight) ||
	    transmit->queued_bytes >= TRANSMIT_ENOUGH_BYTES)
		(void)engine_flush(h);
}

/* What travels after the header. */
static void
take_payload(struct command *command, const struct command_request *request,
	     struct filter *filter)
{
	if (command->type == NBD_CMD_WRITE) {
		command->payload = request->payload;
		command->pieces = request->pieces;
		command->n_pieces = request->n_pieces;
		command->payload_length = command->count;
	} else if (filter && filter->payload) {
		command->filter = *filter;
		*filter = (struct filter){ 0 };
		command->payload = command->filter.payload;
		command->pieces = NULL;
		command->payload_length = filter_size(&command->filter);
	} else {
		command->payload_length = 0;
	}
}

/* Queues a checked request, which takes FILTER if there is one: the cookie, or
 * -1 if out of memory. */
static int64_t
enqueue(struct nbd_handle *h, const struct command_request *request,
	struct filter *filter)
{
	struct command *command = in_flight_add(&h->commands, h->next_cookie);
	uint64_t cookie = h->next_cookie;

	if (!command)
		return fail(ENOMEM, "%s: no memory for another command",
			    command_name(request->type));
	h->next_cookie++;
	command->type = request->type;
	command->flags = (uint16_t)request->flags;
	command->offset = request->offset;
	command->count = request->count;
	command->buffer = request->buffer;
	command->error = 0;
	command->n_excess = 0;
	command->reply_is_done = false;
	take_payload(command, request, filter);
	take_callback(command, request);
	/* There is none only with a disconnect; then it is as the last
	 * command left it, released. */
	if (request->completion)
		command->completion = TAKE_CLOSURE(*request->completion);

	h->n_in_flight++;
	if (command->type == NBD_CMD_READ) {
		h->n_reads++;
		h->read_bytes += command->count;
	}
	transmit_queue(h, command);
	return (int64_t)cookie;
}

/* FILTER is NULL for a request that has none. */
static int64_t
submit(struct nbd_handle *h, struct command_request *request,
       struct filter *filter)
{
	int64_t cookie;

	if (command_check(h, request, filter) == -1)
		return -1;
	cookie = enqueue(h, request, filter);
	if (cookie != -1)
		send_soon(h);
	return cookie;
}

static int64_t
submit_filtered(struct nbd_handle *h, struct command_request *request)
{
	CLEANUP(filter_done) struct filter filter = { 0 };

	return submit(h, request, &filter);
}

int64_t
command_submit(struct nbd_handle *h, struct command_request *request)
{
	return request->contexts ? submit_filtered(h, request)
				 : submit(h, request, NULL);
}

void
command_fail(struct command *command, int errnum)
{
	if (command->error == 0)
		command->error = errnum;
}

/* Its closures and its cookie end; the memory serves the next command. It is in
 * no list. */
static void
retire(struct nbd_handle *h, struct command *command)
{
	if (command->message)
		free(TAKE_PTR(command->message));
	if (command->filter.payload)
		filter_done(&command->filter);
	release_callback(command);
	closure_release(command->completion);
	in_flight_remove(&h->commands, command);
}

void
command_complete(struct nbd_handle *h, struct command *command)
{
	int error = command->error;
	int verdict;

	assert(command->stage != COMMAND_COMPLETE);
	list_remove(&command->link);
	command->stage = COMMAND_COMPLETE;
	coverage_done(&command->coverage);
	h->n_in_flight--;
	if (command->type == NBD_CMD_READ) {
		h->n_reads--;
		h->read_bytes -= command->count;
	}
	if (h->receive.command == command)
		h->receive.command = NULL;

	verdict = CLOSURE_CALL(command->completion, &error);
	if (verdict == -1 && error != 0)
		command->error = error;
	if (verdict == 1 || command->type == NBD_CMD_DISC)
		retire(h, command);
	else
		list_append(&h->complete, &command->link);
}

static void
complete_list(struct nbd_handle *h, struct list *list)
{
	struct list *first;

	while ((first = list_take_first(list))) {
		struct command *command = container_of(first, struct command,
						       link);

		command_fail(command, ENOTCONN);
		command_complete(h, command);
	}
}

void
command_complete_all(struct nbd_handle *h)
{
	/* Their memory is the program's again. */
	h->receive.ahead.left = 0;
	complete_list(h, &h->pending);
	transmit_end(&h->transmit);
}

void
command_retire_all(struct nbd_handle *h)
{
	struct list *first;

	while ((first = list_take_first(&h->complete)))
		retire(h, container_of(first, struct command, link));
}

int
command_completed(struct nbd_handle *h, uint64_t cookie)
{
	struct command *command;
	int error;

	if (cookie == 0)
		return fail(EINVAL, "invalid aio cookie 0");
	command = in_flight_find(&h->commands, cookie);
	if (!command || command->stage != COMMAND_COMPLETE)
		return 0;
	error = command->error;
	if (error && command->message)
		fail(error, "%s: command failed: the server says \"%s\"",
		     command_name(command->type), command->message);
	else if (error)
		fail(error, "%s: command failed", command_name(command->type));
	list_remove(&command->link);
	retire(h, command);
	return error ? -1 : 1;
}

int64_t
command_peek_completed(struct nbd_handle *h)
{
	if (!list_is_empty(&h->complete)) {
		struct command *oldest = container_of(h->complete.next,
						      struct command, link);

		return (int64_t)oldest->cookie;
	}
	if (h->n_in_flight > 0) {
		fail(0, "no in-flight command has completed yet");
		return 0;
	}
	return fail(EINVAL, "no commands are in flight");
}

int
command_in_flight_count(const struct nbd_handle *h)
{
	return h->n_in_flight;
}

int
command_queue_disconnect(struct nbd_handle *h)
{
	const struct command_request request = { .type = NBD_CMD_DISC };

	if (enqueue(h, &request, NULL) == -1)
		return -1;
	h->is_disconnecting = true;
	return 0;
}

int
engine_disconnect(struct nbd_handle *h)
{
	if (h->is_disconnecting)
		return fail(EINVAL, "cannot request more commands after "
				    "NBD_CMD_DISC");
	if (command_queue_disconnect(h) == -1)
		return -1;
	send_soon(h);
	return 0;
}

bool
engine_is_disconnecting(const struct nbd_handle *h)
{
	return h->is_disconnecting;
}

void
engine_abandon_pending(struct nbd_handle *h)
{
	struct list unsent;

	list_init(&unsent);
	transmit_take_unsent(h, &unsent);
	complete_list(h, &unsent);
}
