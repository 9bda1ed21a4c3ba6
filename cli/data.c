/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* read, write, dump, trim, zero, flush, cache: data of one target. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/hexdump.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/transfer.h"

/* FILE or "-", which is also what nothing means. */
static int
open_file_argument(const struct options *options, enum disk_mode mode,
		   uint64_t size, struct disk **file)
{
	const char *path = options->n_args > 1 ? options->args[1] : "-";

	*file = NULL;
	attempt("open %s", path);
	if (strcmp(path, "-") == 0)
		return disk_open_stream(options, mode, file);
	return disk_open_file(options, path, mode, size, file);
}

static int
run_transfer(struct transfer *transfer)
{
	const struct options *options = transfer->options;
	struct progress progress;
	int status;

	interrupt_defer();
	transfer->progress = &progress;
	transfer->jobs = options->jobs;
	progress_start(
		&progress, options,
		transfer->length == DISK_SIZE_UNKNOWN ? 0 : transfer->length);
	status = transfer_run(transfer);
	/* Short ones are done before anybody could look. */
	if (progress.shown_at)
		progress_finish(&progress);
	return status;
}

static int
close_both(struct disk *a, struct disk *b, int status)
{
	int a_status = disk_close(a), b_status = disk_close(b);

	if (status != EXIT_OK)
		return status;
	return a_status != EXIT_OK ? a_status : b_status;
}

int
run_read(const struct options *options)
{
	struct disk *disk, *file = NULL;
	uint64_t offset, length;
	int status = disk_open(options, options->args[0], DISK_FOR_READING,
			       NULL, &disk);

	if (status != EXIT_OK)
		return status;
	attempt("read from %s", disk->name);
	status = disk_range(disk, &offset, &length);
	if (status == EXIT_OK)
		status = open_file_argument(options, DISK_FOR_WRITING, length,
					    &file);
	if (status == EXIT_OK) {
		struct transfer transfer = {
			.options = options,
			.source = disk,
			.destination = file,
			.source_offset = offset,
			.length = length,
			.skip_zeroes = file->is_zero,
		};

		attempt("read %" PRIu64 " bytes at offset %" PRIu64 " of %s",
			length, offset, disk->name);
		status = run_transfer(&transfer);
	}
	return close_both(file, disk, status);
}

/* What is written: --length, or all that the file has. */
static int
write_length(const struct disk *disk, const struct disk *file, uint64_t *length)
{
	const struct options *options = disk->options;
	uint64_t offset = options->offset;

	int status = disk_check_writable(disk);

	if (status != EXIT_OK)
		return status;
	*length = options_has(options, OPTION_LENGTH) ? options->length
						      : file->size;
	if (file->size != DISK_SIZE_UNKNOWN && *length > file->size)
		return fail(EXIT_USAGE, EINVAL, "choose a smaller --length",
			    "%s has only %" PRIu64 " bytes", file->name,
			    file->size);
	if (offset > disk->size ||
	    (*length != DISK_SIZE_UNKNOWN && *length > disk->size - offset))
		return fail(EXIT_NBD, ENOSPC,
			    "choose --offset and --length inside it",
			    "%" PRIu64 " bytes at offset %" PRIu64
			    " lie beyond the end of %s, which has %" PRIu64
			    " bytes",
			    *length == DISK_SIZE_UNKNOWN ? 0 : *length, offset,
			    disk->name, disk->size);
	return EXIT_OK;
}

static int
write_file(struct disk *disk, struct disk *file)
{
	const struct options *options = disk->options;
	bool has_fua = options_has(options, OPTION_FUA);
	struct transfer transfer = {
		.options = options,
		.source = file,
		.destination = disk,
		.destination_offset = options->offset,
		.write_flags = has_fua ? DISK_FUA : 0,
	};
	int status = write_length(disk, file, &transfer.length);
	uint64_t wanted = transfer.length;

	if (status != EXIT_OK || options_has(options, OPTION_DRY_RUN))
		return status;
	attempt("write to %s at offset %" PRIu64, disk->name, options->offset);
	status = run_transfer(&transfer);
	if (status == EXIT_OK && wanted != DISK_SIZE_UNKNOWN &&
	    transfer.copied + transfer.zeroed < wanted)
		return fail(EXIT_PARTIAL, 0, "give it more input",
			    "the input ended after %" PRIu64
			    " bytes, which were written; %" PRIu64
			    " were wanted",
			    transfer.copied + transfer.zeroed, wanted);
	return status;
}

int
run_write(const struct options *options)
{
	struct disk *disk, *file = NULL;
	int status = disk_open(options, options->args[0], DISK_FOR_WRITING,
			       NULL, &disk);

	if (status != EXIT_OK)
		return status;
	status = open_file_argument(options, DISK_FOR_READING,
				    DISK_SIZE_UNKNOWN, &file);
	attempt("write to %s", disk->name);
	if (status == EXIT_OK)
		status = write_file(disk, file);
	return close_both(file, disk, status);
}

static int
dump(struct disk *disk, uint64_t offset, uint64_t length)
{
	struct hexdump hexdump;
	int status = EXIT_OK;

	hexdump_start(&hexdump, offset);
	while (length > 0 && status == EXIT_OK) {
		struct disk_request request = {
			.command = DISK_READ,
			.offset = offset,
			.length = length < 65536 ? length : 65536,
		};

		if (interrupted())
			return fail_interrupted();
		status = disk_run(disk, &request);
		if (status == EXIT_OK)
			hexdump_add(&hexdump, request.data.bytes,
				    request.data.length);
		payload_release(&request.data);
		offset += request.length;
		length -= request.length;
	}
	if (status == EXIT_OK)
		hexdump_finish(&hexdump);
	return status;
}

/* What trim, zero, cache, flush and dump share: open, do, close. */
static int
run_on_disk(const struct options *options, enum disk_mode mode,
	    int (*run)(struct disk *, uint64_t offset, uint64_t length))
{
	uint64_t offset, length;
	struct disk *disk;
	int status = disk_open(options, options->args[0], mode, NULL, &disk);

	if (status != EXIT_OK)
		return status;
	interrupt_defer();
	attempt("%s %s", options->command->verb, disk->name);
	status = disk_range(disk, &offset, &length);
	if (status == EXIT_OK && mode == DISK_FOR_WRITING)
		status = disk_check_writable(disk);
	if (status == EXIT_OK && !options_has(options, OPTION_DRY_RUN))
		status = run(disk, offset, length);
	return close_both(disk, NULL, status);
}

int
run_dump(const struct options *options)
{
	return run_on_disk(options, DISK_FOR_READING, dump);
}

static uint32_t
fua_flag(const struct disk *disk)
{
	return options_has(disk->options, OPTION_FUA) ? DISK_FUA : 0;
}

static int
trim(struct disk *disk, uint64_t offset, uint64_t length)
{
	return disk_run_range(disk, DISK_TRIM, fua_flag(disk), offset, length);
}

int
run_trim(const struct options *options)
{
	return run_on_disk(options, DISK_FOR_WRITING, trim);
}

static int
zero(struct disk *disk, uint64_t offset, uint64_t length)
{
	uint32_t flags = fua_flag(disk);

	if (options_has(disk->options, OPTION_NO_HOLE))
		flags |= DISK_NO_HOLE;
	if (options_has(disk->options, OPTION_FAST))
		flags |= DISK_FAST_ZERO;
	return disk_run_range(disk, DISK_ZERO, flags, offset, length);
}

int
run_zero(const struct options *options)
{
	return run_on_disk(options, DISK_FOR_WRITING, zero);
}

static int
cache(struct disk *disk, uint64_t offset, uint64_t length)
{
	return disk_run_range(disk, DISK_CACHE, 0, offset, length);
}

int
run_cache(const struct options *options)
{
	return run_on_disk(options, DISK_FOR_READING, cache);
}

static int
flush(struct disk *disk, uint64_t offset, uint64_t length)
{
	struct disk_request request = { .command = DISK_FLUSH };

	(void)offset;
	(void)length;
	return disk_run(disk, &request);
}

int
run_flush(const struct options *options)
{
	return run_on_disk(options, DISK_FOR_READING, flush);
}
