/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TLS session as a stream. Plaintext is gathered into full records before
 * it is encrypted; what is encrypted waits in the transport's buffer until a
 * system call is worth it or the user has nothing more to send. Encrypting is
 * only begun when the record will fit, so GnuTLS never has to be asked again.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client-lib/stream/tls.h"
#include "client-lib/stream/tls_internal.h"

enum {
	/* Warnings, tickets and the like: a peer that sends more of them at
	 * once is up to something. */
	MAX_INTERRUPTIONS = 64,
};

static const struct tls_stream *
tls_of_const(const struct stream *stream)
{
	return (const struct tls_stream *)stream;
}

int
tls_errno_behind(const struct tls_stream *tls, int result)
{
	switch (result) {
	case GNUTLS_E_PULL_ERROR:
		return tls->transport.receive_errno;
	case GNUTLS_E_PUSH_ERROR:
		return tls->transport.send_errno;
	case GNUTLS_E_MEMORY_ERROR:
		return ENOMEM;
	}
	return 0;
}

static bool
is_alert(int result)
{
	return result == GNUTLS_E_FATAL_ALERT_RECEIVED ||
	       result == GNUTLS_E_WARNING_ALERT_RECEIVED;
}

void
tls_describe_failure(struct tls_stream *tls, const char *function, int result)
{
	const char *alert = NULL;

	if (is_alert(result))
		alert = gnutls_alert_get_name(gnutls_alert_get(tls->session));
	snprintf(tls->failure, sizeof(tls->failure), "%s: %s%s%s", function,
		 gnutls_strerror(result), alert ? ": " : "",
		 alert ? alert : "");
}

bool
tls_may_go_on(const struct tls_stream *tls, int *result, int *n_interruptions)
{
	switch (*result) {
	case GNUTLS_E_AGAIN:
		/* Not for want of input or room: GnuTLS says it, too, when it
		 * has dealt with a message that is no data. */
		if (tls->transport.would_block)
			return false;
		break;
	case GNUTLS_E_INTERRUPTED:
	case GNUTLS_E_WARNING_ALERT_RECEIVED:
		break;
	default:
		return false;
	}
	if (++*n_interruptions <= MAX_INTERRUPTIONS)
		return true;
	*result = GNUTLS_E_TOO_MANY_HANDSHAKE_PACKETS;
	return false;
}

void
tls_note_waiting(struct tls_stream *tls)
{
	tls->awaits_writing = gnutls_record_get_direction(tls->session) == 1 &&
			      tls_transport_unsent(&tls->transport) > 0;
}

static void
end_incoming(struct tls_stream *tls, int result)
{
	/* Some servers leave without a word once we have taken leave. */
	if (result == 0 ||
	    (result == GNUTLS_E_PREMATURE_TERMINATION && tls->has_said_bye)) {
		tls->incoming = TLS_INCOMING_ENDED;
		return;
	}
	tls->incoming = TLS_INCOMING_FAILED;
	tls->receive_errno = tls_errno_behind(tls, result);
	tls_describe_failure(tls, "gnutls_record_recv", result);
}

/* Fills the SIZE bytes at TO as far as there is plaintext. */
static size_t
receive_into(struct tls_stream *tls, uint8_t *to, size_t size)
{
	size_t n = 0;
	int n_interruptions = 0;

	while (n < size) {
		int error;
		ssize_t result = gnutls_record_recv(tls->session, to + n,
						    size - n);

		if (result > 0) {
			n += (size_t)result;
			continue;
		}
		error = (int)result;
		if (result < 0 && tls_may_go_on(tls, &error, &n_interruptions))
			continue;
		if (error == GNUTLS_E_AGAIN)
			tls_note_waiting(tls);
		else
			end_incoming(tls, error);
		break;
	}
	return n;
}

static ssize_t
say_incoming(struct tls_stream *tls)
{
	switch (tls->incoming) {
	case TLS_INCOMING_OPEN:
		return STREAM_AGAIN;
	case TLS_INCOMING_ENDED:
		return 0;
	case TLS_INCOMING_FAILED:
		break;
	}
	tls->stream.failure = tls->receive_errno ? NULL : tls->failure;
	errno = tls->receive_errno;
	return STREAM_FAILED;
}

static ssize_t
tls_receive(struct stream *stream, const struct iovec *vectors, int n_vectors)
{
	struct tls_stream *tls = tls_of(stream);
	size_t total = 0;

	tls_transport_refresh(&tls->transport);
	/* If sending fails, reading finds out what happened to the peer. */
	if (tls_transport_unsent(&tls->transport) > 0)
		(void)tls_transport_flush(&tls->transport);
	tls->awaits_writing = false;
	for (int i = 0; i < n_vectors && tls->incoming == TLS_INCOMING_OPEN;
	     i++) {
		size_t n = receive_into(tls, vectors[i].iov_base,
					vectors[i].iov_len);

		total += n;
		if (n < vectors[i].iov_len)
			break;
	}
	return total > 0 ? (ssize_t)total : say_incoming(tls);
}

/* Is there room for one more record, perhaps after sending others? */
static int
prepare_record(struct tls_stream *tls)
{
	if (tls->transport.send_errno == 0 &&
	    TLS_OUT_SIZE - tls->transport.out_end >= TLS_RECORD_MAX)
		return 0;
	return tls_transport_flush(&tls->transport);
}

/* Where in a list of vectors the next byte is. */
struct cursor {
	const struct iovec *vectors;
	int n_vectors;
	size_t offset; /* in the first one */
};

static void
advance(struct cursor *cursor, size_t n)
{
	cursor->offset += n;
	while (cursor->n_vectors > 0 &&
	       cursor->offset >= cursor->vectors->iov_len) {
		cursor->offset -= cursor->vectors->iov_len;
		cursor->vectors++;
		cursor->n_vectors--;
	}
}

/* The plaintext of the next record: in place if it is as long as can be, else
 * gathered from several vectors. Its length. */
static size_t
next_plaintext(struct tls_stream *tls, struct cursor *cursor,
	       const uint8_t **plaintext)
{
	size_t maximum = gnutls_record_get_max_size(tls->session);
	size_t n = 0;

	if (maximum > TLS_PLAINTEXT_MAX)
		maximum = TLS_PLAINTEXT_MAX;
	while (cursor->n_vectors > 0 && n < maximum) {
		const uint8_t *from = (uint8_t *)cursor->vectors->iov_base +
				      cursor->offset;
		size_t length = cursor->vectors->iov_len - cursor->offset;

		if (n == 0 && length >= maximum) {
			*plaintext = from;
			advance(cursor, maximum);
			return maximum;
		}
		if (length > maximum - n)
			length = maximum - n;
		memcpy(tls->gathered + n, from, length);
		n += length;
		advance(cursor, length);
	}
	*plaintext = tls->gathered;
	return n;
}

static ssize_t
send_failed(struct tls_stream *tls, int result)
{
	errno = tls_errno_behind(tls, result);
	if (errno == 0)
		tls_describe_failure(tls, "gnutls_record_send", result);
	tls->stream.failure = errno ? NULL : tls->failure;
	return STREAM_FAILED;
}

/* Encrypts vectors until all are taken or the stream below is full: the
 * number of bytes taken, or a result. */
static ssize_t
encrypt(struct tls_stream *tls, struct cursor *cursor)
{
	size_t total = 0;

	while (cursor->n_vectors > 0) {
		const uint8_t *plaintext;
		size_t length;
		ssize_t result = prepare_record(tls);

		if (result < 0)
			return total > 0 ? (ssize_t)total : result;
		length = next_plaintext(tls, cursor, &plaintext);
		if (length == 0)
			break;
		result = gnutls_record_send(tls->session, plaintext, length);
		if (result != (ssize_t)length)
			return send_failed(tls, (int)result);
		total += length;
		if (tls_transport_unsent(&tls->transport) >= TLS_OUT_ENOUGH)
			(void)tls_transport_flush(&tls->transport);
	}
	return (ssize_t)total;
}

static ssize_t
tls_send(struct stream *stream, const struct iovec *vectors, int n_vectors,
	 bool more)
{
	struct tls_stream *tls = tls_of(stream);
	struct cursor cursor = { vectors, n_vectors, 0 };
	ssize_t n;

	stream->failure = NULL;
	advance(&cursor, 0);
	n = encrypt(tls, &cursor);
	/* A failure here will be met by the next one who sends or flushes. */
	if (n > 0 && !more)
		(void)tls_transport_flush(&tls->transport);
	return n;
}

static int
tls_flush(struct stream *stream)
{
	stream->failure = NULL;
	return tls_transport_flush(&tls_of(stream)->transport);
}

static int
tls_shut_write(struct stream *stream)
{
	struct tls_stream *tls = tls_of(stream);
	int result = prepare_record(tls);

	stream->failure = NULL;
	if (result < 0)
		return result;
	if (!tls->has_said_bye && tls->is_complete) {
		tls->has_said_bye = true;
		result = gnutls_bye(tls->session, GNUTLS_SHUT_WR);
		if (result < 0)
			return (int)send_failed(tls, result);
	}
	result = tls_transport_flush(&tls->transport);
	return result < 0 ? result : stream_shut_write(tls->below);
}

static bool
tls_has_pending(const struct stream *stream)
{
	const struct tls_stream *tls = tls_of_const(stream);

	return tls->incoming != TLS_INCOMING_OPEN ||
	       tls_transport_unread(&tls->transport) > 0 ||
	       gnutls_record_check_pending(tls->session) > 0;
}

static unsigned
tls_wants(const struct stream *stream)
{
	const struct tls_stream *tls = tls_of_const(stream);
	unsigned wants = 0;

	if (tls_transport_unsent(&tls->transport) > 0)
		wants |= STREAM_WANTS_WRITE;
	if (!tls->awaits_writing || wants == 0)
		wants |= STREAM_WANTS_READ;
	return wants;
}

void
tls_release(struct tls_stream *tls)
{
	if (tls->session)
		gnutls_deinit(tls->session);
	tls_credentials_done(&tls->credentials);
	tls_transport_done(&tls->transport);
	tls_peer_done(&tls->peer);
	free(tls);
}

/* No goodbye: who closes without having shut the write side just goes. */
static void
tls_close(struct stream *stream)
{
	struct tls_stream *tls = tls_of(stream);
	struct stream *below = tls->below;

	tls_release(tls);
	stream_close(below);
}

const struct stream_operations tls_operations = {
	.receive = tls_receive,
	.send = tls_send,
	.flush = tls_flush,
	.shut_write = tls_shut_write,
	.has_pending = tls_has_pending,
	.wants = tls_wants,
	.close = tls_close,
};
