/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench: requests a second and their latency, at a given depth. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/families.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"

/* Latencies that are kept; later ones overwrite the oldest. */
#define SAMPLES_MAX (1u << 20)

struct bench;

struct bench_slot {
	struct bench *bench;
	struct disk_request request;
	uint64_t started_at;
};

struct bench {
	struct disk *disk;
	bool is_write;
	bool is_random;
	uint64_t block_size;
	uint64_t n_blocks;
	uint64_t next_block;
	uint64_t ends_at;
	struct payload pattern;
	uint64_t random;
	uint64_t n_done;
	uint32_t *samples;
	bool is_failed;
};

static uint64_t
now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* xorshift: good enough to spread requests. */
static uint64_t
next_random(struct bench *bench)
{
	bench->random ^= bench->random << 13;
	bench->random ^= bench->random >> 7;
	bench->random ^= bench->random << 17;
	return bench->random;
}

static void on_done(struct disk_request *request);

static void
start(struct bench_slot *slot)
{
	struct bench *bench = slot->bench;
	uint64_t block = bench->is_random ? next_random(bench)
					  : bench->next_block++;

	assert(bench->n_blocks > 0);
	slot->started_at = now_us();
	slot->request = (struct disk_request){
		.command = bench->is_write ? DISK_WRITE : DISK_READ,
		.offset = block % bench->n_blocks * bench->block_size,
		.length = bench->block_size,
		.on_done = on_done,
		.user = slot,
	};
	if (bench->is_write)
		slot->request.data = payload_ref(&bench->pattern);
	disk_submit(bench->disk, &slot->request);
}

static void
on_done(struct disk_request *request)
{
	struct bench_slot *slot = request->user;
	struct bench *bench = slot->bench;
	uint64_t now = now_us();

	payload_release(&request->data);
	if (request->status != EXIT_OK) {
		bench->is_failed = true;
		return;
	}
	if (bench->n_done == 0 && request->disk->options->verbose > 0)
		fprintf(stderr,
			"nbdctl: the first answer after %" PRIu64 " us\n",
			now - slot->started_at);
	bench->samples[bench->n_done++ % SAMPLES_MAX] =
		(uint32_t)(now - slot->started_at);
	if (now < bench->ends_at && !bench->is_failed && !interrupted())
		start(slot);
}

static int
compare_samples(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* SHARE of the N sorted samples took no longer than this. */
static uint64_t
quantile(const struct bench *bench, size_t n, double share)
{
	size_t i = (size_t)((double)n * share);

	return n == 0 ? 0 : bench->samples[i < n ? i : n - 1];
}

static uint64_t
mean(const struct bench *bench, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += bench->samples[i];
	return n == 0 ? 0 : sum / n;
}

static int
print_result(const struct options *options, struct bench *bench,
	     uint64_t elapsed_us)
{
	static const struct output_column columns[] = {
		{ "REQUESTS", OUTPUT_NUMBER },
		{ "TIME", OUTPUT_TIME },
		{ "REQUESTS_PER_SECOND", OUTPUT_NUMBER },
		{ "BYTES_PER_SECOND", OUTPUT_BYTES },
		{ "MEAN", OUTPUT_LATENCY },
		{ "P50", OUTPUT_LATENCY },
		{ "P90", OUTPUT_LATENCY },
		{ "P99", OUTPUT_LATENCY },
		{ "P999", OUTPUT_LATENCY },
		{ "MAX", OUTPUT_LATENCY },
	};
	static const double shares[] = { 0.5, 0.9, 0.99, 0.999, 1 };
	size_t n = bench->n_done < SAMPLES_MAX ? (size_t)bench->n_done
					       : SAMPLES_MAX;
	double seconds = (double)(elapsed_us ? elapsed_us : 1) / 1e6;
	double per_second = (double)bench->n_done / seconds;
	struct output *output = output_new(options, "bench", OUTPUT_FACTS,
					   columns, 10);

	assert(bench->samples);
	qsort(bench->samples, n, sizeof(*bench->samples), compare_samples);
	output_number(output, bench->n_done);
	output_number(output, elapsed_us / 1000);
	output_number(output, (uint64_t)per_second);
	output_number(output,
		      (uint64_t)(per_second * (double)bench->block_size));
	output_number(output, mean(bench, n));
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		output_number(output, quantile(bench, n, shares[i]));
	return output_finish(output);
}

static int
bench_init(struct bench *bench, const struct options *options,
	   struct disk *disk)
{
	const char *what = options->read_write;
	void *bytes;

	*bench = (struct bench){
		.disk = disk,
		.is_random = strncmp(what, "rand", 4) == 0,
		.block_size = options->block_size,
		.random = 0x9e3779b97f4a7c15,
	};
	what += bench->is_random ? 4 : 0;
	bench->is_write = strcmp(what, "write") == 0;
	if (!bench->is_write && strcmp(what, "read") != 0)
		return fail(EXIT_USAGE, EINVAL, NULL,
			    "--rw takes read, write, randread or randwrite, "
			    "not \"%s\"",
			    options->read_write);
	if (bench->is_write && !options_has(options, OPTION_YES))
		return fail(EXIT_USAGE, EINVAL, "add --yes if you mean it",
			    "writing destroys what %s holds", disk->name);
	if (bench->block_size == 0 || bench->block_size > disk->max_payload ||
	    bench->block_size > disk->size)
		return fail(EXIT_USAGE, EINVAL, "choose another --bs",
			    "a block of %" PRIu64 " bytes does not fit",
			    bench->block_size);
	bench->n_blocks = disk->size / bench->block_size;
	bench->pattern = payload_allocate(bench->block_size, &bytes);
	memset(bytes, 0xa5, bench->block_size);
	bench->samples = calloc(SAMPLES_MAX, sizeof(*bench->samples));
	return bench->samples ? EXIT_OK : fail_errno(ENOMEM, "no memory");
}

static int
run_slots(const struct options *options, struct bench *bench)
{
	unsigned int depth = options->depth < bench->disk->max_in_flight
				     ? options->depth
				     : bench->disk->max_in_flight;
	struct bench_slot *slots = calloc(depth, sizeof(*slots));
	uint64_t started_at = now_us();

	if (!slots)
		return fail_errno(ENOMEM, "no memory");
	bench->ends_at = started_at + (uint64_t)options->bench_ms * 1000;
	for (unsigned int i = 0; i < depth; i++) {
		slots[i].bench = bench;
		start(&slots[i]);
	}
	while (bench->disk->n_pending > 0)
		disk_wait(bench->disk, -1);
	free(slots);
	if (bench->is_failed)
		return (int)failure_code();
	return print_result(options, bench, now_us() - started_at);
}

int
run_bench(const struct options *options)
{
	struct bench bench = { 0 };
	struct disk *disk;
	int status;

	bool is_write = strstr(options->read_write, "write") != NULL;

	status = disk_open(options, options->args[0],
			   is_write ? DISK_FOR_WRITING : DISK_FOR_READING, NULL,
			   &disk);
	if (status != EXIT_OK)
		return status;
	attempt("measure %s", disk->name);
	interrupt_defer();
	status = bench_init(&bench, options, disk);
	if (status == EXIT_OK && !options_has(options, OPTION_DRY_RUN))
		status = run_slots(options, &bench);
	payload_release(&bench.pattern);
	free(bench.samples);
	return disk_close(disk) == EXIT_OK ? status : (int)failure_code();
}
