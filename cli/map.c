/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* map: which parts of a target are data, holes or zeroes, or what other
 * metadata contexts say of them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"

/* As far as one question reaches. */
#define ASK_LENGTH (UINT64_C(1) << 30)

struct run {
	char *context;
	uint64_t offset;
	uint64_t length;
	uint64_t flags;
};

struct map {
	struct run *runs;
	size_t n_runs;
	size_t capacity;
	uint64_t end;
	/* How far the first context has come: where to ask next. */
	uint64_t told;
	char *const *wanted;
	size_t n_wanted;
};

static bool
is_wanted(const struct map *map, const char *context)
{
	for (size_t i = 0; i < map->n_wanted; i++)
		if (strcmp(map->wanted[i], context) == 0)
			return true;
	return map->n_wanted == 0;
}

static int
add_run(struct map *map, const char *context, uint64_t offset,
	const struct disk_extent *extent)
{
	/* The last run of the same context is near the end. */
	for (size_t i = map->n_runs; i > 0; i--) {
		struct run *run = &map->runs[i - 1];

		if (strcmp(run->context, context) != 0)
			continue;
		if (run->flags != extent->flags ||
		    run->offset + run->length != offset)
			break;
		run->length += extent->length;
		return 0;
	}
	if (map->n_runs == map->capacity) {
		size_t capacity = map->capacity ? map->capacity * 2 : 256;
		struct run *runs = reallocarray(map->runs, capacity,
						sizeof(*runs));

		if (!runs)
			return fail_errno(ENOMEM, "no memory for extents");
		map->runs = runs;
		map->capacity = capacity;
	}
	map->runs[map->n_runs] = (struct run){
		.context = strdup(context),
		.offset = offset,
		.length = extent->length,
		.flags = extent->flags,
	};
	if (!map->runs[map->n_runs].context)
		return fail_errno(ENOMEM, "no memory for extents");
	map->n_runs++;
	return 0;
}

static void
on_extents(struct disk_request *request, const char *context, uint64_t offset,
	   const struct disk_extent *extents, size_t n_extents)
{
	struct map *map = request->extents_user;

	if (!is_wanted(map, context))
		return;
	for (size_t i = 0; i < n_extents && offset < map->end; i++) {
		struct disk_extent extent = extents[i];

		if (extent.length > map->end - offset)
			extent.length = map->end - offset;
		if (add_run(map, context, offset, &extent) != 0)
			return;
		offset += extent.length;
	}
	/* Contexts may reach differently far: the shortest counts. */
	if (map->told == request->offset || offset < map->told)
		map->told = offset;
}

/* Runs beyond TOLD would come a second time. */
static void
cut_runs(struct map *map)
{
	size_t kept = 0;

	for (size_t i = 0; i < map->n_runs; i++) {
		struct run *run = &map->runs[i];

		if (run->offset >= map->told) {
			free(run->context);
			continue;
		}
		if (run->length > map->told - run->offset)
			run->length = map->told - run->offset;
		map->runs[kept++] = *run;
	}
	map->n_runs = kept;
}

static int
ask_all(struct map *map, struct disk *disk)
{
	while (map->told < map->end) {
		uint64_t left = map->end - map->told;
		struct disk_request request = {
			.command = DISK_BLOCK_STATUS,
			.offset = map->told,
			.length = left < ASK_LENGTH ? left : ASK_LENGTH,
			.on_extents = on_extents,
			.extents_user = map,
		};
		int status = disk_run(disk, &request);

		if (status != EXIT_OK || failure_code() != EXIT_OK)
			return (int)failure_code();
		if (interrupted())
			return fail_interrupted();
		if (map->told <= request.offset)
			return fail(EXIT_NBD, EPROTO, NULL,
				    "the answer held no extents");
		cut_runs(map);
	}
	return EXIT_OK;
}

static const char *
describe(const struct run *run)
{
	if (strcmp(run->context, "base:allocation") == 0)
		switch (run->flags) {
		case 0:
			return "data";
		case DISK_EXTENT_HOLE:
			return "hole";
		case DISK_EXTENT_ZERO:
			return "zero";
		case DISK_EXTENT_HOLE | DISK_EXTENT_ZERO:
			return "hole,zero";
		}
	if (strncmp(run->context, "qemu:dirty-bitmap:", 18) == 0)
		return run->flags & 1 ? "dirty" : "clean";
	return NULL;
}

static void
add_row(struct output *output, const struct run *run, bool with_offset)
{
	if (with_offset)
		output_number(output, run->offset);
	output_number(output, run->length);
	output_number(output, run->flags);
	output_text(output, describe(run));
	output_text(output, run->context);
}

static int
print_runs(const struct options *options, const struct map *map)
{
	static const struct output_column columns[] = {
		{ "OFFSET", OUTPUT_NUMBER }, { "LENGTH", OUTPUT_NUMBER },
		{ "FLAGS", OUTPUT_NUMBER },  { "TYPE", OUTPUT_TEXT },
		{ "CONTEXT", OUTPUT_TEXT },
	};
	struct output *output = output_new(options, "extents", OUTPUT_ROWS,
					   columns, 5);

	for (size_t i = 0; i < map->n_runs; i++)
		add_row(output, &map->runs[i], true);
	return output_finish(output);
}

/* Adds RUN to the sum of its context and kind; there are few of them. */
static void
add_to_totals(struct run *totals, size_t *n_totals, const struct run *run)
{
	for (size_t i = 0; i < *n_totals; i++)
		if (totals[i].flags == run->flags &&
		    strcmp(totals[i].context, run->context) == 0) {
			totals[i].length += run->length;
			return;
		}
	totals[(*n_totals)++] = *run;
}

static int
print_totals(const struct options *options, const struct map *map)
{
	static const struct output_column columns[] = {
		{ "LENGTH", OUTPUT_BYTES },
		{ "FLAGS", OUTPUT_NUMBER },
		{ "TYPE", OUTPUT_TEXT },
		{ "CONTEXT", OUTPUT_TEXT },
	};
	struct run *totals = calloc(map->n_runs + 1, sizeof(*totals));
	struct output *output;
	size_t n_totals = 0;

	if (!totals)
		return fail_errno(ENOMEM, "no memory for the sums");
	for (size_t i = 0; i < map->n_runs; i++)
		add_to_totals(totals, &n_totals, &map->runs[i]);
	output = output_new(options, "totals", OUTPUT_ROWS, columns, 4);
	for (size_t i = 0; i < n_totals; i++)
		add_row(output, &totals[i], false);
	free(totals);
	return output_finish(output);
}

static int
check_contexts(const struct options *options, const struct disk *disk)
{
	if (disk->export->n_contexts == 0)
		return fail(EXIT_NOT_SUPPORTED, ENOTSUP, NULL,
			    "the server offers none of the metadata contexts");
	for (size_t i = 0; i < options->contexts.n_items; i++) {
		bool is_there = false;

		for (size_t j = 0; j < disk->export->n_contexts; j++)
			is_there |= strcmp(disk->export->contexts[j],
					   options->contexts.items[i]) == 0;
		if (!is_there)
			return fail(EXIT_NOT_SUPPORTED, ENOTSUP,
				    "nbdctl contexts TARGET lists those that "
				    "there are",
				    "the context %s is not selected",
				    options->contexts.items[i]);
	}
	return EXIT_OK;
}

static int
map_disk(const struct options *options, struct disk *disk, struct map *map)
{
	uint64_t length;
	int status = disk_range(disk, &map->told, &length);

	map->end = map->told + length;
	map->wanted = options->contexts.items;
	map->n_wanted = options->contexts.n_items;
	if (status == EXIT_OK)
		status = check_contexts(options, disk);
	if (status == EXIT_OK)
		status = ask_all(map, disk);
	return status;
}

/* The list with a NULL behind it; NULL if it is empty. */
static char **
wanted_contexts(const struct options *options)
{
	size_t n = options->contexts.n_items;
	char **wanted = n ? calloc(n + 1, sizeof(*wanted)) : NULL;

	if (wanted)
		memcpy(wanted, options->contexts.items, n * sizeof(*wanted));
	return wanted;
}

int
run_map(const struct options *options)
{
	char **contexts = wanted_contexts(options);
	struct map map = { 0 };
	struct disk *disk;
	int status = disk_open(options, options->args[0], DISK_FOR_READING,
			       contexts, &disk);

	free(contexts);
	if (status != EXIT_OK)
		return status;
	interrupt_defer();
	attempt("map %s", options->args[0]);
	status = map_disk(options, disk, &map);
	if (status == EXIT_OK)
		status = options_has(options, OPTION_TOTALS)
				 ? print_totals(options, &map)
				 : print_runs(options, &map);
	for (size_t i = 0; i < map.n_runs; i++)
		free(map.runs[i].context);
	free(map.runs);
	return disk_close(disk) == EXIT_OK ? status : (int)failure_code();
}
