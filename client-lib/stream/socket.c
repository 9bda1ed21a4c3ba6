/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The plain stream: a connected, non-blocking stream socket. Signals of
 * closed peers are suppressed, interrupted calls are repeated.
 *
 * A socket that only we know can be left blocking: one receive that sleeps
 * then stands for a poll() and a read. All other calls say MSG_DONTWAIT.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client-lib/stream/stream.h"
#include "common/cleanup.h"
#include "common/list.h"

struct socket_stream {
	struct stream stream;
	bool is_private;  /* the program has not seen the descriptor */
	bool is_blocking; /* only ever while it is private */
};

static struct socket_stream *
socket_of(struct stream *stream)
{
	return container_of(stream, struct socket_stream, stream);
}

static bool
would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK;
}

/* The vectors are only read, the type cannot say so. */
static struct msghdr
message_of(const struct iovec *vectors, int n_vectors)
{
	union {
		const struct iovec *given;
		struct iovec *wanted;
	} cast = { .given = vectors };

	return (struct msghdr){
		.msg_iov = cast.wanted,
		.msg_iovlen = (size_t)n_vectors,
	};
}

/* A single vector the kernel takes without a message, for less. */
static ssize_t
receive_once(int fd, const struct iovec *vectors, int n_vectors, int flags)
{
	struct msghdr message;

	if (n_vectors == 1)
		return recv(fd, vectors->iov_base, vectors->iov_len, flags);
	message = message_of(vectors, n_vectors);
	return recvmsg(fd, &message, flags);
}

/* The same the other way. */
static ssize_t
send_once(int fd, const struct iovec *vectors, int n_vectors, int flags)
{
	struct msghdr message;

	if (n_vectors == 1)
		return send(fd, vectors->iov_base, vectors->iov_len, flags);
	message = message_of(vectors, n_vectors);
	return sendmsg(fd, &message, flags);
}

static ssize_t
receive(struct stream *stream, const struct iovec *vectors, int n_vectors,
	int flags)
{
	ssize_t n;

	do {
		n = receive_once(stream->fd, vectors, n_vectors, flags);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	return would_block(errno) ? STREAM_AGAIN : STREAM_FAILED;
}

static ssize_t
socket_receive(struct stream *stream, const struct iovec *vectors,
	       int n_vectors)
{
	return receive(stream, vectors, n_vectors, MSG_DONTWAIT);
}

static ssize_t
socket_receive_sleeping(struct stream *stream, const struct iovec *vectors,
			int n_vectors)
{
	return receive(stream, vectors, n_vectors, 0);
}

static bool
set_blocking(struct socket_stream *socket, bool is_blocking)
{
	int flags = fcntl(socket->stream.fd, F_GETFL);

	if (flags == -1)
		return false;
	flags = is_blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	if (fcntl(socket->stream.fd, F_SETFL, flags) == -1)
		return false;
	socket->is_blocking = is_blocking;
	return true;
}

static bool
socket_can_sleep(struct stream *stream)
{
	struct socket_stream *socket = socket_of(stream);

	return socket->is_blocking ||
	       (socket->is_private && set_blocking(socket, true));
}

static void
socket_disclose(struct stream *stream)
{
	struct socket_stream *socket = socket_of(stream);

	socket->is_private = false;
	if (socket->is_blocking)
		(void)set_blocking(socket, false);
}

static ssize_t
socket_send(struct stream *stream, const struct iovec *vectors, int n_vectors,
	    bool more)
{
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0);
	ssize_t n;

	do {
		n = send_once(stream->fd, vectors, n_vectors, flags);
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

static void
socket_close(struct stream *stream)
{
	close(stream->fd);
	free(socket_of(stream));
}

static const struct stream_operations socket_operations = {
	.receive = socket_receive,
	.scatters = true,
	.receive_sleeping = socket_receive_sleeping,
	.can_sleep = socket_can_sleep,
	.disclose = socket_disclose,
	.send = socket_send,
	.flush = socket_flush,
	.shut_write = socket_shut_write,
	.close = socket_close,
};

static struct stream *
make(int fd, bool is_private)
{
	struct socket_stream *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return NULL;
	socket->stream.operations = &socket_operations;
	socket->stream.fd = fd;
	socket->is_private = is_private;
	return &socket->stream;
}

struct stream *
socket_stream_new(int fd)
{
	return make(fd, false);
}

struct stream *
socket_stream_new_private(int fd)
{
	return make(fd, true);
}
