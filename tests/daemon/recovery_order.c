/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of writes to the same bytes, with a server that carries one of them
 * out late: a write that was given up must not overtake a newer one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/daemon/harness.h"
#include "tests/support/pattern.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define MIB   (1024 * 1024)
#define SIZE  65536
#define WRITE NBDCLIENTD__V1__COMMAND__COMMAND_WRITE

#define DEADLINE_EXCEEDED 4

/* nbdkit's plugin of shell scripts, several at a time: the first write lies
 * down for a second before it touches the file. */
struct fixture {
	char *dir;
	char *file;
	char *read;
	char *write;
	const char *argv[10];
	struct reborn_server server;
	struct daemon_process daemon;
	struct client *client;
	struct channel *channel;
};

static void
set_up(struct fixture *f)
{
	struct client_error error;

	*f = (struct fixture){ .dir = workdir_make() };
	f->file = workdir_sparse_file(f->dir, "disk", MIB);
	if (asprintf(&f->read,
		     "pread=dd if=%s iflag=skip_bytes,count_bytes skip=$4 "
		     "count=$3 status=none",
		     f->file) < 0 ||
	    asprintf(&f->write,
		     "pwrite=if mkdir %s/once 2>/dev/null; then sleep 1; fi; "
		     "dd of=%s oflag=seek_bytes conv=notrunc seek=$4 "
		     "status=none",
		     f->dir, f->file) < 0)
		abort();
	f->argv[0] = "nbdkit";
	f->argv[1] = "--foreground";
	f->argv[2] = "eval";
	f->argv[3] = "get_size=echo 1048576";
	f->argv[4] = "thread_model=echo parallel";
	f->argv[5] = f->read;
	f->argv[6] = f->write;
	reborn_start(&f->server, f->argv);
	daemon_prepare(&f->daemon, "");
	daemon_put_volume(&f->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n",
			  f->server.socket);
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
	f->channel = channel_open(f->client, "disk", 30000, &error);
	if (!f->channel)
		fail_msg("%s", error.message);
}

static void
tear_down(struct fixture *f)
{
	channel_free(f->channel);
	client_free(f->client);
	daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	reborn_cleanup(&f->server);
	workdir_remove(f->dir);
	free(f->file);
	free(f->read);
	free(f->write);
}

struct answer {
	struct channel_request request;
	bool is_there;
	bool has_failed;
	struct client_error error;
};

static void
keep_answer(struct channel_request *request, struct io_reply *reply,
	    const struct client_error *error)
{
	struct answer *answer = request->user;

	(void)reply;
	answer->is_there = true;
	answer->has_failed = error;
	if (error)
		answer->error = *error;
}

static void
submit_write(struct fixture *f, struct answer *answer, uint64_t offset,
	     uint8_t byte, uint32_t timeout_ms)
{
	void *bytes;

	*answer = (struct answer){
		.request.io.command = WRITE,
		.request.io.offset = offset,
		.request.io.length = SIZE,
		.request.io.timeout_ms = timeout_ms,
		.request.on_reply = keep_answer,
		.request.user = answer,
	};
	answer->request.io.data = payload_allocate(SIZE, &bytes);
	memset(bytes, byte, SIZE);
	channel_submit(f->channel, &answer->request);
}

static void
await(struct fixture *f, struct answer *answer)
{
	while (!answer->is_there)
		assert_true(channel_wait(f->channel, 30000) > 0);
}

static void
expect_bytes(struct fixture *f, uint64_t offset, uint8_t byte)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;

	if (client_read(f->client, "disk", offset, SIZE, 30000, &data, &error) <
	    0)
		fail_msg("%s", error.message);
	assert_true(pattern_is_all(data.bytes, SIZE, byte));
}

static void
a_write_given_up_does_not_overtake_a_newer_one(void **state)
{
	struct fixture f;
	struct answer old, newer, elsewhere, hasty;

	(void)state;
	set_up(&f);
	submit_write(&f, &old, 0, 1, 300);
	await(&f, &old);
	assert_int_equal(old.error.status, DEADLINE_EXCEEDED);
	assert_int_equal(old.error.applied,
			 NBDCLIENTD__V1__APPLIED__APPLIED_MAYBE);
	/* Half of it is over the old one, and so it waits. */
	submit_write(&f, &newer, SIZE / 2, 2, 30000);
	/* Others need not, and get past it. */
	submit_write(&f, &elsewhere, 4 * SIZE, 3, 30000);
	await(&f, &elsewhere);
	assert_false(elsewhere.has_failed);
	assert_false(newer.is_there);
	/* Who cannot wait is told what for, and that nothing was written. */
	submit_write(&f, &hasty, 0, 4, 50);
	await(&f, &hasty);
	assert_int_equal(hasty.error.status, DEADLINE_EXCEEDED);
	assert_int_equal(hasty.error.applied,
			 NBDCLIENTD__V1__APPLIED__APPLIED_NO);
	assert_non_null(strstr(hasty.error.message, "an earlier write"));
	await(&f, &newer);
	assert_false(newer.has_failed);
	expect_bytes(&f, SIZE / 2, 2);
	expect_bytes(&f, 4 * SIZE, 3);
	tear_down(&f);
}

static void
writes_to_the_same_bytes_are_carried_out_as_they_came(void **state)
{
	struct fixture f;
	struct answer answers[8];

	(void)state;
	set_up(&f);
	for (uint8_t i = 0; i < 8; i++)
		submit_write(&f, &answers[i], 0, (uint8_t)(i + 1), 30000);
	for (uint8_t i = 0; i < 8; i++) {
		await(&f, &answers[i]);
		assert_false(answers[i].has_failed);
	}
	expect_bytes(&f, 0, 8);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_write_given_up_does_not_overtake_a_newer_one),
		cmocka_unit_test(
			writes_to_the_same_bytes_are_carried_out_as_they_came),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
