/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The functions that GnuTLS calls to send and receive. Sending only fills the
 * buffer; it goes to the stream when somebody flushes it or when it is full.
 */
#include "client-lib/stream/tls_transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int
tls_transport_flush(struct tls_transport *transport)
{
	if (transport->send_errno) {
		errno = transport->send_errno;
		return STREAM_FAILED;
	}
	while (tls_transport_unsent(transport) > 0) {
		const struct iovec rest = {
			.iov_base = transport->out + transport->out_begin,
			.iov_len = tls_transport_unsent(transport),
		};
		ssize_t n = stream_send(transport->below, &rest, 1, false);

		if (n == STREAM_AGAIN)
			return STREAM_AGAIN;
		if (n < 0) {
			transport->send_errno = errno;
			transport->out_begin = transport->out_end;
			return STREAM_FAILED;
		}
		transport->out_begin += (size_t)n;
	}
	transport->out_begin = 0;
	transport->out_end = 0;
	return 0;
}

/* Room for WANTED bytes if possible, at least for one. How much there is. */
static size_t
make_room(struct tls_transport *transport, size_t wanted)
{
	size_t unsent;

	if (TLS_OUT_SIZE - transport->out_end >= wanted)
		return wanted;
	(void)tls_transport_flush(transport);
	unsent = tls_transport_unsent(transport);
	if (transport->out_begin > 0) {
		memmove(transport->out, transport->out + transport->out_begin,
			unsent);
		transport->out_begin = 0;
		transport->out_end = unsent;
	}
	if (TLS_OUT_SIZE - unsent < wanted)
		return TLS_OUT_SIZE - unsent;
	return wanted;
}

static ssize_t
fail_with(struct tls_transport *transport, int errnum)
{
	transport->would_block |= errnum == EAGAIN;
	gnutls_transport_set_errno(transport->session, errnum);
	return -1;
}

/* What cannot be sent any more is swallowed, so that an alert of the peer,
 * which says why, can still be read. */
static ssize_t
push(gnutls_transport_ptr_t pointer, const void *bytes, size_t size)
{
	struct tls_transport *transport = pointer;
	size_t room = make_room(transport, size);

	if (transport->send_errno)
		return (ssize_t)size;
	if (room == 0)
		return fail_with(transport, EAGAIN);
	memcpy(transport->out + transport->out_end, bytes, room);
	transport->out_end += room;
	return (ssize_t)room;
}

/* One read from the stream: 1 there is something, 0 the end, or -1 with the
 * session's errno. */
static ssize_t
refill(struct tls_transport *transport)
{
	const struct iovec room = { transport->in, TLS_IN_SIZE };
	ssize_t n;

	if (transport->has_ended)
		return 0;
	if (transport->is_drained)
		return fail_with(transport, EAGAIN);
	n = stream_receive(transport->below, &room, 1);
	if (n == STREAM_AGAIN) {
		transport->is_drained = true;
		return fail_with(transport, EAGAIN);
	}
	if (n == STREAM_FAILED) {
		transport->receive_errno = errno;
		return fail_with(transport, errno);
	}
	if (n == 0) {
		transport->has_ended = true;
		return 0;
	}
	/* A read that gave less than it might have left nothing behind. */
	transport->is_drained = n < TLS_IN_SIZE;
	transport->in_begin = 0;
	transport->in_end = (size_t)n;
	return 1;
}

static ssize_t
pull(gnutls_transport_ptr_t pointer, void *bytes, size_t size)
{
	struct tls_transport *transport = pointer;
	size_t n = tls_transport_unread(transport);

	if (n == 0) {
		ssize_t result = refill(transport);

		if (result <= 0)
			return result;
		n = tls_transport_unread(transport);
	}
	if (n > size)
		n = size;
	memcpy(bytes, transport->in + transport->in_begin, n);
	transport->in_begin += n;
	return (ssize_t)n;
}

/* Nobody waits here: GnuTLS shall try, pull() says whether there is anything. */
static int
pull_timeout(gnutls_transport_ptr_t pointer, unsigned milliseconds)
{
	(void)pointer;
	(void)milliseconds;
	return 1;
}

int
tls_transport_init(struct tls_transport *transport, gnutls_session_t session,
		   struct stream *below)
{
	*transport = (struct tls_transport){
		.session = session,
		.below = below,
		.out = malloc(TLS_OUT_SIZE),
		.in = malloc(TLS_IN_SIZE),
	};
	if (!transport->out || !transport->in) {
		errno = ENOMEM;
		return -1;
	}
	gnutls_transport_set_ptr(session, transport);
	gnutls_transport_set_push_function(session, push);
	gnutls_transport_set_pull_function(session, pull);
	gnutls_transport_set_pull_timeout_function(session, pull_timeout);
	return 0;
}

void
tls_transport_done(struct tls_transport *transport)
{
	free(transport->out);
	free(transport->in);
	*transport = (struct tls_transport){ 0 };
}
