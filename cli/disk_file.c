/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file or block device as a disk: requests are done when they are submitted,
 * and reported in disk_wait(). Holes are those of SEEK_HOLE.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/export_facts.h"
#include "cli/options.h"
#include "common/cleanup.h"

struct file_disk {
	struct disk disk;
	int fd;
};

static struct file_disk *
of_disk(struct disk *disk)
{
	return container_of(disk, struct file_disk, disk);
}

static int
file_read(struct file_disk *file, struct disk_request *request)
{
	void *bytes;
	struct payload data = payload_allocate(request->length, &bytes);
	size_t got = 0;

	while (got < request->length) {
		ssize_t n = pread(file->fd, (char *)bytes + got,
				  request->length - got,
				  (off_t)(request->offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int errnum = n < 0 ? errno : EIO;

			payload_release(&data);
			return fail_errno(errnum,
					  n < 0 ? "read" : "the file was cut");
		}
		got += (size_t)n;
	}
	request->data = data;
	return EXIT_OK;
}

static int
write_all(int fd, const void *bytes, size_t length, uint64_t offset)
{
	for (size_t put = 0; put < length;) {
		ssize_t n = pwrite(fd, (const char *)bytes + put, length - put,
				   (off_t)(offset + put));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(errno, "write");
		put += (size_t)n;
	}
	return EXIT_OK;
}

static int
write_zeroes(struct file_disk *file, uint64_t offset, uint64_t length)
{
	static const char zeroes[65536];
	int status = EXIT_OK;

	while (length > 0 && status == EXIT_OK) {
		size_t n = length < sizeof(zeroes) ? (size_t)length
						   : sizeof(zeroes);

		status = write_all(file->fd, zeroes, n, offset);
		offset += n;
		length -= n;
	}
	return status;
}

/* A hole where the file system can, written zeroes where not. */
static int
file_zero(struct file_disk *file, const struct disk_request *request)
{
	int mode = request->flags & DISK_NO_HOLE ? FALLOC_FL_ZERO_RANGE
						 : FALLOC_FL_PUNCH_HOLE;

	if (fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE,
		      (off_t)request->offset, (off_t)request->length) == 0)
		return EXIT_OK;
	if (errno != EOPNOTSUPP && errno != ENODEV)
		return fail_errno(errno, "fallocate");
	return write_zeroes(file, request->offset, request->length);
}

static int
file_extents(struct file_disk *file, struct disk_request *request)
{
	uint64_t at = request->offset, end = at + request->length;

	while (at < end) {
		off_t data = lseek(file->fd, (off_t)at, SEEK_DATA);
		struct disk_extent extent = { 0 };
		uint64_t next;

		/* ENXIO: nothing but a hole from here. */
		if (data < 0 && errno == ENXIO)
			data = (off_t)end;
		if (data < 0 || (uint64_t)data == at) {
			off_t hole = data < 0 ? (off_t)end
					      : lseek(file->fd, (off_t)at,
						      SEEK_HOLE);

			next = hole < 0 ? end : (uint64_t)hole;
		} else {
			next = (uint64_t)data;
			extent.flags = DISK_EXTENT_HOLE | DISK_EXTENT_ZERO;
		}
		if (next > end || next <= at)
			next = end;
		extent.length = next - at;
		request->on_extents(request, "base:allocation", at, &extent, 1);
		at = next;
	}
	return EXIT_OK;
}

static int
file_run(struct file_disk *file, struct disk_request *request)
{
	switch (request->command) {
	case DISK_READ:
		return file_read(file, request);
	case DISK_WRITE:
		return write_all(file->fd, request->data.bytes,
				 request->data.length, request->offset);
	case DISK_FLUSH:
		/* EINVAL: a pipe or the like, which keeps nothing. */
		if (fdatasync(file->fd) < 0 && errno != EINVAL)
			return fail_errno(errno, "fdatasync");
		return EXIT_OK;
	case DISK_ZERO:
	case DISK_TRIM:
		return file_zero(file, request);
	case DISK_CACHE:
		return EXIT_OK;
	case DISK_BLOCK_STATUS:
		return file_extents(file, request);
	}
	return EXIT_OK;
}

static void
file_submit(struct disk *disk, struct disk_request *request)
{
	disk_done_at_once(request, file_run(of_disk(disk), request));
}

static int
file_close(struct disk *disk)
{
	struct file_disk *file = of_disk(disk);
	int status = EXIT_OK;

	if (close(file->fd) < 0) {
		attempt("close %s", disk->name);
		status = fail_errno(errno, "close");
	}
	export_free(disk->export);
	free(file);
	return status;
}

static const struct disk_ops file_ops = {
	.submit = file_submit,
	.wait = disk_wait_at_once,
	.close = file_close,
};

/* Regular files get the size wanted, devices have one. */
static int
file_measure(struct file_disk *file, enum disk_mode mode, uint64_t wanted)
{
	struct stat stat;
	uint64_t size = 0;

	if (fstat(file->fd, &stat) < 0)
		return fail_errno(errno, "fstat");
	if (S_ISBLK(stat.st_mode)) {
		if (ioctl(file->fd, BLKGETSIZE64, &size) < 0)
			return fail_errno(errno, "ask for the device's size");
	} else if (!S_ISREG(stat.st_mode)) {
		return fail(EXIT_USAGE, EINVAL, "pipe through - instead",
			    "neither a regular file nor a block device");
	} else if (mode == DISK_FOR_READING) {
		size = (uint64_t)stat.st_size;
	} else if (wanted == DISK_SIZE_UNKNOWN) {
		size = INT64_MAX;
	} else if (ftruncate(file->fd, (off_t)wanted) < 0) {
		return fail_errno(errno, "set the file's size");
	} else {
		size = wanted;
	}
	file->disk.is_zero = S_ISREG(stat.st_mode) && mode == DISK_FOR_WRITING;
	file->disk.size = size;
	return EXIT_OK;
}

int
disk_open_file(const struct options *options, const char *path,
	       enum disk_mode mode, uint64_t size, struct disk **disk)
{
	static char base_allocation[] = "base:allocation";
	char *const contexts[] = { base_allocation, NULL };
	CLEANUP_CLOSE int fd = -1;
	struct file_disk *file;
	int status;

	/* O_TRUNC: so that all of it reads as zeroes. Devices ignore it. */
	fd = mode == DISK_FOR_READING
		     ? open(path, O_RDONLY | O_CLOEXEC)
		     : open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail_errno(errno, "open");
	file = calloc(1, sizeof(*file));
	if (!file)
		return fail_errno(ENOMEM, "no memory");
	file->disk = (struct disk){
		.ops = &file_ops,
		.options = options,
		.name = path,
		.max_payload = 1 << 20,
		.max_in_flight = 64,
		.alignment = 1,
	};
	file->fd = TAKE_FD(fd);
	list_init(&file->disk.done);
	file->disk.export = export_new();
	status = file->disk.export ? file_measure(file, mode, size)
				   : fail_errno(ENOMEM, "no memory");
	if (status != EXIT_OK) {
		file_close(&file->disk);
		return status;
	}
	assert(file->disk.export);
	file->disk.export->size = file->disk.size;
	file->disk.export->can_zero = true;
	file->disk.export->can_flush = true;
	if (!export_set_contexts(file->disk.export, contexts)) {
		file_close(&file->disk);
		return fail_errno(ENOMEM, "no memory");
	}
	*disk = &file->disk;
	return EXIT_OK;
}
