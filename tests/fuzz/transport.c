/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stream without a socket. */
#include "tests/fuzz/transport.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client-lib/stream/stream.h"
#include "tests/fuzz/memory.h"

struct transport transport;

/* Keeps the compiler from leaving out what only looks. */
static volatile uint8_t seen;

void
transport_reset(void)
{
	transport = (struct transport){ .send_room = SIZE_MAX };
}

static size_t
smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static ssize_t
receive(struct stream *stream, const struct iovec *vectors, int n_vectors)
{
	size_t wanted = transport.max_receive ? transport.max_receive
					      : SIZE_MAX;
	size_t n = 0;

	(void)stream;
	if (transport.is_reset) {
		errno = ECONNRESET;
		return STREAM_FAILED;
	}
	for (int i = 0; i < n_vectors && wanted > 0; i++) {
		size_t part = smaller(smaller(vectors[i].iov_len, wanted),
				      transport.left);

		if (part == 0)
			continue;
		memcpy(vectors[i].iov_base, transport.at, part);
		transport.at += part;
		transport.left -= part;
		wanted -= part;
		n += part;
	}
	if (n > 0)
		return (ssize_t)n;
	if (transport.left > 0)
		fuzz_broken("a receive without room");
	transport.end_was_seen = transport.has_ended;
	return transport.has_ended ? 0 : STREAM_AGAIN;
}

static ssize_t
send_some(struct stream *stream, const struct iovec *vectors, int n_vectors,
	  bool more)
{
	size_t n = 0;

	(void)stream;
	(void)more;
	if (transport.is_reset) {
		errno = EPIPE;
		return STREAM_FAILED;
	}
	for (int i = 0; i < n_vectors; i++) {
		size_t part = smaller(vectors[i].iov_len, transport.send_room);
		const uint8_t *bytes = vectors[i].iov_base;

		/* What is sent has to be there. */
		for (size_t k = 0; k < part; k++)
			seen ^= bytes[k];
		transport.send_room -= part;
		n += part;
	}
	return n > 0 ? (ssize_t)n : STREAM_AGAIN;
}

static int
do_nothing(struct stream *stream)
{
	(void)stream;
	return 0;
}

static bool
has_pending(const struct stream *stream)
{
	(void)stream;
	return false;
}

static unsigned
wants(const struct stream *stream)
{
	(void)stream;
	return STREAM_WANTS_READ;
}

static void
close_stream(struct stream *stream)
{
	if (!transport.is_open)
		fuzz_broken("the stream is closed twice");
	transport.is_open = false;
	close(stream->fd);
}

static const struct stream_operations operations = {
	.receive = receive,
	.scatters = true,
	.send = send_some,
	.flush = do_nothing,
	.shut_write = do_nothing,
	.has_pending = has_pending,
	.wants = wants,
	.close = close_stream,
};

static struct stream stream = { .operations = &operations };

/* The names are the linker's. */
struct stream *__wrap_socket_stream_new(int fd);
struct stream *__wrap_socket_stream_new_private(int fd);

struct stream *
__wrap_socket_stream_new(int fd)
{
	stream.fd = fd;
	transport.is_open = true;
	return &stream;
}

struct stream *
__wrap_socket_stream_new_private(int fd)
{
	return __wrap_socket_stream_new(fd);
}
