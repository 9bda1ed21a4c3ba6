/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all kinds of disk share: which kind a name means, and requests one at a
 * time. */
#include "cli/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <string.h>

#include "cli/errors.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "common/checked.h"

/* A command without payload is split at this, to show progress and to stay
 * below 32 bits. */
#define RANGE_STEP (UINT64_C(1) << 30)

bool
target_is_uri(const char *text)
{
	static const char *const schemes[] = {
		"nbd://",       "nbds://",      "nbd+unix://",
		"nbds+unix://", "nbd+vsock://", "nbds+vsock://",
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

static bool
is_volume_name(const char *text)
{
	size_t length = strlen(text);

	return length >= 1 && length <= 64 &&
	       strspn(text,
		      "abcdefghijklmnopqrstuvwxyz"
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length;
}

int
target_fail_without_daemon(void)
{
	return fail(EXIT_USAGE, EINVAL,
		    "leave --direct out, or write an NBD URI",
		    "volumes are the daemon's, and --direct does without the "
		    "daemon");
}

int
target_check(const char *text)
{
	if (target_is_uri(text) || is_volume_name(text))
		return EXIT_OK;
	return fail(EXIT_USAGE, EINVAL,
		    "write a volume's name, nbd://HOST[:PORT]/EXPORT or "
		    "nbd+unix:///EXPORT?socket=PATH",
		    "\"%s\" is neither the name of a volume nor an NBD URI",
		    text);
}

/* Payloads come and go by the thousand: the heap is to keep their memory, which
 * is in the cache, instead of getting and giving back fresh pages. */
static void
keep_freed_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 128 << 20);
}

int
disk_open(const struct options *options, const char *target,
	  enum disk_mode mode, char *const *contexts, struct disk **disk)
{
	int status = target_check(target);

	*disk = NULL;
	if (status != EXIT_OK)
		return status;
	attempt("open %s", target);
	keep_freed_memory();
	if (options_has(options, OPTION_DIRECT) && target_is_uri(target))
		return disk_open_direct(options, target, contexts, disk);
	if (options_has(options, OPTION_DIRECT))
		return target_fail_without_daemon();
	return disk_open_volume(options, target, mode, disk);
}

/* The path if NAME means a file, else NULL. */
static const char *
file_path(const char *name)
{
	if (strncmp(name, "file:", 5) == 0)
		return name + 5;
	if (!strstr(name, "://") && strchr(name, '/'))
		return name;
	return NULL;
}

bool
target_is_file(const char *name)
{
	return file_path(name) != NULL;
}

static int
open_any(const struct options *options, const char *name, enum disk_mode mode,
	 uint64_t size, struct disk **disk)
{
	const char *path = file_path(name);
	int status;

	attempt("open %s", name);
	if (strcmp(name, "-") == 0)
		return disk_open_stream(options, mode, disk);
	if (path)
		return disk_open_file(options, path, mode, size, disk);
	status = disk_open(options, name, mode, NULL, disk);
	if (status == EXIT_UNKNOWN_VOLUME)
		failure_advise("nbdctl volume ls shows the volumes; a file is "
			       "written with a slash, as in ./NAME");
	return status;
}

int
disk_open_source(const struct options *options, const char *name,
		 struct disk **disk)
{
	return open_any(options, name, DISK_FOR_READING, DISK_SIZE_UNKNOWN,
			disk);
}

int
disk_open_destination(const struct options *options, const char *name,
		      uint64_t size, struct disk **disk)
{
	return open_any(options, name, DISK_FOR_WRITING, size, disk);
}

void
disk_complete(struct disk_request *request, int status)
{
	request->status = status;
	request->disk->n_pending--;
	request->on_done(request);
}

void
disk_put_done(struct disk_request *request, int status)
{
	request->status = status;
	list_append(&request->disk->done, &request->link);
}

bool
disk_report_done(struct disk *disk)
{
	struct list done, *link;

	if (list_is_empty(&disk->done))
		return false;
	list_init(&done);
	while ((link = list_take_first(&disk->done)))
		list_append(&done, link);
	while ((link = list_take_first(&done))) {
		struct disk_request *request = container_of(
			link, struct disk_request, link);

		disk_complete(request, request->status);
	}
	return true;
}

void
disk_done_at_once(struct disk_request *request, int status)
{
	if (request->command == DISK_WRITE)
		payload_release(&request->data);
	disk_put_done(request, status);
}

void
disk_wait_at_once(struct disk *disk, int timeout_ms)
{
	(void)timeout_ms;
	disk_report_done(disk);
}

void
disk_wait(struct disk *disk, int timeout_ms)
{
	if (disk->n_pending > 0)
		disk->ops->wait(disk, timeout_ms);
}

/* Where one poll() cannot wait for both: what A has to tell ends it, and what B
 * has is fetched right after. */
static void
wait_for_one(struct disk *a, struct disk *b, int timeout_ms)
{
	if (a->n_pending > 0) {
		disk_wait(a, timeout_ms);
		timeout_ms = 0;
	}
	disk_wait(b, timeout_ms);
}

void
disk_wait_both(struct disk *a, struct disk *b, int timeout_ms)
{
	struct pollfd fds[2 * DISK_FDS_MAX];
	unsigned int n_a, n_b;

	if (a->n_pending == 0 || b->n_pending == 0 || !a->ops->prepare ||
	    !b->ops->prepare) {
		wait_for_one(a, b, timeout_ms);
		return;
	}
	n_a = a->ops->prepare(a, fds, &timeout_ms);
	n_b = b->ops->prepare(b, fds + n_a, &timeout_ms);
	/* A signal ends it, and nothing was found possible. */
	if (poll(fds, n_a + n_b, timeout_ms) >= 0) {
		b->ops->handle(b, fds + n_a);
		a->ops->handle(a, fds);
	}
	disk_report_done(b);
	disk_report_done(a);
}

static void
on_run_done(struct disk_request *request)
{
	*(bool *)request->user = true;
}

int
disk_run(struct disk *disk, struct disk_request *request)
{
	bool is_done = false;

	request->on_done = on_run_done;
	request->user = &is_done;
	disk_submit(disk, request);
	while (!is_done)
		disk_wait(disk, -1);
	return request->status;
}

bool
disk_can_copy(struct disk *disk, struct disk *source)
{
	return disk->ops->can_copy && disk->ops->can_copy(disk, source);
}

const char *
disk_command_name(enum disk_command command)
{
	switch (command) {
	case DISK_READ:
		return "read";
	case DISK_WRITE:
		return "write";
	case DISK_FLUSH:
		return "flush";
	case DISK_TRIM:
		return "trim";
	case DISK_CACHE:
		return "cache";
	case DISK_ZERO:
		return "zero";
	case DISK_BLOCK_STATUS:
		return "block status";
	}
	return "use";
}

int
disk_run_range(struct disk *disk, enum disk_command command, uint32_t flags,
	       uint64_t offset, uint64_t length)
{
	struct progress progress;
	int status = EXIT_OK;

	progress_start(&progress, disk->options, length);
	while (length > 0 && status == EXIT_OK) {
		struct disk_request request = {
			.command = command,
			.flags = flags,
			.offset = offset,
			.length = length < RANGE_STEP ? length : RANGE_STEP,
		};

		attempt("%s %" PRIu64 " bytes at offset %" PRIu64 " of %s",
			disk_command_name(command), request.length, offset,
			disk->name);
		status = interrupted() ? fail_interrupted()
				       : disk_run(disk, &request);
		if (status == EXIT_OK)
			progress_add(&progress, request.length);
		offset += request.length;
		length -= request.length;
	}
	/* Short ones are done before anybody could look. */
	if (progress.shown_at)
		progress_finish(&progress);
	return status;
}

int
disk_close(struct disk *disk)
{
	if (!disk)
		return EXIT_OK;
	while (disk->n_pending > 0)
		disk_wait(disk, -1);
	return disk->ops->close(disk);
}

int
disk_range(const struct disk *disk, uint64_t *offset, uint64_t *length)
{
	const struct options *options = disk->options;

	*offset = options->offset;
	*length = options_has(options, OPTION_LENGTH) ? options->length
		  : disk->size > *offset              ? disk->size - *offset
						      : 0;
	if (!checked_range(*offset, *length, disk->size))
		return fail(EXIT_NBD, EINVAL,
			    "choose --offset and --length inside it",
			    "%" PRIu64 " bytes at offset %" PRIu64
			    " lie beyond the end of %s, which has %" PRIu64
			    " bytes",
			    *length, *offset, disk->name, disk->size);
	return EXIT_OK;
}

int
disk_check_writable(const struct disk *disk)
{
	if (!disk->export->read_only)
		return EXIT_OK;
	return fail(EXIT_PERMISSION, EROFS,
		    "choose another one, or have the server export it for "
		    "writing",
		    "%s is read-only", disk->name);
}
