/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies by the daemon, and servers that go while they are under way: nbdkit's
 * cache filter takes along what nobody flushed.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/byteorder.h"
#include "common/cleanup.h"
#include "tests/daemon/disk.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"

#define MIB  (1024 * 1024)
#define SIZE (24 * MIB)
#define N    24

struct fixture {
	struct disk disk;
	struct reborn_server source;
	struct disk_answer answers[N];
};

/* What nbdkit's pattern plugin serves. */
static void
fill_model(struct disk *disk)
{
	for (uint64_t at = 0; at < SIZE; at += 8)
		store_be64(disk->model + at, at);
}

static void
set_up(struct fixture *f)
{
	static const char *const source[] = { "nbdkit", "--foreground",
					      "pattern", "24M", NULL };

	*f = (struct fixture){ 0 };
	disk_start(&f->disk, SIZE,
		   NBDKIT("--filter=cache", "file", "file=FILE"), "");
	reborn_start(&f->source, source);
	daemon_put_volume(&f->disk.daemon, "from",
			  "Uri=nbd+unix:///?socket=%s\n", f->source.socket);
	process_signal(f->disk.daemon.pid, SIGHUP);
	daemon_await(&f->disk.daemon, "RELOADING=1");
	daemon_await(&f->disk.daemon, "READY=1");
	disk_open_channel(&f->disk);
	fill_model(&f->disk);
}

static void
tear_down(struct fixture *f)
{
	disk_stop(&f->disk);
	reborn_cleanup(&f->source);
}

static void
submit(struct fixture *f, size_t i)
{
	struct disk_answer *answer = &f->answers[i];

	answer->request.io = (struct io_request){
		.command = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE,
		.offset = i * MIB,
		.length = MIB,
		.source = strdup("from"),
		.source_offset = i * MIB,
	};
	assert_non_null(answer->request.io.source);
	disk_submit(&f->disk, answer, DISK_TIMEOUT);
}

/* All are submitted; VICTIM is killed and started again after each sixth. */
static void
copy_in_spite_of(struct fixture *f, struct reborn_server *victim)
{
	for (size_t i = 0; i < N; i++)
		submit(f, i);
	for (size_t i = 0; i < N; i++) {
		disk_await(&f->disk, &f->answers[i]);
		io_request_done(&f->answers[i].request.io);
		if (f->answers[i].has_failed)
			fail_msg("copy %zu: %s", i,
				 f->answers[i].error.message);
		if (i % 6 == 5)
			reborn_restart(victim);
	}
}

static void
expect_copied(struct fixture *f)
{
	struct client_error error;

	disk_expect_model(&f->disk);
	if (disk_flush(&f->disk, &error) < 0)
		fail_msg("%s", error.message);
	assert_true(disk_file_is_model(&f->disk));
}

static void
what_the_destination_loses_is_written_again(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	copy_in_spite_of(&f, &f.disk.server);
	expect_copied(&f);
	tear_down(&f);
}

static void
what_the_source_leaves_unanswered_is_read_again(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	copy_in_spite_of(&f, &f.source);
	expect_copied(&f);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_destination_loses_is_written_again),
		cmocka_unit_test(
			what_the_source_leaves_unanswered_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
