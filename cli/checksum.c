/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* checksum: a transfer to a disk that keeps only the checksum. What reads as
 * zeroes is not read. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/disk.h"
#include "cli/disk_digest.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/transfer.h"

/* People know the lines of sha256sum(1), and its --check takes them. */
static int
print(const struct options *options, const char *text,
      const struct transfer *transfer)
{
	static const struct output_column columns[] = {
		{ "NAME", OUTPUT_TEXT },     { "ALGORITHM", OUTPUT_TEXT },
		{ "OFFSET", OUTPUT_NUMBER }, { "LENGTH", OUTPUT_NUMBER },
		{ "CHECKSUM", OUTPUT_TEXT },
	};
	struct output *output;

	if (options->output == OUTPUT_TABLE && !options->columns) {
		printf("%s  %s\n", text, transfer->source->name);
		return EXIT_OK;
	}
	output = output_new(options, "checksum", OUTPUT_FACTS, columns, 5);
	output_text(output, transfer->source->name);
	output_text(output, options->algorithm);
	output_number(output, transfer->source_offset);
	output_number(output, transfer->length);
	output_text(output, text);
	return output_finish(output);
}

static int
run(const struct options *options, struct disk *source, struct disk *digest)
{
	struct progress progress;
	struct transfer transfer = {
		.options = options,
		.source = source,
		.destination = digest,
		.leaves_nothing = true,
		.jobs = options->jobs,
		.progress = &progress,
	};
	int status;

	if (source->size == DISK_SIZE_UNKNOWN)
		return fail(EXIT_USAGE, EINVAL, "sha256sum(1) reads pipes",
			    "a pipe has no extents");
	status = disk_range(source, &transfer.source_offset, &transfer.length);
	if (status != EXIT_OK)
		return status;
	interrupt_defer();
	progress_start(&progress, options, transfer.length);
	status = transfer_run(&transfer);
	progress_finish(&progress);
	return status == EXIT_OK
		       ? print(options, disk_digest_finish(digest), &transfer)
		       : status;
}

int
run_checksum(const struct options *options)
{
	struct disk *source = NULL, *digest = NULL;
	int status;

	attempt("make a checksum of %s", options->args[0]);
	status = disk_open_digest(options, options->algorithm, &digest);
	if (status == EXIT_OK)
		status = disk_open_source(options, options->args[0], &source);
	attempt("make a checksum of %s", options->args[0]);
	if (status == EXIT_OK)
		status = run(options, source, digest);
	if (disk_close(source) != EXIT_OK || disk_close(digest) != EXIT_OK)
		status = (int)failure_code();
	return status;
}
