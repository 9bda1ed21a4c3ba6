/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One client of the soak: writes, zeroes, flushes and reads its part of a
 * volume at random, and knows what each byte must be. Its part is divided among
 * slots with one request at a time each, so that there is no doubt what comes
 * after what. It works until SIGTERM, then finishes, flushes, says "flushed",
 * and at a word on its standard input reads all of its part once more.
 *
 * soak-client ADDRESS VOLUME START LENGTH SEED RATE channel|calls
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/channel.h"
#include "proto/client.h"
#include "tests/support/pattern.h"

#define N_SLOTS     16
#define MAX_LENGTH  65536
#define PATIENCE_MS 120000
#define MS          UINT64_C(1000000)
#define TELL_PERIOD (5000 * MS)
/* Worth a word. */
#define LONG_WAIT (10000 * MS)

#define READ  NBDCLIENTD__V1__COMMAND__COMMAND_READ
#define WRITE NBDCLIENTD__V1__COMMAND__COMMAND_WRITE
#define ZERO  NBDCLIENTD__V1__COMMAND__COMMAND_WRITE_ZEROES
#define FLUSH NBDCLIENTD__V1__COMMAND__COMMAND_FLUSH
#define FUA   NBDCLIENTD__V1__COMMAND_FLAG__COMMAND_FLAG_FUA

struct soak {
	struct client *client;
	/* NULL: calls, one after the other. */
	struct channel *channel;
	const char *volume;
	uint64_t start;
	uint64_t length;
	uint64_t random;
	/* Between the beginnings of two requests of one slot: ns. */
	uint64_t pace;
	uint8_t *model;
	/* Never written by us: it may be anything. */
	uint8_t *is_known;

	uint64_t n_requests;
	uint64_t n_bytes;
	uint64_t n_errors;
	uint64_t n_wrong;
	uint64_t longest;
	struct client_error first_error;
};

struct slot {
	struct channel_request request;
	struct soak *soak;
	uint64_t start;
	uint64_t length;
	bool is_busy;
	uint64_t began;
	uint64_t due;
	uint64_t seed;
	/* An error left open what is there: it is written again. */
	bool must_repeat;
};

static atomic_bool is_told_to_end;

static void
on_signal(int number)
{
	(void)number;
	is_told_to_end = true;
}

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* xorshift64: the same seed, the same soak. */
static uint64_t
next_random(struct soak *soak)
{
	soak->random ^= soak->random << 13;
	soak->random ^= soak->random >> 7;
	soak->random ^= soak->random << 17;
	return soak->random;
}

/* Half of the requests read; every 200th flushes; some writes are durable at
 * once. No two are of one size. */
static void
choose(struct soak *soak, struct slot *slot)
{
	struct io_request *io = &slot->request.io;
	uint64_t dice = next_random(soak) % 200;
	uint64_t length = 1 + next_random(soak) % MAX_LENGTH;
	uint64_t room;

	*io = (struct io_request){ 0 };
	if (dice % 3 == 0)
		length = 1 + length % 4096;
	if (length > slot->length)
		length = slot->length;
	room = slot->length - length + 1;
	io->length = length;
	io->offset = slot->start + next_random(soak) % room;
	io->command = dice == 0    ? FLUSH
		      : dice < 90  ? WRITE
		      : dice < 100 ? ZERO
				   : READ;
	if (io->command == FLUSH)
		io->offset = io->length = 0;
	if ((io->command == WRITE || io->command == ZERO) && dice % 7 == 0)
		io->flags = FUA;
	slot->seed = next_random(soak);
}

static void
fill(struct slot *slot)
{
	struct io_request *io = &slot->request.io;
	void *bytes;

	if (io->command != WRITE)
		return;
	io->data = payload_allocate(io->length, &bytes);
	pattern_fill(bytes, io->length, slot->seed, io->offset);
}

static void
note_change(struct soak *soak, const struct slot *slot,
	    const struct io_request *io)
{
	uint8_t *model = soak->model + (io->offset - soak->start);

	if (io->command == WRITE)
		pattern_fill(model, io->length, slot->seed, io->offset);
	else
		memset(model, 0, io->length);
	memset(soak->is_known + (io->offset - soak->start), 1, io->length);
}

static void
check(struct soak *soak, uint64_t offset, uint64_t length, const void *bytes)
{
	const uint8_t *seen = bytes;
	uint64_t at = offset - soak->start;

	for (uint64_t i = 0; i < length; i++) {
		if (!soak->is_known[at + i] || seen[i] == soak->model[at + i])
			continue;
		if (soak->n_wrong++ == 0)
			fprintf(stderr,
				"%s: the byte at %" PRIu64 " (read from "
				"%" PRIu64 ", %" PRIu64 " bytes) is 0x%02x "
				"and must be 0x%02x\n",
				soak->volume, offset + i, offset, length,
				seen[i], soak->model[at + i]);
	}
}

static void
note_error(struct soak *soak, const struct client_error *error)
{
	if (soak->n_errors++ > 0)
		return;
	soak->first_error = *error;
	fprintf(stderr, "%s: %s\n", soak->volume, error->message);
}

/* What came of a request; *DATA of a read. */
static void
settle(struct slot *slot, const struct payload *data,
       const struct client_error *error)
{
	struct io_request *io = &slot->request.io;
	struct soak *soak = slot->soak;
	uint64_t now = now_ns();
	bool is_change = io->command == WRITE || io->command == ZERO;

	slot->is_busy = false;
	slot->must_repeat = error && is_change;
	slot->due = slot->began + soak->pace;
	if (now - slot->began > soak->longest)
		soak->longest = now - slot->began;
	if (now - slot->began > LONG_WAIT)
		fprintf(stderr,
			"%s: %.1f: command %u at %" PRIu64 " took %.1f s\n",
			soak->volume, (double)now / 1e9, io->command,
			io->offset, (double)(now - slot->began) / 1e9);
	soak->n_requests++;
	if (error) {
		note_error(soak, error);
		return;
	}
	soak->n_bytes += io->length;
	if (is_change)
		note_change(soak, slot, io);
	else if (io->command == READ && data->length != io->length)
		soak->n_wrong++;
	else if (io->command == READ)
		check(soak, io->offset, io->length, data->bytes);
}

static void
on_reply(struct channel_request *request, struct io_reply *reply,
	 const struct client_error *error)
{
	settle(request->user, reply ? &reply->data : NULL, error);
}

static void
call(struct slot *slot)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct io_request *io = &slot->request.io;
	struct soak *soak = slot->soak;
	struct client_error error;
	int r;

	if (io->command == WRITE)
		r = client_write(soak->client, soak->volume, io->offset,
				 io->flags, &io->data, PATIENCE_MS, &error);
	else
		r = client_read(soak->client, soak->volume, io->offset,
				(uint32_t)io->length, PATIENCE_MS, &data,
				&error);
	settle(slot, &data, r < 0 ? &error : NULL);
}

static void
begin(struct slot *slot)
{
	struct soak *soak = slot->soak;

	if (slot->must_repeat)
		slot->request.io.id = 0;
	else
		choose(soak, slot);
	/* There are calls for these two only. */
	if (!soak->channel && slot->request.io.command != WRITE) {
		slot->request.io.command = READ;
		slot->request.io.flags = 0;
		if (slot->request.io.length == 0)
			slot->request.io.length = slot->length;
		if (slot->request.io.offset == 0)
			slot->request.io.offset = slot->start;
	}
	fill(slot);
	slot->is_busy = true;
	slot->began = now_ns();
	slot->request.io.timeout_ms = PATIENCE_MS;
	slot->request.on_reply = on_reply;
	slot->request.user = slot;
	if (soak->channel)
		channel_submit(soak->channel, &slot->request);
	else
		call(slot);
}

/* Begins what is due; when the next one is. */
static uint64_t
begin_all_due(struct slot slots[N_SLOTS])
{
	uint64_t next = UINT64_MAX;

	for (int i = 0; i < N_SLOTS && !is_told_to_end; i++) {
		if (slots[i].is_busy)
			continue;
		if (slots[i].due <= now_ns())
			begin(&slots[i]);
		if (!slots[i].is_busy && slots[i].due < next)
			next = slots[i].due;
	}
	return next;
}

static int
ms_until(uint64_t when)
{
	uint64_t now = now_ns();

	if (when == UINT64_MAX)
		return 1000;
	return when <= now ? 0 : (int)((when - now) / MS) + 1;
}

static void
tell(const struct soak *soak, const char *what)
{
	printf("%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
	       "\n",
	       what, soak->n_requests, soak->n_bytes, soak->n_errors,
	       soak->n_wrong, soak->longest / MS);
	fflush(stdout);
}

static void
work(struct soak *soak, struct slot slots[N_SLOTS])
{
	uint64_t told = now_ns();

	while (!is_told_to_end) {
		int wait = ms_until(begin_all_due(slots));

		if (soak->channel && channel_pending(soak->channel) > 0)
			channel_wait(soak->channel, wait);
		else
			poll(NULL, 0, wait);
		if (now_ns() - told < TELL_PERIOD)
			continue;
		told = now_ns();
		tell(soak, "at");
	}
	while (soak->channel && channel_pending(soak->channel) > 0)
		if (channel_wait(soak->channel, 2 * PATIENCE_MS) == 0) {
			fprintf(stderr, "%s: no reply\n", soak->volume);
			exit(1);
		}
}

static void
flush(struct soak *soak)
{
	Nbdclientd__V1__FlushRequest request =
		NBDCLIENTD__V1__FLUSH_REQUEST__INIT;
	char *volume = strdup(soak->volume);
	struct client_error error;
	void *response;

	request.volume = volume;
	response = client_call(soak->client, RPC_IO_FLUSH, &request,
			       PATIENCE_MS, &error);
	if (!response)
		note_error(soak, &error);
	codec_message_free(response);
	free(volume);
}

static void
check_all(struct soak *soak)
{
	for (uint64_t at = 0; at < soak->length; at += MAX_LENGTH) {
		CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
		struct client_error error;
		uint64_t length = soak->length - at;

		if (length > MAX_LENGTH)
			length = MAX_LENGTH;
		if (client_read(soak->client, soak->volume, soak->start + at,
				(uint32_t)length, PATIENCE_MS, &data,
				&error) < 0) {
			note_error(soak, &error);
			continue;
		}
		check(soak, soak->start + at, length, data.bytes);
		soak->n_requests++;
		soak->n_bytes += length;
	}
}

static void
prepare(struct soak *soak, struct slot slots[N_SLOTS], char *argv[])
{
	struct client_error error;
	uint64_t share;

	soak->volume = argv[2];
	soak->start = strtoull(argv[3], NULL, 10);
	soak->length = strtoull(argv[4], NULL, 10);
	soak->random = strtoull(argv[5], NULL, 10) * 2654435761u + 1;
	soak->pace = N_SLOTS * 1000000000ull / strtoull(argv[6], NULL, 10);
	soak->model = calloc(1, soak->length);
	soak->is_known = calloc(1, soak->length);
	soak->client = client_connect(argv[1], &error);
	if (!soak->client || !soak->model || !soak->is_known) {
		fprintf(stderr, "%s\n", error.message);
		exit(1);
	}
	client_set_patience(soak->client, PATIENCE_MS);
	if (strcmp(argv[7], "channel") == 0)
		soak->channel = channel_open(soak->client, soak->volume,
					     PATIENCE_MS, &error);
	if (!soak->channel && strcmp(argv[7], "calls") != 0) {
		fprintf(stderr, "%s\n", error.message);
		exit(1);
	}
	share = soak->length / N_SLOTS;
	for (uint64_t i = 0; i < N_SLOTS; i++) {
		slots[i].soak = soak;
		slots[i].start = soak->start + i * share;
		slots[i].length = share;
		slots[i].due = now_ns() + i * soak->pace / N_SLOTS;
	}
}

int
main(int argc, char *argv[])
{
	struct slot slots[N_SLOTS] = { 0 };
	struct soak soak = { 0 };

	if (argc != 8)
		return 2;
	signal(SIGTERM, on_signal);
	prepare(&soak, slots, argv);
	work(&soak, slots);
	flush(&soak);
	tell(&soak, "flushed");
	(void)getchar();
	check_all(&soak);
	tell(&soak, "done");
	channel_free(soak.channel);
	client_free(soak.client);
	free(soak.model);
	free(soak.is_known);
	return soak.n_errors || soak.n_wrong;
}
