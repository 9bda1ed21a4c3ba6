/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receiving. The stream is read into one large buffer, as much as is there,
 * and everything complete is handled before the next read. While the rest of
 * a read's payload is outstanding it is read straight to where the caller
 * wants it, with the buffer behind it for what follows.
 */
#include "client-lib/engine/receive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/chunk.h"
#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"
#include "client-lib/wire/reader.h"
#include "common/hints.h"

enum {
	/* When the replies awaited carry at least this much on average, only
	 * headers are read ahead, so that payloads are copied once. */
	LARGE_READS = 32 * 1024,
	SMALL_READ_AHEAD = 32,
	MAX_LAST_WORDS = 1 << 20,
};

void
receive_done(struct receive *receive)
{
	free(receive->buffer);
	receive->buffer = NULL;
	extents_done(&receive->extents);
}

int
receive_start(struct receive *receive)
{
	if (!receive->buffer)
		receive->buffer = malloc(RECEIVE_BUFFER_SIZE);
	if (!receive->buffer)
		return fail(ENOMEM, "connect: no memory for a buffer");
	receive->begin = 0;
	receive->end = 0;
	ahead_start(&receive->ahead);
	return 0;
}

/* Moves what is buffered to the front. */
static void
compact(struct receive *receive)
{
	size_t n = receive_buffered(receive);

	if (receive->begin == 0)
		return;
	if (n > 0)
		memmove(receive->buffer, receive->buffer + receive->begin, n);
	receive->begin = 0;
	receive->end = n;
}

/* EXPORT_NAME has no reply that could say no, and in TLS 1.3 a server looks at
 * the client's certificate when the client's handshake is over. */
static const char *
hint(const struct nbd_handle *h)
{
	if (h->state == STATE_EXPORT_NAME)
		return "; it may not have the export, or require TLS";
	if (h->state == STATE_OPTION_REPLY && h->negotiated.tls)
		return "; it may not accept the client's TLS certificate";
	/* nbd-server before 3.15 leaves the rest of such an option unread. */
	if (h->state == STATE_OPTION_REPLY && h->option.has_refused_unknown)
		return "; it may have lost its way after an option that it "
		       "does "
		       "not know: without the handshake flag "
		       "LIBNBD_HANDSHAKE_FLAG_FIXED_NEWSTYLE none is sent";
	return "";
}

enum step
receive_need(struct nbd_handle *h, size_t count, const uint8_t **bytes)
{
	struct receive *receive = &h->receive;

	while (receive_buffered(receive) < count) {
		struct iovec room;
		ssize_t n;

		compact(receive);
		room.iov_base = receive->buffer + receive->end;
		room.iov_len = RECEIVE_BUFFER_SIZE - receive->end;
		n = stream_receive(h->stream, &room, 1);
		if (n == STREAM_AGAIN)
			return STEP_BLOCKED;
		if (n == STREAM_FAILED)
			return dead(h, errno, "%s: while %s%s",
				    stream_failure(h->stream, "recv"),
				    engine_state_description(h), hint(h));
		if (n == 0)
			return dead(h, ENOTCONN,
				    "recv: server disconnected unexpectedly "
				    "while %s%s",
				    engine_state_description(h), hint(h));
		receive->end += (size_t)n;
		h->stats.bytes_received += (uint64_t)n;
	}
	*bytes = receive->buffer + receive->begin;
	return STEP_AGAIN;
}

/* Has the server nothing left to answer but our goodbye? */
static bool
awaits_nothing(const struct nbd_handle *h)
{
	return h->is_disconnecting && h->n_in_flight <= 1;
}

/* The peer sends nothing more. Between replies that is a way to say goodbye,
 * inside of one it is not. */
COLD static enum step
end_of_stream(struct nbd_handle *h)
{
	if ((h->receive.state == RECEIVE_HEADER &&
	     receive_buffered(&h->receive) == 0) ||
	    awaits_nothing(h))
		return engine_close(h);
	return dead(h, ENOTCONN,
		    "recv: server disconnected unexpectedly in the middle of "
		    "a reply");
}

COLD static enum step
receive_failed(struct nbd_handle *h, int errnum)
{
	/* Servers that leave unread bytes behind reset what we asked them to
	 * close. */
	if (h->is_disconnecting && errnum == ECONNRESET)
		return end_of_stream(h);
	return dead(h, errnum, "%s", stream_failure(h->stream, "recv"));
}

/* How much of what follows the current piece is wanted in the buffer. */
static size_t
read_ahead(const struct nbd_handle *h)
{
	const struct receive *receive = &h->receive;
	size_t wanted = SMALL_READ_AHEAD;

	if (h->n_reads == 0 || h->read_bytes / h->n_reads < LARGE_READS)
		return RECEIVE_BUFFER_SIZE;
	switch (receive->state) {
	case RECEIVE_HEADER:
	case RECEIVE_DATA:
		break;
	case RECEIVE_CHUNK:
		if (receive->reply.type == NBD_REPLY_TYPE_OFFSET_DATA)
			break;
		wanted += receive->remaining;
		break;
	case RECEIVE_EXTENTS:
	case RECEIVE_SKIP:
		wanted += receive->remaining;
		break;
	}
	return wanted;
}

static ssize_t
receive_vectors(struct nbd_handle *h, const struct iovec *vectors,
		int n_vectors)
{
	if (!h->receive.may_sleep)
		return stream_receive(h->stream, vectors, n_vectors);
	h->receive.may_sleep = false;
	return stream_receive_sleeping(h->stream, vectors, n_vectors);
}

/* The rest of a payload has come, or part of it. Returns how much. */
static size_t
take_direct(struct receive *receive, size_t n, size_t direct)
{
	size_t landed = n < direct ? n : direct;

	if (direct > 0) {
		receive->target += landed;
		receive->remaining -= landed;
	}
	return landed;
}

/* One read from the stream: AGAIN if there may be more, BLOCKED if it gave
 * less than there was room for; *N is 0 if nothing came. */
APART static enum step
fill(struct nbd_handle *h, size_t *n_received)
{
	struct receive *receive = &h->receive;
	struct ahead *ahead = &receive->ahead;
	struct iovec *vectors = ahead->vectors;
	size_t direct = 0, room, behind;
	ssize_t n;

	*n_received = 0;
	compact(receive);
	if (receive->state == RECEIVE_DATA && receive->command)
		direct = (size_t)receive->remaining;
	vectors[0] = (struct iovec){ receive->target, direct };
	room = direct + ahead_build(h, read_ahead(h));

	n = direct > 0
		    ? receive_vectors(h, vectors, 1 + ahead_n_vectors(ahead))
		    : receive_vectors(h, vectors + 1, ahead_n_vectors(ahead));
	if (n == STREAM_AGAIN)
		return STEP_BLOCKED;
	if (n == STREAM_FAILED)
		return receive_failed(h, errno);
	if (n == 0)
		return end_of_stream(h);
	*n_received = (size_t)n;
	h->stats.bytes_received += (uint64_t)n;
	behind = (size_t)n - take_direct(receive, (size_t)n, direct);
	if (ahead->n_foreseen > 0)
		ahead_received(h, behind);
	else
		receive->end += behind;
	return (size_t)n == room || stream_has_pending(h->stream)
		       ? STEP_AGAIN
		       : STEP_BLOCKED;
}

/* After our goodbye a server may say what it likes, but not for ever. */
COLD static enum step
ignore_last_words(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;

	debug_log(&h->debug, "ignoring what follows the disconnect");
	receive->heard_last_words = true;
	receive->command = NULL;
	receive->remaining = MAX_LAST_WORDS;
	receive->state = RECEIVE_SKIP;
	return STEP_AGAIN;
}

/* A header: its first bytes may already tell that it is none. */
static enum step
take_header(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;

	switch (reply_parse(receive->buffer + receive->begin,
			    receive_buffered(receive),
			    h->negotiated.extended_headers, &receive->reply)) {
	case WIRE_SHORT:
		return STEP_BLOCKED;
	case WIRE_INVALID:
		if (awaits_nothing(h) && !receive->heard_last_words)
			return ignore_last_words(h);
		return dead(h, EPROTO,
			    "invalid or unexpected reply magic 0x%08x",
			    load_be32(receive->buffer + receive->begin));
	case WIRE_OK:
		break;
	}
	receive_consume(receive, receive->reply.header_size);
	h->stats.chunks_received++;
	return chunk_begin(h);
}

static enum step
take_fixed(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	const uint8_t *payload = receive->buffer + receive->begin;
	size_t needed = chunk_fixed_size(h);

	if (receive_buffered(receive) < needed)
		return STEP_BLOCKED;
	receive_consume(receive, needed);
	receive->remaining -= needed;
	return chunk_fixed(h, payload, needed);
}

/* As much of the payload as is buffered, but not more than the payload. */
static size_t
available(const struct receive *receive)
{
	size_t n = receive_buffered(receive);

	return n < receive->remaining ? n : (size_t)receive->remaining;
}

static enum step
take_data(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	size_t n;

	if (receive->ahead.left > 0 && ahead_has_payload(h)) {
		ahead_take_payload(h);
		return receive->remaining > 0 ? STEP_BLOCKED : chunk_end(h);
	}
	n = available(receive);
	if (n > 0) {
		memcpy(receive->target, receive->buffer + receive->begin, n);
		receive_consume(receive, n);
		receive->target += n;
		receive->remaining -= n;
	}
	return receive->remaining > 0 ? STEP_BLOCKED : chunk_end(h);
}

APART static enum step
take_extents(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	bool is_extended = h->negotiated.extended_headers;
	size_t size = is_extended ? 16 : 8;

	while (receive->remaining > 0) {
		const uint8_t *at = receive->buffer + receive->begin;

		if (receive_buffered(receive) < size)
			return STEP_BLOCKED;
		if (is_extended)
			extents_take(&receive->extents, load_be64(at),
				     load_be64(at + 8));
		else
			extents_take(&receive->extents, load_be32(at),
				     load_be32(at + 4));
		receive_consume(receive, size);
		receive->remaining -= size;
	}
	return chunk_end(h);
}

static enum step
take_skip(struct nbd_handle *h)
{
	struct receive *receive = &h->receive;
	size_t n = available(receive);

	receive_consume(receive, n);
	receive->remaining -= n;
	return receive->remaining > 0 ? STEP_BLOCKED : chunk_end(h);
}

/* One command is complete and this run is to stop there. What it leaves, the
 * descriptor does not tell of. */
static void
stop(struct nbd_handle *h)
{
	h->receive.has_stopped = true;
	h->receive.is_interrupted = receive_buffered(&h->receive) > 0 ||
				    stream_has_pending(h->stream);
}

/* Handles what is buffered: BLOCKED when the rest is no whole piece, or when it
 * has stopped. */
static enum step
take_buffered(struct nbd_handle *h)
{
	int n_in_flight = h->n_in_flight;

	for (;;) {
		enum step step = STEP_BLOCKED;

		switch (h->receive.state) {
		case RECEIVE_HEADER:
			step = take_header(h);
			break;
		case RECEIVE_CHUNK:
			step = take_fixed(h);
			break;
		case RECEIVE_DATA:
			step = take_data(h);
			break;
		case RECEIVE_EXTENTS:
			step = take_extents(h);
			break;
		case RECEIVE_SKIP:
			step = take_skip(h);
			break;
		}
		if (step == STEP_BLOCKED && h->receive.ahead.left > 0)
			ahead_gather(h);
		else if (step != STEP_AGAIN || h->state != STATE_TRANSFER)
			return step;
		if (h->receive.one_at_a_time && h->n_in_flight < n_in_flight) {
			stop(h);
			return STEP_BLOCKED;
		}
	}
}

HOT enum step
receive_run(struct nbd_handle *h)
{
	enum step filled = STEP_AGAIN;

	h->receive.has_stopped = false;
	h->receive.is_interrupted = false;
	/* Bytes may be left from the handshake. */
	for (;;) {
		size_t n;
		enum step step = take_buffered(h);

		if (step != STEP_BLOCKED || filled != STEP_AGAIN ||
		    h->receive.has_stopped)
			return step;
		filled = fill(h, &n);
		if (filled == STEP_FAILED || h->state != STATE_TRANSFER)
			return filled;
		if (n == 0)
			return STEP_BLOCKED;
	}
}
