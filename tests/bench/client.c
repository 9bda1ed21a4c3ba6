/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random reads or writes at a given size and depth, through the public API
 * only, so that one binary measures any libnbd:
 *
 *   bench-client URI read|write|connect SIZE DEPTH SECONDS|OPERATIONSx
 *
 * ("connect" is to connect, read once and close)
 * prints: operations per second, MB/s, microseconds of processor time per
 * operation, and the median and the 99th percentile of the latency in
 * microseconds.
 */
#include <errno.h>
#include <libnbd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/bench/clock.h"

enum {
	MAX_DEPTH = 1024,
	/* Latencies in 16 steps per power of two of nanoseconds. */
	STEPS = 16,
	N_BUCKETS = 64 * STEPS,
};

struct bench;

struct slot {
	struct bench *bench;
	uint8_t *buffer;
	uint64_t issued_at;
	struct slot *next_idle;
};

struct bench {
	struct nbd_handle *h;
	bool is_write;
	size_t size;
	unsigned depth;
	uint64_t n_blocks;
	uint64_t random;
	uint64_t n_done;
	uint64_t ends_at;    /* of the clock */
	uint64_t ends_after; /* operations */
	struct slot slots[MAX_DEPTH];
	struct slot *idle;
	uint64_t latencies[N_BUCKETS];
};

static _Noreturn void
give_up(const char *what)
{
	fprintf(stderr, "bench-client: %s: %s\n", what, nbd_get_error());
	exit(EXIT_FAILURE);
}

static size_t
bucket_of(uint64_t latency)
{
	unsigned power;

	if (latency < STEPS)
		return (size_t)latency;
	power = 63 - (unsigned)__builtin_clzll(latency);
	return (power - 3) * STEPS + (size_t)(latency >> (power - 4)) - STEPS;
}

static uint64_t
latency_of(size_t bucket)
{
	size_t power = bucket / STEPS + 3;

	if (bucket < STEPS)
		return bucket;
	return (bucket % STEPS + STEPS) << (power - 4);
}

static int
on_completion(void *user_data, int *error)
{
	struct slot *slot = user_data;
	struct bench *bench = slot->bench;

	if (*error) {
		errno = *error;
		give_up(strerror(errno));
	}
	bench->latencies[bucket_of(nanoseconds(CLOCK_MONOTONIC) -
				   slot->issued_at)]++;
	bench->n_done++;
	slot->next_idle = bench->idle;
	bench->idle = slot;
	return 1;
}

static void
issue(struct bench *bench, struct slot *slot)
{
	nbd_completion_callback completion = { .callback = on_completion,
					       .user_data = slot };
	uint64_t offset;
	int64_t cookie;

	bench->random = bench->random * 6364136223846793005U +
			1442695040888963407U;
	offset = (bench->random >> 24) % bench->n_blocks * bench->size;
	slot->issued_at = nanoseconds(CLOCK_MONOTONIC);
	if (bench->is_write)
		cookie = nbd_aio_pwrite(bench->h, slot->buffer, bench->size,
					offset, completion, 0);
	else
		cookie = nbd_aio_pread(bench->h, slot->buffer, bench->size,
				       offset, completion, 0);
	if (cookie < 0)
		give_up("cannot issue");
}

/* Completions run inside of calls on the handle, and those may not call back:
 * they put their slot on a list, which is emptied here. */
static void
issue_idle(struct bench *bench)
{
	struct slot *slot;

	while ((slot = bench->idle)) {
		bench->idle = slot->next_idle;
		issue(bench, slot);
	}
}

/* How long to go on: "0.5" is half a second, "1000x" a thousand operations. */
static void
set_end(struct bench *bench, const char *text)
{
	char *unit;
	double value = strtod(text, &unit);

	bench->ends_at = UINT64_MAX;
	bench->ends_after = UINT64_MAX;
	if (!strcmp(unit, "x"))
		bench->ends_after = (uint64_t)value;
	else
		bench->ends_at = nanoseconds(CLOCK_MONOTONIC) +
				 (uint64_t)(value * 1e9);
}

static struct nbd_handle *
connect_to(const char *uri)
{
	struct nbd_handle *h = nbd_create();

	if (!h || nbd_set_uri_allow_local_file(h, true) < 0 ||
	    nbd_connect_uri(h, uri) < 0)
		give_up("connect");
	return h;
}

/* Connections one after the other, each for one read. */
static void
run_connects(struct bench *bench, const char *uri)
{
	while (bench->n_done < bench->ends_after &&
	       nanoseconds(CLOCK_MONOTONIC) < bench->ends_at) {
		uint64_t begin = nanoseconds(CLOCK_MONOTONIC);
		struct nbd_handle *h = connect_to(uri);

		if (nbd_pread(h, bench->slots[0].buffer, bench->size, 0, 0) <
			    0 ||
		    nbd_shutdown(h, 0) < 0)
			give_up("read and shut down");
		nbd_close(h);
		bench->latencies[bucket_of(nanoseconds(CLOCK_MONOTONIC) -
					   begin)]++;
		bench->n_done++;
	}
}

static void
run(struct bench *bench)
{
	while (bench->n_done < bench->ends_after &&
	       nanoseconds(CLOCK_MONOTONIC) < bench->ends_at) {
		issue_idle(bench);
		if (nbd_poll(bench->h, -1) < 0)
			give_up("poll");
	}
	/* Drained: nbdkit 1.32 aborts when requests are left behind. */
	while (nbd_aio_in_flight(bench->h) > 0)
		if (nbd_poll(bench->h, -1) < 0)
			give_up("poll");
}

static void
prepare(struct bench *bench)
{
	int64_t size = nbd_get_size(bench->h);

	if (size < (int64_t)bench->size)
		give_up("the disk is too small");
	bench->n_blocks = (uint64_t)size / bench->size;
	for (unsigned i = 0; i < bench->depth; i++) {
		struct slot *slot = &bench->slots[i];

		slot->bench = bench;
		slot->buffer = calloc(1, bench->size);
		if (!slot->buffer)
			give_up("out of memory");
		slot->next_idle = bench->idle;
		bench->idle = slot;
	}
	nbd_set_pread_initialize(bench->h, false);
}

static double
percentile(const struct bench *bench, double share)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < N_BUCKETS; i++) {
		seen += bench->latencies[i];
		if ((double)seen >= share * (double)bench->n_done)
			return (double)latency_of(i) / 1000;
	}
	return 0;
}

static void
report(const struct bench *bench, uint64_t wall, uint64_t cpu)
{
	double n = (double)bench->n_done;
	double rate = n / ((double)wall / 1e9);

	printf("%.0f %.1f %.3f %.1f %.1f\n", rate,
	       rate * (double)bench->size / 1e6, (double)cpu / 1e3 / n,
	       percentile(bench, 0.5), percentile(bench, 0.99));
}

int
main(int argc, char **argv)
{
	static struct bench bench;
	uint64_t wall;
	uint64_t cpu;

	if (argc != 6) {
		fprintf(stderr,
			"usage: bench-client URI read|write|connect SIZE "
			"DEPTH SECONDS|OPERATIONSx\n");
		return EXIT_FAILURE;
	}
	bench.is_write = !strcmp(argv[2], "write");
	bench.size = strtoul(argv[3], NULL, 10);
	bench.depth = (unsigned)strtoul(argv[4], NULL, 10);
	bench.random = 1;
	if (bench.size == 0 || bench.depth == 0 || bench.depth > MAX_DEPTH)
		give_up("size or depth");
	bench.h = connect_to(argv[1]);
	prepare(&bench);
	set_end(&bench, argv[5]);
	cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
	wall = nanoseconds(CLOCK_MONOTONIC);
	if (!strcmp(argv[2], "connect"))
		run_connects(&bench, argv[1]);
	else
		run(&bench);
	wall = nanoseconds(CLOCK_MONOTONIC) - wall;
	cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	report(&bench, wall, cpu);
	if (nbd_shutdown(bench.h, 0) < 0)
		give_up("shutdown");
	nbd_close(bench.h);
	for (unsigned i = 0; i < bench.depth; i++)
		free(bench.slots[i].buffer);
	return EXIT_SUCCESS;
}
