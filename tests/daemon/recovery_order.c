/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server that takes its time over one request, as long as the test likes: a
 * write that was given up must not overtake a newer one to the same bytes, and
 * a flush during which the server is lost must not succeed.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/daemon/disk.h"
#include "tests/support/outcome.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define MIB  (1024 * 1024)
#define SIZE 65536

#define DEADLINE_EXCEEDED 4
#define DATA_LOSS         15

#define ELSEWHERE 262144

/* nbdkit's plugin of shell scripts, several at a time: the first write below
 * ELSEWHERE waits for the gate before it touches the file. */
static void
set_up(struct disk *f)
{
	disk_start(
		f, MIB,
		NBDKIT("eval", "get_size=echo 1048576",
		       "thread_model=echo parallel",
		       "pread=dd if=FILE iflag=skip_bytes,count_bytes skip=$4 "
		       "count=$3 status=none",
		       "pwrite=f=FILE; [ $4 -lt 262144 ] && "
		       "mkdir $f.once 2>/dev/null && flock $f.gate true; "
		       "dd of=$f oflag=seek_bytes conv=notrunc seek=$4 "
		       "status=none"),
		"");
	disk_open_channel(f);
}

/* What is returned holds the gate shut until it is closed. */
static int
shut_gate(const struct disk *f)
{
	CLEANUP_FREE char *path = workdir_path(f->dir, "disk.gate");
	int gate = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (gate < 0 || flock(gate, LOCK_EX) < 0)
		test_broken("cannot lock %s: %m", path);
	return gate;
}

/* Until somebody has written into the FIFO. */
static void
await_news(const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char byte;

	if (fd < 0 || read(fd, &byte, 1) != 1)
		test_broken("nothing came from %s: %m", path);
}

static void
submit(struct disk *f, struct disk_answer *answer, uint64_t offset,
       uint8_t byte, uint32_t timeout_ms)
{
	disk_submit_write(f, answer, offset, SIZE, byte, timeout_ms);
}

static void
a_write_given_up_does_not_overtake_a_newer_one(void **state)
{
	struct disk f;
	struct disk_answer old, newer, elsewhere, hasty;
	int gate;

	(void)state;
	set_up(&f);
	gate = shut_gate(&f);
	submit(&f, &old, 0, 1, 300);
	disk_await(&f, &old);
	assert_int_equal(old.error.status, DEADLINE_EXCEEDED);
	assert_int_equal(old.error.applied,
			 NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE);
	/* Half of it is over the old one, and so it waits. */
	submit(&f, &newer, SIZE / 2, 2, 30000);
	/* Others need not, and get past it. */
	submit(&f, &elsewhere, ELSEWHERE, 3, 30000);
	disk_await(&f, &elsewhere);
	assert_false(elsewhere.has_failed);
	assert_false(newer.is_there);
	/* Who cannot wait is told what for, and that nothing was written. */
	submit(&f, &hasty, 0, 4, 50);
	disk_await(&f, &hasty);
	assert_int_equal(hasty.error.status, DEADLINE_EXCEEDED);
	assert_int_equal(hasty.error.applied,
			 NBDCLIENTD__V1__APPLIED__APPLIED_NO);
	assert_non_null(strstr(hasty.error.message, "an earlier write"));
	close(gate);
	disk_await(&f, &newer);
	assert_false(newer.has_failed);
	disk_expect(&f, SIZE / 2, SIZE, 2);
	disk_expect(&f, ELSEWHERE, SIZE, 3);
	disk_stop(&f);
}

static void
writes_to_the_same_bytes_are_carried_out_as_they_came(void **state)
{
	struct disk f;
	struct disk_answer answers[8], elsewhere;
	int gate;

	(void)state;
	set_up(&f);
	gate = shut_gate(&f);
	for (uint8_t i = 0; i < 8; i++)
		submit(&f, &answers[i], 0, (uint8_t)(i + 1), 30000);
	/* When this one is there, the daemon knows of all of them. */
	submit(&f, &elsewhere, ELSEWHERE, 9, 30000);
	disk_await(&f, &elsewhere);
	for (uint8_t i = 0; i < 8; i++)
		assert_false(answers[i].is_there);
	close(gate);
	for (uint8_t i = 0; i < 8; i++) {
		disk_await(&f, &answers[i]);
		assert_false(answers[i].has_failed);
	}
	disk_expect(&f, 0, SIZE, 8);
	disk_stop(&f);
}

/* The flush goes to a server that tells it has come and then stands still, and
 * again to one that answers at once. */
static void
report_reaches_a_flush_that_was_under_way(void **state)
{
	struct disk f;
	struct disk_answer flush = {
		.request.io.command = NBDCLIENTD__V1__COMMAND__COMMAND_FLUSH,
	};
	struct client_error error;
	CLEANUP_FREE char *news = NULL;
	CLEANUP_CLOSE int gate = -1;

	(void)state;
	disk_start(&f, MIB,
		   NBDKIT("eval", "get_size=echo 1048576",
			  "pread=head -c $3 /dev/zero", "pwrite=cat >/dev/null",
			  "flush=f=FILE; mkdir $f.once 2>/dev/null || exit 0; "
			  "echo >$f.news; flock $f.gate true"),
		   "Unflushed=report\n");
	news = workdir_path(f.dir, "disk.news");
	assert_int_equal(mkfifo(news, 0600), 0);
	gate = shut_gate(&f);
	disk_open_channel(&f);
	disk_write(&f, 1000, 5000, 1);
	disk_submit(&f, &flush, DISK_TIMEOUT);
	await_news(news);
	reborn_restart(&f.server);
	disk_await(&f, &flush);
	assert_true(flush.has_failed);
	assert_int_equal(flush.error.status, DATA_LOSS);
	assert_string_equal(flush.error.message,
			    "flush: writes that were acknowledged may be lost, "
			    "at (offset+length) 1000+5000");
	assert_int_equal(disk_flush(&f, &error), 0);
	disk_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_write_given_up_does_not_overtake_a_newer_one),
		cmocka_unit_test(
			writes_to_the_same_bytes_are_carried_out_as_they_came),
		cmocka_unit_test(report_reaches_a_flush_that_was_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
