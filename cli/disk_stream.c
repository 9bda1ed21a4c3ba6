/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Standard input or output as a disk: offsets only go up. A read at the end of
 * input is shortened, to nothing at last; zeroes are written out.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/export_facts.h"

static int
stream_read(struct disk_request *request)
{
	void *bytes;
	struct payload data = payload_allocate(request->length, &bytes);
	size_t got = 0;

	while (got < request->length) {
		ssize_t n = read(STDIN_FILENO, (char *)bytes + got,
				 request->length - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int errnum = errno;

			payload_release(&data);
			return fail_errno(errnum, "read standard input");
		}
		if (n == 0)
			break;
		got += (size_t)n;
	}
	data.length = got;
	request->length = got;
	request->data = data;
	return EXIT_OK;
}

static int
write_all(const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(errno, "write to standard output");
		bytes += n;
		length -= (size_t)n;
	}
	return EXIT_OK;
}

static int
write_zeroes(uint64_t length)
{
	static const char zeroes[65536];
	int status = EXIT_OK;

	while (length > 0 && status == EXIT_OK) {
		size_t n = length < sizeof(zeroes) ? (size_t)length
						   : sizeof(zeroes);

		status = write_all(zeroes, n);
		length -= n;
	}
	return status;
}

static int
stream_run(struct disk_request *request)
{
	switch (request->command) {
	case DISK_READ:
		return stream_read(request);
	case DISK_WRITE:
		return write_all(request->data.bytes, request->data.length);
	case DISK_ZERO:
		return write_zeroes(request->length);
	case DISK_FLUSH:
	case DISK_CACHE:
		return EXIT_OK;
	case DISK_TRIM:
	case DISK_BLOCK_STATUS:
		break;
	}
	return fail(EXIT_NOT_SUPPORTED, ENOTSUP, NULL, "a pipe cannot do that");
}

static void
stream_submit(struct disk *disk, struct disk_request *request)
{
	(void)disk;
	disk_done_at_once(request, stream_run(request));
}

static int
stream_close(struct disk *disk)
{
	export_free(disk->export);
	free(disk);
	return EXIT_OK;
}

static const struct disk_ops stream_ops = {
	.submit = stream_submit,
	.wait = disk_wait_at_once,
	.close = stream_close,
};

int
disk_open_stream(const struct options *options, enum disk_mode mode,
		 struct disk **disk)
{
	struct disk *stream = malloc(sizeof(*stream));

	if (!stream)
		return fail_errno(ENOMEM, "no memory");
	*stream = (struct disk){
		.ops = &stream_ops,
		.options = options,
		.name = mode == DISK_FOR_READING ? "standard input"
						 : "standard output",
		.export = export_new(),
		.size = DISK_SIZE_UNKNOWN,
		.max_payload = 1 << 20,
		.max_in_flight = 64,
		.alignment = 1,
		.is_sequential = true,
	};
	list_init(&stream->done);
	/* A reader that has enough is an error like another: requests in
	 * flight are finished first. */
	if (mode == DISK_FOR_WRITING)
		signal(SIGPIPE, SIG_IGN);
	if (!stream->export) {
		free(stream);
		return fail_errno(ENOMEM, "no memory");
	}
	stream->export->can_zero = true;
	*disk = stream;
	return EXIT_OK;
}
