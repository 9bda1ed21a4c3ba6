/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Servers that take whole blocks of 4096 bytes only, and clients that do not
 * care: reads are widened, and what a write leaves of a block stays as it was,
 * however many of them change one block at a time.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/daemon/disk.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB   1024
#define MIB   (1024 * 1024)
#define SIZE  (4 * MIB)
#define READ  NBDCLIENTD__V1__COMMAND__COMMAND_READ
#define WRITE NBDCLIENTD__V1__COMMAND__COMMAND_WRITE
#define ZERO  NBDCLIENTD__V1__COMMAND__COMMAND_WRITE_ZEROES
#define TRIM  NBDCLIENTD__V1__COMMAND__COMMAND_TRIM
#define CACHE NBDCLIENTD__V1__COMMAND__COMMAND_CACHE
#define FUA   NBDCLIENTD__V1__COMMAND_FLAG__COMMAND_FLAG_FUA

#define INVALID_ARGUMENT 3

static void
set_up(struct disk *f, const char *settings)
{
	disk_start(f, SIZE,
		   NBDKIT("--filter=blocksize-policy", "--filter=cache", "file",
			  "file=FILE", "blocksize-minimum=4096",
			  "blocksize-preferred=4096", "blocksize-maximum=65536",
			  "blocksize-error-policy=error"),
		   settings);
	disk_open_channel(f);
}

/* One request, waited for. 0, or -1 with *ERROR. */
static int
ask(struct disk *f, uint32_t command, uint32_t flags, uint64_t offset,
    uint32_t length, uint64_t seed, struct client_error *error)
{
	struct disk_answer answer = {
		.request.io.command = command,
		.request.io.flags = flags,
		.request.io.offset = offset,
		.request.io.length = length,
	};
	void *bytes;

	if (command == WRITE) {
		answer.request.io.data = payload_allocate(length, &bytes);
		pattern_fill(bytes, length, seed, offset);
	}
	disk_submit(f, &answer, 0);
	disk_await(f, &answer);
	*error = answer.error;
	return answer.has_failed ? -1 : 0;
}

static void
change(struct disk *f, uint32_t command, uint32_t flags, uint64_t offset,
       uint32_t length, uint64_t seed)
{
	struct client_error error;

	if (ask(f, command, flags, offset, length, seed, &error) < 0)
		fail_msg("command %u at %lu+%u: %s", command,
			 (unsigned long)offset, length, error.message);
	if (command == WRITE)
		pattern_fill(f->model + offset, length, seed, offset);
	else
		memset(f->model + offset, 0, length);
}

static void
many_writers_of_one_block_lose_nothing(void **state)
{
	struct disk f;
	struct load load = {
		.command = WRITE,
		/* No multiple of anything. */
		.block = 1000,
		.size = 1000 * 4000,
		.depth = 200,
		.seed = 4,
	};

	(void)state;
	set_up(&f, "");
	load.channel = f.channel;
	load_run(&load);
	if (load.n_failed > 0)
		fail_msg("%s", load.first_error.message);
	load = (struct load){ .channel = f.channel,
			      .command = READ,
			      .block = 1000,
			      .size = 1000 * 4000,
			      .depth = 200,
			      .seed = 4 };
	load_run(&load);
	assert_int_equal(load.n_failed, 0);
	assert_int_equal(load.n_wrong, 0);
	pattern_fill(f.model, 1000 * 4000, 4, 0);
	disk_expect_model(&f);
	disk_stop(&f);
}

struct shape {
	uint64_t offset;
	uint32_t length;
};

/* Around the ends of blocks, over many of them, and more than one command to
 * the server may carry; the last ones end with the disk. */
static const struct shape shapes[] = {
	{ 0, 1 },
	{ 4095, 1 },
	{ 4095, 2 },
	{ 4096, 100 },
	{ 8191, 4097 },
	{ 8192, 4097 },
	{ 12287, 8194 },
	{ 20000, 300000 },
	{ 65536, 65537 },
	{ 131071, 65536 },
	{ 200000, 1000000 },
	{ SIZE - 1, 1 },
	{ SIZE - 4097, 2 },
	{ SIZE - 70000, 70000 },
};

static void
whatever_begins_and_ends_anywhere_changes_just_that(void **state)
{
	struct disk f;
	uint64_t seed = 1;

	(void)state;
	set_up(&f, "");
	change(&f, WRITE, 0, 0, 2 * MIB, seed++);
	change(&f, WRITE, 0, 2 * MIB, 2 * MIB, seed++);
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		const struct shape *shape = &shapes[i];

		change(&f, WRITE, i % 2 ? FUA : 0, shape->offset, shape->length,
		       seed++);
		disk_expect_model(&f);
		change(&f, ZERO, i % 2 ? 0 : FUA, shape->offset, shape->length,
		       0);
		disk_expect_model(&f);
		change(&f, WRITE, 0, shape->offset, shape->length, seed++);
	}
	disk_expect_model(&f);
	disk_stop(&f);
}

/* The server takes what it has not written along; the journal knows whole
 * blocks. */
static void
they_survive_a_server_that_loses_them(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "");
	for (uint64_t i = 0; i < 300; i++)
		change(&f, i % 5 ? WRITE : ZERO, i % 7 ? 0 : FUA,
		       i * 7919 % (SIZE - 30000),
		       (uint32_t)(1 + i * 997 % 30000), i);
	reborn_restart(&f.server);
	disk_expect_model(&f);
	disk_stop(&f);
}

static void
restart(void *user)
{
	reborn_restart(user);
}

static void
they_go_on_when_the_server_is_killed(void **state)
{
	struct disk f;
	struct load load = {
		.command = WRITE,
		.block = 1000,
		.size = 1000 * 4000,
		.depth = 100,
		.seed = 9,
		.midway_at = 1500,
		.midway = restart,
	};

	(void)state;
	set_up(&f, "");
	load.channel = f.channel;
	load.user = &f.server;
	load_run(&load);
	if (load.n_failed > 0)
		fail_msg("%s", load.first_error.message);
	pattern_fill(f.model, 1000 * 4000, 9, 0);
	disk_expect_model(&f);
	disk_stop(&f);
}

static void
a_trim_keeps_to_whole_blocks(void **state)
{
	struct client_error error;
	struct disk f;

	(void)state;
	set_up(&f, "");
	change(&f, WRITE, 0, 0, 64 * KIB, 1);
	/* Less than a block: nothing is asked of the server. */
	assert_int_equal(ask(&f, TRIM, 0, 100, 4000, 0, &error), 0);
	disk_expect_model(&f);
	assert_int_equal(ask(&f, TRIM, 0, 100, 8192, 0, &error), 0);
	/* What a trim leaves behind may be anything. */
	change(&f, WRITE, 0, 4096, 4096, 2);
	disk_expect_model(&f);
	assert_int_equal(ask(&f, CACHE, 0, 100, 8192, 0, &error), 0);
	disk_stop(&f);
}

static void
where_others_write_too_they_are_refused(void **state)
{
	struct client_error error;
	struct disk f;

	(void)state;
	set_up(&f, "SingleWriter=no\n");
	change(&f, WRITE, 0, 4096, 8192, 1);
	assert_int_equal(ask(&f, WRITE, 0, 4096, 100, 1, &error), -1);
	assert_int_equal(error.status, INVALID_ARGUMENT);
	assert_non_null(strstr(error.message, "not multiples of 4096"));
	assert_non_null(strstr(error.hint, "SingleWriter=yes"));
	assert_int_equal(ask(&f, ZERO, 0, 1, 4096, 1, &error), -1);
	assert_int_equal(error.status, INVALID_ARGUMENT);
	disk_expect_model(&f);
	disk_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_writers_of_one_block_lose_nothing),
		cmocka_unit_test(
			whatever_begins_and_ends_anywhere_changes_just_that),
		cmocka_unit_test(they_survive_a_server_that_loses_them),
		cmocka_unit_test(they_go_on_when_the_server_is_killed),
		cmocka_unit_test(a_trim_keeps_to_whole_blocks),
		cmocka_unit_test(where_others_write_too_they_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
