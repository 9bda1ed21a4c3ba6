/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* compare: two disks read side by side; what reads as zeroes at both ends is
 * not read at all. */
#include "cli/compare.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/extents.h"
#include "cli/families.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"

#define CHUNK (UINT64_C(256) << 10)

/* A piece of the range, read from both. */
struct pair {
	struct comparison *comparison;
	struct disk_request request[2];
	unsigned int n_waiting;
	bool is_failed;
};

struct comparison {
	struct disk *disk[2];
	struct extent_walk walk[2];
	struct progress progress;
	struct pair *pairs;
	unsigned int n_pairs;
	unsigned int n_busy;
	uint64_t chunk;
	uint64_t alignment;
	/* The first offset that differs, UINT64_MAX: none. */
	uint64_t differs_at;
	bool is_failed;
	bool is_at_end;
};

static void
pair_compare(struct pair *pair)
{
	struct comparison *comparison = pair->comparison;
	const unsigned char *a = pair->request[0].data.bytes;
	const unsigned char *b = pair->request[1].data.bytes;
	size_t length = pair->request[0].length, i = 0;

	if (memcmp(a, b, length) == 0)
		return;
	while (a[i] == b[i])
		i++;
	if (pair->request[0].offset + i < comparison->differs_at)
		comparison->differs_at = pair->request[0].offset + i;
}

static void
on_read(struct disk_request *request)
{
	struct pair *pair = request->user;
	struct comparison *comparison = pair->comparison;

	pair->is_failed |= request->status != EXIT_OK;
	if (--pair->n_waiting > 0)
		return;
	if (pair->is_failed)
		comparison->is_failed = true;
	else
		pair_compare(pair);
	progress_add(&comparison->progress, pair->request[0].length);
	payload_release(&pair->request[0].data);
	payload_release(&pair->request[1].data);
	comparison->n_busy--;
}

static void
start_pair(struct comparison *comparison, uint64_t offset, uint64_t length)
{
	struct pair *pair = comparison->pairs;

	while (pair->n_waiting > 0)
		pair++;
	comparison->n_busy++;
	pair->comparison = comparison;
	pair->n_waiting = 2;
	pair->is_failed = false;
	for (int i = 0; i < 2; i++) {
		pair->request[i] = (struct disk_request){
			.command = DISK_READ,
			.offset = offset,
			.length = length,
			.on_done = on_read,
			.user = pair,
		};
		disk_submit(comparison->disk[i], &pair->request[i]);
	}
}

static int
start_next(struct comparison *comparison)
{
	uint64_t offset = comparison->walk[0].offset, length[2], n, left;
	bool is_zero[2];

	for (int i = 0; i < 2; i++) {
		int status = extent_walk_look(&comparison->walk[i], &length[i],
					      &is_zero[i]);

		if (status != EXIT_OK)
			return status;
	}
	n = length[0] < length[1] ? length[0] : length[1];
	left = comparison->walk[0].end - offset;
	if (left == 0) {
		comparison->is_at_end = true;
		return EXIT_OK;
	}
	if (is_zero[0] && is_zero[1] &&
	    (n % comparison->alignment == 0 || n == left)) {
		progress_add(&comparison->progress, n);
	} else {
		n += (comparison->alignment - n % comparison->alignment) %
		     comparison->alignment;
		n = n < comparison->chunk ? n : comparison->chunk;
		n = n < left ? n : left;
		start_pair(comparison, offset, n);
	}
	extent_walk_advance(&comparison->walk[0], n);
	extent_walk_advance(&comparison->walk[1], n);
	return EXIT_OK;
}

static bool
may_start(const struct comparison *comparison)
{
	return !comparison->is_failed && !comparison->is_at_end &&
	       comparison->differs_at == UINT64_MAX &&
	       comparison->n_busy < comparison->n_pairs && !interrupted();
}

static void
run_loop(struct comparison *comparison)
{
	do {
		while (may_start(comparison))
			if (start_next(comparison) != EXIT_OK)
				comparison->is_failed = true;
		for (int i = 0; i < 2; i++)
			if (comparison->disk[i]->n_pending > 0)
				disk_wait(comparison->disk[i], -1);
	} while (comparison->n_busy > 0 || may_start(comparison));
}

static void
comparison_init(struct comparison *comparison, const struct options *options,
		struct disk *a, struct disk *b, uint64_t length)
{
	*comparison = (struct comparison){
		.disk = { a, b },
		.n_pairs = options->jobs,
		.chunk = CHUNK,
		.alignment = 1,
		.differs_at = UINT64_MAX,
	};
	for (int i = 0; i < 2; i++) {
		const struct disk *disk = comparison->disk[i];

		if (disk->max_in_flight < comparison->n_pairs)
			comparison->n_pairs = disk->max_in_flight;
		if (disk->max_payload < comparison->chunk)
			comparison->chunk = disk->max_payload;
		if (disk->alignment > comparison->alignment)
			comparison->alignment = disk->alignment;
		extent_walk_init(&comparison->walk[i], comparison->disk[i], 0,
				 length);
	}
	progress_start(&comparison->progress, options, length);
}

int
compare_disks(const struct options *options, struct disk *a, struct disk *b,
	      uint64_t length)
{
	struct comparison comparison;

	comparison_init(&comparison, options, a, b, length);
	comparison.pairs = calloc(comparison.n_pairs, sizeof(struct pair));
	if (!comparison.pairs)
		return fail_errno(ENOMEM, "no memory for the requests");
	run_loop(&comparison);
	progress_finish(&comparison.progress);
	extent_walk_done(&comparison.walk[0]);
	extent_walk_done(&comparison.walk[1]);
	free(comparison.pairs);
	if (interrupted())
		return fail_interrupted();
	if (comparison.differs_at != UINT64_MAX)
		return fail(EXIT_NO, 0, NULL,
			    "%s and %s differ, first at offset %" PRIu64,
			    a->name, b->name, comparison.differs_at);
	return (int)failure_code();
}

static int
compare_sizes(const struct disk *a, const struct disk *b)
{
	if (a->size == DISK_SIZE_UNKNOWN || b->size == DISK_SIZE_UNKNOWN)
		return fail(EXIT_USAGE, EINVAL, "compare files or targets",
			    "a pipe cannot be compared");
	if (a->size != b->size)
		return fail(EXIT_NO, 0, NULL,
			    "%s has %" PRIu64 " bytes, %s %" PRIu64, a->name,
			    a->size, b->name, b->size);
	return EXIT_OK;
}

int
run_compare(const struct options *options)
{
	struct disk *a = NULL, *b = NULL;
	int status = disk_open_source(options, options->args[0], &a);

	if (status == EXIT_OK)
		status = disk_open_source(options, options->args[1], &b);
	attempt("compare %s with %s", options->args[0], options->args[1]);
	if (status == EXIT_OK)
		status = compare_sizes(a, b);
	interrupt_defer();
	if (status == EXIT_OK)
		status = compare_disks(options, a, b, a->size);
	if (disk_close(b) != EXIT_OK || disk_close(a) != EXIT_OK)
		status = (int)failure_code();
	return status;
}
