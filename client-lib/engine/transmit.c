/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sending requests. A batch is a list of vectors: headers and small payloads
 * side by side in a staging buffer, larger payloads where the caller has them.
 * A really large payload travels alone, because the kernel copies it faster
 * when it starts a message of its own.
 */
#include "client-lib/engine/transmit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"
#include "client-lib/wire/transmission.h"
#include "common/hints.h"

enum {
	COPY_BELOW = 2048,
	ALONE_FROM = 128 * 1024,
};

void
transmit_done(struct transmit *transmit)
{
	free(transmit->staging);
	transmit->staging = NULL;
}

/* What a request has the server do. A large read counts twice: the sooner it is
 * there the sooner both ends of the socket are at work. */
static uint64_t
work_of(const struct command *command)
{
	if (command->type == NBD_CMD_READ &&
	    command->count >= TRANSMIT_LARGE_READ)
		return 2 * command->count;
	return command->payload_length;
}

void
transmit_queue(struct nbd_handle *h, struct command *command)
{
	struct transmit *transmit = &h->transmit;

	command->stage = COMMAND_QUEUED;
	list_append(&h->pending, &command->link);
	if (transmit->n_queued++ == 0)
		transmit->queue = &command->link;
	transmit->queued_bytes += work_of(command);
}

void
transmit_end(struct transmit *transmit)
{
	transmit->state = TRANSMIT_OVER;
	transmit->n_queued = 0;
	transmit->n_early = 0;
	transmit->queued_bytes = 0;
	transmit->payload = NULL;
}

void
transmit_answered_early(struct transmit *transmit, struct command *command)
{
	command->reply_is_done = true;
	transmit->n_early++;
}

bool
transmit_has_begun(const struct transmit *transmit,
		   const struct command *command)
{
	return command->sent_begin < transmit->n_sent;
}

static void
add_vector(struct transmit *transmit, const void *bytes, size_t length)
{
	/* sendmsg() only reads, but its vectors cannot say so. */
	union {
		const void *given;
		void *wanted;
	} cast = { .given = bytes };

	transmit->vectors[transmit->n_vectors++] = (struct iovec){
		.iov_base = cast.wanted,
		.iov_len = length,
	};
	transmit->n_built += length;
	transmit->staged_last = NULL;
}

/* The LENGTH bytes just written to the staging buffer join the batch. */
static void
add_staged(struct transmit *transmit, size_t length)
{
	if (transmit->staged_last) {
		transmit->staged_last->iov_len += length;
		transmit->n_built += length;
	} else {
		add_vector(transmit, transmit->staging + transmit->staged,
			   length);
		transmit->staged_last =
			&transmit->vectors[transmit->n_vectors - 1];
	}
	transmit->staged += length;
}

static void
add_header(struct nbd_handle *h, const struct command *command)
{
	struct transmit *transmit = &h->transmit;
	const struct request request = {
		.flags = command->flags,
		.type = command->type,
		.cookie = command->cookie,
		.offset = command->offset,
		.length = command->payload_length ? command->payload_length
						  : command->count,
	};

	add_staged(transmit,
		   request_encode(transmit->staging + transmit->staged,
				  &request, h->negotiated.extended_headers));
	h->stats.chunks_sent++;
}

static void
stage_pieces(struct transmit *transmit, const struct command *command)
{
	uint8_t *to = transmit->staging + transmit->staged;

	for (size_t i = 0; i < command->n_pieces; i++) {
		const struct iovec *piece = &command->pieces[i];

		if (piece->iov_len == 0)
			continue;
		memcpy(to, piece->iov_base, piece->iov_len);
		to += piece->iov_len;
	}
	add_staged(transmit, (size_t)command->payload_length);
}

static bool
has_room_for_pieces(const struct transmit *transmit,
		    const struct command *command)
{
	return command->n_pieces <=
	       (size_t)(TRANSMIT_MAX_VECTORS - transmit->n_vectors);
}

/* Adds pieces of COMMAND from NEXT on, while there is room: how far it came.
 * Empty ones are passed over, so that there is no batch of nothing. */
static size_t
add_pieces(struct transmit *transmit, const struct command *command,
	   size_t next)
{
	for (; next < command->n_pieces; next++) {
		const struct iovec *piece = &command->pieces[next];

		if (piece->iov_len == 0)
			continue;
		if (transmit->n_vectors == TRANSMIT_MAX_VECTORS)
			break;
		add_vector(transmit, piece->iov_base, piece->iov_len);
	}
	return next;
}

static void
add_payload(struct transmit *transmit, struct command *command)
{
	size_t length = (size_t)command->payload_length;

	if (length >= ALONE_FROM || (length >= COPY_BELOW && command->pieces &&
				     !has_room_for_pieces(transmit, command))) {
		transmit->payload = command;
		transmit->next_piece = 0;
	} else if (command->pieces && length >= COPY_BELOW) {
		add_pieces(transmit, command, 0);
	} else if (command->pieces) {
		stage_pieces(transmit, command);
	} else if (length >= COPY_BELOW) {
		add_vector(transmit, command->payload, length);
	} else {
		memcpy(transmit->staging + transmit->staged, command->payload,
		       length);
		add_staged(transmit, length);
	}
}

/* Moves the oldest queued command into the batch. */
static void
add_command(struct nbd_handle *h)
{
	struct transmit *transmit = &h->transmit;
	struct command *command = container_of(transmit->queue, struct command,
					       link);

	transmit->queue = transmit->queue->next;
	transmit->n_queued--;
	transmit->queued_bytes -= work_of(command);
	command->stage = COMMAND_BATCHED;
	command->sent_begin = transmit->n_built;
	add_header(h, command);
	command->sent_end = transmit->n_built;
	if (command->payload_length > 0) {
		command->sent_end += command->payload_length;
		add_payload(transmit, command);
	}
}

static bool
has_room(const struct transmit *transmit)
{
	return transmit->n_vectors + 2 <= TRANSMIT_MAX_VECTORS &&
	       transmit->staged + NBD_EXTENDED_REQUEST_SIZE + COPY_BELOW <=
		       TRANSMIT_STAGING_SIZE;
}

/* The payload that is a batch of its own, or of several if it lies in more
 * pieces than one takes. */
static void
add_large_payload(struct transmit *transmit)
{
	const struct command *command = transmit->payload;

	if (command->pieces) {
		transmit->next_piece = add_pieces(transmit, command,
						  transmit->next_piece);
		if (transmit->next_piece < command->n_pieces)
			return;
	} else {
		add_vector(transmit, command->payload,
			   (size_t)command->payload_length);
	}
	transmit->payload = NULL;
}

static void
build_batch(struct nbd_handle *h)
{
	struct transmit *transmit = &h->transmit;

	transmit->n_vectors = 0;
	transmit->first_vector = 0;
	transmit->staged = 0;
	transmit->staged_last = NULL;
	transmit->state = TRANSMIT_BATCH;
	if (transmit->payload) {
		add_large_payload(transmit);
		return;
	}
	while (transmit->n_queued > 0 && !transmit->payload &&
	       has_room(transmit))
		add_command(h);
}

/* The stream took N bytes of the vectors. */
static void
advance(struct transmit *transmit, size_t n)
{
	transmit->n_sent += n;
	while (n > 0) {
		struct iovec *vector =
			&transmit->vectors[transmit->first_vector];

		if (n < vector->iov_len) {
			vector->iov_base = (uint8_t *)vector->iov_base + n;
			vector->iov_len -= n;
			return;
		}
		n -= vector->iov_len;
		transmit->first_vector++;
	}
}

/* Completes those commands that were answered early and have now left. */
COLD static void
complete_early(struct nbd_handle *h)
{
	list_for_each_safe(link, &h->pending) {
		struct command *command = container_of(link, struct command,
						       link);

		if (command->stage == COMMAND_QUEUED ||
		    command->sent_end > h->transmit.n_sent)
			return;
		if (!command->reply_is_done)
			continue;
		h->transmit.n_early--;
		command_complete(h, command);
	}
}

static void
finish_batch(struct nbd_handle *h)
{
	struct transmit *transmit = &h->transmit;

	if (h->is_disconnecting && !transmit_has_more(transmit))
		transmit->state = TRANSMIT_SHUTDOWN;
	else
		transmit->state = TRANSMIT_IDLE;
}

/* A peer that is gone may have said something before; that comes first. The
 * second look finds the end of the stream. */
COLD static enum step
peer_is_gone(struct nbd_handle *h, int errnum)
{
	h->transmit.state = TRANSMIT_OVER;
	for (int i = 0; i < 2 && h->state == STATE_TRANSFER; i++)
		if (receive_run(h) == STEP_FAILED)
			return STEP_FAILED;
	if (h->state != STATE_TRANSFER)
		return STEP_AGAIN;
	return dead(h, errnum, "%s: the server does not take requests",
		    stream_failure(h->stream, "send"));
}

APART static enum step
send_batch(struct nbd_handle *h)
{
	struct transmit *transmit = &h->transmit;
	ssize_t n = stream_send(h->stream,
				transmit->vectors + transmit->first_vector,
				transmit->n_vectors - transmit->first_vector,
				transmit->payload != NULL);

	if (n == STREAM_AGAIN) {
		transmit->is_blocked = true;
		return STEP_BLOCKED;
	}
	if (n < 0)
		return peer_is_gone(h, errno);
	h->stats.bytes_sent += (uint64_t)n;
	advance(transmit, (size_t)n);
	if (transmit->first_vector == transmit->n_vectors)
		finish_batch(h);
	if (transmit->n_early > 0)
		complete_early(h);
	return STEP_AGAIN;
}

static enum step
shut_down(struct nbd_handle *h)
{
	if (stream_shut_write(h->stream) == STREAM_AGAIN) {
		h->transmit.is_blocked = true;
		return STEP_BLOCKED;
	}
	h->transmit.state = TRANSMIT_OVER;
	return STEP_BLOCKED;
}

/* Nothing is left to give to the stream; what it holds back shall leave. */
static enum step
flush(struct nbd_handle *h)
{
	switch (stream_flush(h->stream)) {
	case STREAM_AGAIN:
		h->transmit.is_blocked = true;
		return STEP_BLOCKED;
	case STREAM_FAILED:
		return peer_is_gone(h, errno);
	}
	return STEP_BLOCKED;
}

HOT APART enum step
transmit_run(struct nbd_handle *h)
{
	struct transmit *transmit = &h->transmit;

	transmit->is_blocked = false;
	for (;;) {
		enum step step = STEP_BLOCKED;

		switch (transmit->state) {
		case TRANSMIT_IDLE:
			if (!transmit_has_more(transmit))
				return flush(h);
			if (!transmit->staging &&
			    !(transmit->staging = malloc(
				      TRANSMIT_STAGING_SIZE)))
				return dead(h, ENOMEM, "send: no memory");
			build_batch(h);
			continue;
		case TRANSMIT_BATCH:
			step = send_batch(h);
			break;
		case TRANSMIT_SHUTDOWN:
			return shut_down(h);
		case TRANSMIT_OVER:
			return STEP_BLOCKED;
		}
		if (step != STEP_AGAIN || h->state != STATE_TRANSFER)
			return step;
	}
}

/* Drops the vectors' bytes behind the first LENGTH. */
static void
cut_batch(struct transmit *transmit, uint64_t length)
{
	int i;

	for (i = transmit->first_vector; i < transmit->n_vectors; i++) {
		struct iovec *vector = &transmit->vectors[i];

		if (length == 0)
			break;
		if (vector->iov_len > length)
			vector->iov_len = (size_t)length;
		length -= vector->iov_len;
	}
	transmit->n_vectors = i;
	if (transmit->first_vector == transmit->n_vectors)
		transmit->state = TRANSMIT_IDLE;
}

/* Cuts what has not begun to leave off the batch: the oldest command of which
 * that is true, or the end of h->pending. */
static struct list *
unbatch(struct nbd_handle *h)
{
	struct transmit *transmit = &h->transmit;
	struct list *first = transmit->n_queued ? transmit->queue : &h->pending;
	struct command *command = NULL;

	while (first->prev != &h->pending) {
		struct command *before = container_of(first->prev,
						      struct command, link);

		if (transmit_has_begun(transmit, before))
			break;
		command = before;
		first = first->prev;
		if (transmit->payload == command)
			transmit->payload = NULL;
	}
	if (command) {
		transmit->n_built = command->sent_begin;
		cut_batch(transmit, command->sent_begin - transmit->n_sent);
	}
	return first;
}

void
transmit_take_unsent(struct nbd_handle *h, struct list *to)
{
	struct list *link = unbatch(h);
	struct command *goodbye = NULL;

	while (link != &h->pending) {
		struct command *command = container_of(link, struct command,
						       link);

		link = link->next;
		list_remove(&command->link);
		/* A disconnect is no request that could be given up. */
		if (command->type == NBD_CMD_DISC)
			goodbye = command;
		else
			list_append(to, &command->link);
	}
	h->transmit.n_queued = 0;
	h->transmit.queued_bytes = 0;
	if (goodbye)
		transmit_queue(h, goodbye);
}
