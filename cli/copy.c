/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* copy: from a file, volume or URI to another, holes apart. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/compare.h"
#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/sizes.h"
#include "cli/transfer.h"

/* To each server, unless --connections says how many; they are made when there
 * is work for them. */
#define CONNECTIONS 4

/* Opening the destination would empty the source. */
static int
check_not_same(const char *from, const char *to)
{
	struct stat a, b;

	if (strcmp(from, "-") != 0 && strcmp(from, to) == 0)
		return fail(EXIT_USAGE, EINVAL, "name two different ones",
			    "source and destination are the same");
	from += strncmp(from, "file:", 5) == 0 ? 5 : 0;
	to += strncmp(to, "file:", 5) == 0 ? 5 : 0;
	if (stat(from, &a) == 0 && stat(to, &b) == 0 && a.st_dev == b.st_dev &&
	    a.st_ino == b.st_ino)
		return fail(EXIT_USAGE, EINVAL, "name two different ones",
			    "%s and %s are the same file", from, to);
	return EXIT_OK;
}

static int
check_fits(const struct disk *source, const struct disk *destination)
{
	int status = disk_check_writable(destination);

	if (status != EXIT_OK)
		return status;
	if (source->size == DISK_SIZE_UNKNOWN ||
	    source->size <= destination->size)
		return EXIT_OK;
	return fail(EXIT_NBD, ENOSPC, "choose a larger destination",
		    "%s has %" PRIu64 " bytes, %s only %" PRIu64, source->name,
		    source->size, destination->name, destination->size);
}

static int
flush(struct disk *disk)
{
	struct disk_request request = { .command = DISK_FLUSH };

	if (!disk->export->can_flush)
		return EXIT_OK;
	attempt("have %s put on stable storage", disk->name);
	return disk_run(disk, &request);
}

static void
report(const struct options *options, const struct transfer *transfer)
{
	if (options->verbose == 0)
		return;
	fprintf(stderr,
		"nbdctl: %" PRIu64 " bytes copied, %" PRIu64 " zeroed, %" PRIu64
		" skipped\n",
		transfer->copied, transfer->zeroed, transfer->skipped);
}

/* A file that grew from a pipe ends where the pipe did. */
static int
cut_file(const struct options *options, struct disk *destination,
	 const struct transfer *transfer)
{
	const char *path = options->args[1];

	if (transfer->length != DISK_SIZE_UNKNOWN || !destination->is_zero)
		return EXIT_OK;
	path += strncmp(path, "file:", 5) == 0 ? 5 : 0;
	if (truncate(path, (off_t)(transfer->copied + transfer->zeroed +
				   transfer->skipped)) < 0)
		return fail_errno(errno, "set the file's size");
	return EXIT_OK;
}

static int
copy_disks(const struct options *options, struct disk *source,
	   struct disk *destination)
{
	struct progress progress;
	struct transfer transfer = {
		.options = options,
		.source = source,
		.destination = destination,
		.length = source->size,
		.skip_zeroes = destination->is_zero ||
			       options_has(options, OPTION_DESTINATION_IS_ZERO),
		.find_zeroes = options_has(options, OPTION_FIND_ZEROES),
		.no_holes = options_has(options, OPTION_ALLOCATED),
		.jobs = options_has(options, OPTION_JOBS) ? options->jobs : 0,
		.rate = options->rate,
		.progress = &progress,
	};
	int status = check_fits(source, destination);

	/* Skipped zeroes would be holes, and a pipe has none. */
	if (transfer.no_holes || destination->is_sequential)
		transfer.skip_zeroes = false;
	if (status != EXIT_OK || options_has(options, OPTION_DRY_RUN))
		return status;
	interrupt_defer();
	progress_start(&progress, options,
		       source->size == DISK_SIZE_UNKNOWN ? 0 : source->size);
	status = transfer_run(&transfer);
	if (status == EXIT_OK)
		status = cut_file(options, destination, &transfer);
	if (status == EXIT_OK)
		status = flush(destination);
	progress_finish(&progress);
	report(options, &transfer);
	return status;
}

static int
verify(const struct options *options, struct disk *source, const char *to)
{
	struct disk *destination;
	int status = disk_open_source(options, to, &destination);

	if (status != EXIT_OK)
		return status;
	attempt("verify the copy of %s", source->name);
	status = compare_disks(options, source, destination, source->size);
	return disk_close(destination) == EXIT_OK ? status
						  : (int)failure_code();
}

static int
copy_from(const struct options *options, struct disk *source)
{
	const char *to = options->args[1];
	struct disk *destination;
	int status;

	if (options_has(options, OPTION_VERIFY) &&
	    (source->is_sequential || strcmp(to, "-") == 0))
		return fail(EXIT_USAGE, EINVAL, "copy without --verify",
			    "what went through a pipe cannot be read again");
	/* A file would be made, or emptied. */
	if (options_has(options, OPTION_DRY_RUN) && target_is_file(to))
		return EXIT_OK;
	status = disk_open_destination(options, to, source->size, &destination);
	if (status != EXIT_OK)
		return status;
	attempt("copy %s to %s", options->args[0], to);
	status = copy_disks(options, source, destination);
	if (disk_close(destination) != EXIT_OK)
		status = (int)failure_code();
	if (status == EXIT_OK && options_has(options, OPTION_VERIFY))
		status = verify(options, source, to);
	return status;
}

static int
copy(const struct options *options)
{
	struct disk *source;
	int status;

	attempt("copy %s to %s", options->args[0], options->args[1]);
	status = check_not_same(options->args[0], options->args[1]);
	if (status == EXIT_OK)
		status = disk_open_source(options, options->args[0], &source);
	if (status != EXIT_OK)
		return status;
	status = copy_from(options, source);
	return disk_close(source) == EXIT_OK ? status : (int)failure_code();
}

int
run_copy(const struct options *options)
{
	struct options with_connections = *options;

	if (!options_has(options, OPTION_CONNECTIONS))
		with_connections.connections = CONNECTIONS;
	return copy(&with_connections);
}
