/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies an export to a file, one event at a time. */
#include "client-lib/examples/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
complain(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, nbd_get_error());
	return -1;
}

int
reader_open(struct reader *reader, const char *uri, const char *path)
{
	*reader = (struct reader){ .file = -1 };
	reader->h = nbd_create();
	if (!reader->h)
		return complain("creating a handle");
	reader->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			    0666);
	if (reader->file < 0) {
		perror(path);
		return -1;
	}
	if (nbd_aio_connect_uri(reader->h, uri) == -1)
		return complain(uri);
	return 0;
}

void
reader_event(struct reader *reader, bool is_readable, bool is_writable)
{
	unsigned direction = nbd_aio_get_direction(reader->h);
	int result = 0;

	/* One of them: the first may change what the second would mean. */
	if (is_readable && direction & LIBNBD_AIO_DIRECTION_READ)
		result = nbd_aio_notify_read(reader->h);
	else if (is_writable && direction & LIBNBD_AIO_DIRECTION_WRITE)
		result = nbd_aio_notify_write(reader->h);
	if (result == -1) {
		complain("talking to the server");
		reader->has_failed = true;
	}
}

/* Runs under the lock of the handle, so it only takes note: the next read is
 * queued by reader_continue(). */
static int
read_is_complete(void *user_data, int *error)
{
	struct block *block = user_data;
	struct reader *reader = block->reader;
	ssize_t n = -1;

	if (*error)
		fprintf(stderr, "reading: %s\n", strerror(*error));
	else
		n = pwrite(reader->file, block->data, block->length,
			   (off_t)block->offset);
	if (n == (ssize_t)block->length)
		reader->n_written += block->length;
	else
		reader->has_failed = true;
	block->is_busy = false;
	/* Retire the command: nobody will ask for its cookie. */
	return 1;
}

static int
queue_read(struct reader *reader, struct block *block)
{
	nbd_completion_callback completion = {
		.callback = read_is_complete,
		.user_data = block,
	};
	uint64_t left = reader->size - reader->next;

	block->reader = reader;
	block->is_busy = true;
	block->offset = reader->next;
	block->length = left < READER_BLOCK ? (size_t)left : READER_BLOCK;
	reader->next += block->length;
	if (nbd_aio_pread(reader->h, block->data, block->length, block->offset,
			  completion, 0) == -1)
		return complain("queueing a read");
	return 0;
}

static int
find_size(struct reader *reader)
{
	int64_t size = nbd_get_size(reader->h);

	if (size == -1)
		return complain("asking for the size");
	reader->size = (uint64_t)size;
	reader->has_size = true;
	return 0;
}

static int
queue_reads(struct reader *reader)
{
	for (int i = 0; i < READER_DEPTH; i++)
		if (!reader->blocks[i].is_busy && reader->next < reader->size &&
		    queue_read(reader, &reader->blocks[i]) == -1)
			return -1;
	return 0;
}

int
reader_continue(struct reader *reader)
{
	if (reader->has_failed || nbd_aio_is_dead(reader->h))
		return -1;
	if (nbd_aio_is_connecting(reader->h))
		return 1;
	if (nbd_aio_is_closed(reader->h)) {
		if (reader->is_leaving)
			return 0;
		fprintf(stderr, "the server has gone\n");
		return -1;
	}
	if (!reader->has_size && find_size(reader) == -1)
		return -1;
	if (queue_reads(reader) == -1)
		return -1;
	if (reader->n_written == reader->size && !reader->is_leaving) {
		reader->is_leaving = true;
		if (nbd_aio_disconnect(reader->h, 0) == -1)
			return complain("taking leave");
	}
	return 1;
}

void
reader_close(struct reader *reader)
{
	nbd_close(reader->h);
	if (reader->file >= 0)
		close(reader->file);
}

int
reader_main(int argc, char **argv, int (*run)(struct reader *reader))
{
	static struct reader reader;
	int result = -1;

	if (argc != 3) {
		fprintf(stderr, "usage: %s URI FILE\n", argv[0]);
		return EXIT_FAILURE;
	}
	if (reader_open(&reader, argv[1], argv[2]) == 0)
		result = run(&reader);
	reader_close(&reader);
	return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
