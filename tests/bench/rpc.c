/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon costs a program that speaks to it through proto/client.h:
 *
 *   bench-rpc SOCKET VOLUME empty|read|write SIZE N
 *       N unary calls one after the other; "empty" is Health.Check. Prints the
 *       median and the 99th percentile of their latency in microseconds.
 *   bench-rpc SOCKET VOLUME connect SIZE N
 *       the same, each on a connection of its own
 *   bench-rpc SOCKET VOLUME idle 0 N
 *       N connections that have spoken once; prints "ready" and holds them
 *       until standard input ends
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "grpc/health/v1/health.pb-c.h"
#include "proto/client.h"

struct bench {
	const char *address;
	const char *volume;
	const char *what;
	uint32_t size;
	size_t n;
	struct client *client;
};

static _Noreturn void
give_up(const char *what, const struct client_error *error)
{
	fprintf(stderr, "bench-rpc: %s: %s\n", what,
		error ? error->message : strerror(errno));
	exit(EXIT_FAILURE);
}

static uint64_t
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static struct client *
connect_client(const struct bench *bench)
{
	struct client_error error;
	struct client *client = client_connect(bench->address, &error);

	if (!client)
		give_up("connect", &error);
	return client;
}

static void
call_empty(struct client *client)
{
	Grpc__Health__V1__HealthCheckRequest request =
		GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	struct client_error error;
	void *response = client_call(client, RPC_HEALTH_CHECK, &request,
				     CLIENT_FOREVER, &error);

	if (!response)
		give_up("Health.Check", &error);
	codec_message_free(response);
}

static void
call_read(const struct bench *bench, struct client *client, uint64_t offset,
	  uint32_t size)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;

	if (client_read(client, bench->volume, offset, size, CLIENT_FOREVER,
			&data, &error) < 0)
		give_up("IO.Read", &error);
}

static void
call_write(const struct bench *bench, struct client *client, uint64_t offset)
{
	void *bytes;
	struct payload data = payload_allocate(bench->size, &bytes);
	struct client_error error;

	memset(bytes, 0x5a, bench->size);
	if (client_write(client, bench->volume, offset, 0, &data,
			 CLIENT_FOREVER, &error) < 0)
		give_up("IO.Write", &error);
}

static void
run_one(const struct bench *bench, size_t number)
{
	uint64_t offset = (uint64_t)(number % 64) * bench->size;

	if (strcmp(bench->what, "empty") == 0) {
		call_empty(bench->client);
	} else if (strcmp(bench->what, "read") == 0) {
		call_read(bench, bench->client, offset, bench->size);
	} else if (strcmp(bench->what, "write") == 0) {
		call_write(bench, bench->client, offset);
	} else {
		struct client *client = connect_client(bench);

		call_read(bench, client, offset, bench->size);
		client_free(client);
	}
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
measure(struct bench *bench)
{
	uint64_t *latencies = calloc(bench->n, sizeof(*latencies));

	if (!latencies)
		give_up("memory", NULL);
	bench->client = connect_client(bench);
	/* The daemon may yet have to connect, the client is to warm up. */
	call_read(bench, bench->client, 0, 4096);
	for (size_t i = 0; i < bench->n; i++) {
		uint64_t begin = nanoseconds();

		run_one(bench, i);
		latencies[i] = nanoseconds() - begin;
	}
	client_free(bench->client);
	qsort(latencies, bench->n, sizeof(*latencies), compare);
	printf("%.1f %.1f\n", (double)latencies[bench->n / 2] / 1e3,
	       (double)latencies[bench->n * 99 / 100] / 1e3);
	free(latencies);
}

static void
hold(const struct bench *bench)
{
	struct client **clients = calloc(bench->n, sizeof(struct client *));
	char byte;

	if (!clients)
		give_up("memory", NULL);
	for (size_t i = 0; i < bench->n; i++) {
		clients[i] = connect_client(bench);
		call_empty(clients[i]);
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	for (size_t i = 0; i < bench->n; i++)
		client_free(clients[i]);
	free(clients);
}

int
main(int argc, char **argv)
{
	struct bench bench = { 0 };

	if (argc != 6) {
		fprintf(stderr, "usage: bench-rpc SOCKET VOLUME "
				"empty|read|write|connect|idle SIZE N\n");
		return EXIT_FAILURE;
	}
	bench.address = argv[1];
	bench.volume = argv[2];
	bench.what = argv[3];
	bench.size = (uint32_t)strtoul(argv[4], NULL, 10);
	bench.n = strtoul(argv[5], NULL, 10);
	if (bench.n == 0)
		give_up("N", NULL);
	if (strcmp(bench.what, "idle") == 0)
		hold(&bench);
	else
		measure(&bench);
	return EXIT_SUCCESS;
}
