/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A byte transport that never blocks: a socket, or a layer on top of another
 * stream. It knows nothing about NBD. Every function returns at once and says
 * STREAM_AGAIN when the operation has to wait for the descriptor.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Results below zero of receive, send and shut_write. */
enum {
	STREAM_AGAIN = -1, /* wait until the descriptor is ready, call again */
	/* errno says why, or is 0 and stream_failure() does; nothing is
	 * recorded */
	STREAM_FAILED = -2,
};

/* What a stream waits for. */
enum {
	STREAM_WANTS_READ = 1,
	STREAM_WANTS_WRITE = 2,
};

struct stream;

struct stream_operations {
	/* Reads into VECTORS: the number of bytes, 0 at the end of the
	 * stream, STREAM_AGAIN or STREAM_FAILED. */
	ssize_t (*receive)(struct stream *stream, const struct iovec *vectors,
			   int n_vectors);
	/* Are many vectors there as cheap as one of the same size? */
	bool scatters;
	/* As receive(), but sleeps until there is something. Only after can_sleep()
	 * said yes. NULL if the layer cannot. */
	ssize_t (*receive_sleeping)(struct stream *stream,
				    const struct iovec *vectors, int n_vectors);
	/* Could receive_sleeping() be called now? NULL means no. */
	bool (*can_sleep)(struct stream *stream);
	/* The program is about to learn the descriptor, which then behaves as
	 * it is documented to. NULL: it does anyway. */
	void (*disclose)(struct stream *stream);
	/* Writes from VECTORS: the number of bytes taken, at least one.
	 * MORE promises that another send follows at once. */
	ssize_t (*send)(struct stream *stream, const struct iovec *vectors,
			int n_vectors, bool more);
	/* Sends what the layer has taken and still holds: 0 or a result. */
	int (*flush)(struct stream *stream);
	/* Says to the peer that nothing more will be sent. 0 or a result. */
	int (*shut_write)(struct stream *stream);
	/* Does the layer hold received bytes that poll(2) cannot see? NULL
	 * means it never does. */
	bool (*has_pending)(const struct stream *stream);
	/* What to poll for, as STREAM_WANTS_* bits, when the user of the
	 * stream waits for bytes to read. NULL: just that. */
	unsigned (*wants)(const struct stream *stream);
	/* Releases the stream and everything below it. */
	void (*close)(struct stream *stream);
};

/* Embedded first in each kind of stream. */
struct stream {
	const struct stream_operations *operations;
	int fd;              /* what to poll */
	const char *failure; /* a sentence about a failure that has no errno */
};

/* A stream on the connected, non-blocking socket FD, which it owns from then
 * on; NULL with errno ENOMEM leaves FD alone. */
struct stream *socket_stream_new(int fd);

/* The same for a socket that nobody else knows: until it is disclosed, a
 * receive may sleep. */
struct stream *socket_stream_new_private(int fd);

static inline ssize_t
stream_receive(struct stream *stream, const struct iovec *vectors,
	       int n_vectors)
{
	return stream->operations->receive(stream, vectors, n_vectors);
}

static inline ssize_t
stream_receive_sleeping(struct stream *stream, const struct iovec *vectors,
			int n_vectors)
{
	return stream->operations->receive_sleeping(stream, vectors, n_vectors);
}

static inline bool
stream_can_sleep(struct stream *stream)
{
	return stream->operations->can_sleep &&
	       stream->operations->can_sleep(stream);
}

static inline void
stream_disclose(struct stream *stream)
{
	if (stream->operations->disclose)
		stream->operations->disclose(stream);
}

static inline ssize_t
stream_send(struct stream *stream, const struct iovec *vectors, int n_vectors,
	    bool more)
{
	return stream->operations->send(stream, vectors, n_vectors, more);
}

static inline int
stream_flush(struct stream *stream)
{
	return stream->operations->flush(stream);
}

static inline int
stream_shut_write(struct stream *stream)
{
	return stream->operations->shut_write(stream);
}

static inline bool
stream_has_pending(const struct stream *stream)
{
	return stream->operations->has_pending &&
	       stream->operations->has_pending(stream);
}

static inline unsigned
stream_wants(const struct stream *stream)
{
	return stream->operations->wants ? stream->operations->wants(stream)
					 : STREAM_WANTS_READ;
}

/* What went wrong, for an error text; where errno tells it, WHAT was tried. */
static inline const char *
stream_failure(const struct stream *stream, const char *what)
{
	return stream->failure ? stream->failure : what;
}

static inline void
stream_close(struct stream *stream)
{
	if (stream)
		stream->operations->close(stream);
}
