/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plain stream: a connected, non-blocking stream socket. Signals of
 * closed peers are suppressed, interrupted calls are repeated.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-lib/stream/stream.h"
#include "common/cleanup.h"

static bool
would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK;
}

static ssize_t
socket_receive(struct stream *stream, const struct iovec *vectors,
	       int n_vectors)
{
	ssize_t n;

	do {
		n = readv(stream->fd, vectors, n_vectors);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return would_block(errno) ? STREAM_AGAIN : STREAM_FAILED;
}

static ssize_t
socket_send(struct stream *stream, const struct iovec *vectors, int n_vectors,
	    bool more)
{
	/* sendmsg() only reads the vectors, its type cannot say so. */
	union {
		const struct iovec *given;
		struct iovec *wanted;
	} cast = { .given = vectors };
	struct msghdr message = {
		.msg_iov = cast.wanted,
		.msg_iovlen = (size_t)n_vectors,
	};
	int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	ssize_t n;

	do {
		n = sendmsg(stream->fd, &message, flags);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return would_block(errno) ? STREAM_AGAIN : STREAM_FAILED;
}

/* The kernel has it already. */
static int
socket_flush(struct stream *stream)
{
	(void)stream;
	return 0;
}

static int
socket_shut_write(struct stream *stream)
{
	/* A peer that is gone needs to hear nothing. */
	if (shutdown(stream->fd, SHUT_WR) == -1 && errno != ENOTCONN)
		return STREAM_FAILED;
	return 0;
}

static bool
socket_has_pending(const struct stream *stream)
{
	(void)stream;
	return false;
}

static unsigned
socket_wants(const struct stream *stream)
{
	(void)stream;
	return STREAM_WANTS_READ;
}

static void
socket_close(struct stream *stream)
{
	close(stream->fd);
	free(stream);
}

static const struct stream_operations socket_operations = {
	.receive = socket_receive,
	.send = socket_send,
	.flush = socket_flush,
	.shut_write = socket_shut_write,
	.has_pending = socket_has_pending,
	.wants = socket_wants,
	.close = socket_close,
};

struct stream *
socket_stream_new(int fd)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->operations = &socket_operations;
	stream->fd = fd;
	return stream;
}
