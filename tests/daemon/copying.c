/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes of a channel with a source: the daemon copies between volumes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/rpc_limits.h"
#include "tests/daemon/harness.h"
#include "tests/support/server.h"
#include "tests/support/unit.h"

#define TIMEOUT 30000
#define KIB     UINT64_C(1024)
#define SIZE    (1024 * KIB)

struct fixture {
	struct server from;
	struct server to;
	struct daemon_process daemon;
	struct client *client;
	struct channel *channel;
};

/* The servers run. SETTINGS are lines for the source. */
static void
open_volumes(struct fixture *f, const char *settings)
{
	struct client_error error;

	daemon_prepare(&f->daemon, "");
	daemon_put_volume(&f->daemon, "from", "Uri=nbd+unix:///?socket=%s\n%s",
			  f->from.socket, settings);
	daemon_put_volume(&f->daemon, "to", "Uri=nbd+unix:///?socket=%s\n",
			  f->to.socket);
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
	f->channel = channel_open(f->client, "to", TIMEOUT, &error);
	if (!f->channel)
		fail_msg("%s", error.message);
	assert_true(channel_opened(f->channel)->can_copy);
}

static void
set_up(struct fixture *f, const char *from, const char *to)
{
	*f = (struct fixture){ 0 };
	server_start_line(&f->from, SERVER_UNIX, from);
	server_start_line(&f->to, SERVER_UNIX, to);
	open_volumes(f, "");
}

static void
tear_down(struct fixture *f)
{
	channel_free(f->channel);
	client_free(f->client);
	daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	server_stop(&f->to);
	server_stop(&f->from);
}

struct answer {
	struct channel_request request;
	bool is_there;
	int errnum;
	char seen[1024];
};

static void
on_reply(struct channel_request *request, struct io_reply *reply,
	 const struct client_error *error)
{
	struct answer *answer = request->user;

	answer->is_there = true;
	if (error) {
		answer->errnum = error->errno_value;
		snprintf(answer->seen, sizeof(answer->seen), "%s",
			 error->message);
	} else if (reply->error) {
		answer->errnum = (int)reply->error->code;
		snprintf(answer->seen, sizeof(answer->seen), "%s",
			 reply->error->message);
	}
	io_request_done(&request->io);
}

static void
submit(struct fixture *f, struct answer *answer, const char *source,
       uint64_t source_offset, uint64_t offset, uint64_t length)
{
	*answer = (struct answer){ 0 };
	answer->request.on_reply = on_reply;
	answer->request.user = answer;
	answer->request.io = (struct io_request){
		.command = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE,
		.offset = offset,
		.length = length,
		.source = strdup(source),
		.source_offset = source_offset,
	};
	assert_non_null(answer->request.io.source);
	channel_submit(f->channel, &answer->request);
}

static void
await(struct fixture *f, struct answer *answer)
{
	while (!answer->is_there)
		assert_true(channel_wait(f->channel, TIMEOUT) > 0);
}

/* The copy is refused, and what is said has SEEN in it. */
static void
expect_refusal(struct fixture *f, struct answer *answer, const char *seen)
{
	await(f, answer);
	assert_int_not_equal(answer->errnum, 0);
	if (!strstr(answer->seen, seen))
		fail_msg("\"%s\" is not in \"%s\"", seen, answer->seen);
}

/* The LENGTH bytes at OFFSET of "to" are those at SOURCE_OFFSET of "from". */
static void
expect_copied(struct fixture *f, uint64_t source_offset, uint64_t offset,
	      uint32_t length)
{
	struct payload wanted = PAYLOAD_EMPTY, seen = PAYLOAD_EMPTY;
	struct client_error error;

	assert_int_equal(client_read(f->client, "from", source_offset, length,
				     TIMEOUT, &wanted, &error),
			 0);
	assert_int_equal(client_read(f->client, "to", offset, length, TIMEOUT,
				     &seen, &error),
			 0);
	assert_int_equal(seen.length, length);
	assert_memory_equal(seen.bytes, wanted.bytes, length);
	payload_release(&wanted);
	payload_release(&seen);
}

static void
expect_zeroes(struct fixture *f, uint64_t offset, uint32_t length)
{
	struct payload seen = PAYLOAD_EMPTY;
	struct client_error error;

	assert_int_equal(client_read(f->client, "to", offset, length, TIMEOUT,
				     &seen, &error),
			 0);
	for (uint32_t i = 0; i < length; i++)
		assert_int_equal(((const uint8_t *)seen.bytes)[i], 0);
	payload_release(&seen);
}

static void
bytes_go_from_one_volume_to_the_other(void **state)
{
	struct answer answers[8];
	struct fixture f;

	(void)state;
	set_up(&f, "nbdkit --foreground pattern 1M",
	       "nbdkit --foreground memory 1M");
	for (size_t i = 0; i < 8; i++)
		submit(&f, &answers[i], "from", i * 64 * KIB,
		       SIZE - (i + 1) * 96 * KIB, 64 * KIB);
	for (size_t i = 0; i < 8; i++) {
		await(&f, &answers[i]);
		assert_int_equal(answers[i].errnum, 0);
		expect_copied(&f, i * 64 * KIB, SIZE - (i + 1) * 96 * KIB,
			      64 * KIB);
	}
	expect_zeroes(&f, SIZE - 32 * KIB, 32 * KIB);
	tear_down(&f);
}

static void
what_cannot_be_copied_is_refused(void **state)
{
	struct answer answer;
	struct fixture f;

	(void)state;
	set_up(&f, "nbdkit --foreground pattern 1M",
	       "nbdkit --foreground memory 1M");
	submit(&f, &answer, "nowhere", 0, 0, 4096);
	expect_refusal(&f, &answer, "nowhere");
	submit(&f, &answer, "from", 0, 0, 0);
	expect_refusal(&f, &answer, "one copy may be");
	submit(&f, &answer, "from", 0, 0, RPC_WRITE_MAX + 1);
	expect_refusal(&f, &answer, "one copy may be");
	/* Beyond the end of the source, and of the destination. */
	submit(&f, &answer, "from", SIZE - 4096, 0, 8192);
	expect_refusal(&f, &answer, "read");
	expect_zeroes(&f, 0, 8192);
	submit(&f, &answer, "from", 0, SIZE - 4096, 8192);
	expect_refusal(&f, &answer, "write");
	expect_zeroes(&f, SIZE - 4096, 4096);
	/* The channel goes on. */
	submit(&f, &answer, "from", 0, 0, 4096);
	await(&f, &answer);
	assert_int_equal(answer.errnum, 0);
	expect_copied(&f, 0, 0, 4096);
	tear_down(&f);
}

/* What is written was read before, though it goes piece by piece. */
static void
bytes_move_within_a_volume(void **state)
{
	const uint32_t length = 960 * KIB;
	struct payload before = PAYLOAD_EMPTY, after = PAYLOAD_EMPTY;
	struct client_error error;
	struct answer answer;
	struct fixture f;

	(void)state;
	set_up(&f, "nbdkit --foreground pattern 1M",
	       "nbdkit --foreground --filter=cow pattern 1M");
	assert_int_equal(client_read(f.client, "to", 0, length, TIMEOUT,
				     &before, &error),
			 0);
	submit(&f, &answer, "to", 0, 64 * KIB, length);
	await(&f, &answer);
	assert_int_equal(answer.errnum, 0);
	assert_int_equal(client_read(f.client, "to", 64 * KIB, length, TIMEOUT,
				     &after, &error),
			 0);
	assert_memory_equal(after.bytes, before.bytes, length);
	payload_release(&before);
	payload_release(&after);
	tear_down(&f);
}

/* More than is under way at once; each of them in many pieces, and none that
 * ends where one does. */
static void
large_copies_are_carried_out_in_turn(void **state)
{
	const uint64_t length = RPC_WRITE_MAX - 12345;
	struct answer answers[12];
	struct fixture f;

	(void)state;
	set_up(&f, "nbdkit --foreground pattern 64M",
	       "nbdkit --foreground memory 64M");
	for (size_t i = 0; i < 12; i++)
		submit(&f, &answers[i], "from", i * length, (11 - i) * length,
		       length);
	for (size_t i = 0; i < 12; i++) {
		await(&f, &answers[i]);
		assert_int_equal(answers[i].errnum, 0);
		expect_copied(&f, i * length, (11 - i) * length,
			      (uint32_t)length);
	}
	expect_zeroes(&f, 12 * length, 4096);
	tear_down(&f);
}

/* Nothing is written of what goes beyond an end, also where the first piece
 * would fit. */
static void
what_is_too_large_is_not_begun(void **state)
{
	struct answer answer;
	struct fixture f;

	(void)state;
	set_up(&f, "nbdkit --foreground pattern 1M",
	       "nbdkit --foreground memory 1M");
	submit(&f, &answer, "from", 0, 64 * KIB, SIZE);
	expect_refusal(&f, &answer, "write");
	submit(&f, &answer, "from", 64 * KIB, 0, SIZE);
	expect_refusal(&f, &answer, "read");
	expect_zeroes(&f, 0, SIZE);
	tear_down(&f);
}

static void
a_source_beside_data_is_refused(void **state)
{
	static const char bytes[4096] = "data";
	struct answer answer;
	struct fixture f;
	void *place;

	(void)state;
	set_up(&f, "nbdkit --foreground pattern 1M",
	       "nbdkit --foreground memory 1M");
	answer = (struct answer){ 0 };
	answer.request.on_reply = on_reply;
	answer.request.user = &answer;
	answer.request.io.command = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE;
	answer.request.io.source = strdup("from");
	answer.request.io.data = payload_allocate(sizeof(bytes), &place);
	memcpy(place, bytes, sizeof(bytes));
	channel_submit(f.channel, &answer.request);
	expect_refusal(&f, &answer, "without data");
	expect_zeroes(&f, 0, 4096);

	answer = (struct answer){ 0 };
	answer.request.on_reply = on_reply;
	answer.request.user = &answer;
	answer.request.io.command = NBDCLIENTD__V1__COMMAND__COMMAND_READ;
	answer.request.io.length = 4096;
	answer.request.io.source = strdup("from");
	channel_submit(f.channel, &answer.request);
	expect_refusal(&f, &answer, "only a write");
	tear_down(&f);
}

/* What the servers answer comes through, whichever of them it is. */
static void
a_failure_of_either_server_is_told(void **state)
{
	struct answer answer;
	struct fixture f;

	(void)state;
	set_up(&f,
	       "nbdkit --foreground --filter=error pattern 1M "
	       "error-pread-rate=100%",
	       "nbdkit --foreground memory 1M");
	submit(&f, &answer, "from", 0, 0, 4096);
	expect_refusal(&f, &answer, "read");
	expect_zeroes(&f, 0, 4096);
	tear_down(&f);

	set_up(&f, "nbdkit --foreground pattern 1M",
	       "nbdkit --foreground --filter=error memory 1M "
	       "error-pwrite-rate=100%");
	submit(&f, &answer, "from", 0, 0, 4096);
	expect_refusal(&f, &answer, "write");
	expect_zeroes(&f, 0, 4096);
	tear_down(&f);
}

/* A failure in the middle ends its copy, and those behind it go on. */
static void
one_that_fails_does_not_hold_up_others(void **state)
{
	/* A piece of the first copy, not its first one, cannot be read. */
	static const char *const broken[] = {
		"nbdkit",
		"--foreground",
		"eval",
		"get_size=echo 8388608",
		"pread=if [ $4 -ge 65536 ] && [ $4 -lt 524288 ]; then "
		"echo EIO >&2; exit 1; fi; "
		"head -c $3 /dev/zero | tr '\\0' x",
		NULL,
	};
	struct answer failing, others[6];
	struct fixture f;

	(void)state;
	f = (struct fixture){ 0 };
	server_start(&f.from, SERVER_UNIX, broken);
	server_start_line(&f.to, SERVER_UNIX, "nbdkit --foreground memory 8M");
	open_volumes(&f, "");
	submit(&f, &failing, "from", 0, 0, 2048 * KIB);
	for (size_t i = 0; i < 6; i++)
		submit(&f, &others[i], "from", 2048 * KIB + i * 512 * KIB,
		       2048 * KIB + i * 512 * KIB, 512 * KIB);
	expect_refusal(&f, &failing, "read");
	for (size_t i = 0; i < 6; i++) {
		await(&f, &others[i]);
		assert_int_equal(others[i].errnum, 0);
		expect_copied(&f, 2048 * KIB + i * 512 * KIB,
			      2048 * KIB + i * 512 * KIB, 512 * KIB);
	}
	tear_down(&f);
}

/* A server that answers nothing any more: what waits behind what it holds up
 * has waited as long when that times out. */
static void
all_time_out_together(void **state)
{
	struct answer answers[40];
	struct fixture f;

	(void)state;
	f = (struct fixture){ 0 };
	server_start_line(
		&f.from, SERVER_UNIX,
		"nbdkit --foreground --filter=delay pattern 1M delay-read=600");
	server_start_line(&f.to, SERVER_UNIX, "nbdkit --foreground memory 1M");
	open_volumes(&f, "RequestTimeout=500ms\n");
	for (size_t i = 0; i < 40; i++)
		submit(&f, &answers[i], "from", 0, 0, 1000 * KIB);
	for (size_t i = 0; i < 40; i++)
		expect_refusal(&f, &answers[i], "within the time allowed");
	tear_down(&f);
}

/* The client goes while the daemon reads: what holds the copy is let go. */
static void
a_client_that_goes_leaves_nothing_behind(void **state)
{
	struct answer answers[40];
	struct fixture f;

	(void)state;
	set_up(&f,
	       "nbdkit --foreground --filter=delay pattern 1M "
	       "delay-read=200ms",
	       "nbdkit --foreground memory 1M");
	/* More than can be under way: some have not begun. */
	for (size_t i = 0; i < 40; i++)
		submit(&f, &answers[i], "from", 0, 0, 1000 * KIB);
	channel_free(f.channel);
	f.channel = NULL;
	for (size_t i = 0; i < 40; i++)
		assert_true(answers[i].is_there);
	/* Terminating waits for all that is under way. */
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_from_one_volume_to_the_other),
		cmocka_unit_test(what_cannot_be_copied_is_refused),
		cmocka_unit_test(bytes_move_within_a_volume),
		cmocka_unit_test(large_copies_are_carried_out_in_turn),
		cmocka_unit_test(what_is_too_large_is_not_begun),
		cmocka_unit_test(a_source_beside_data_is_refused),
		cmocka_unit_test(a_failure_of_either_server_is_told),
		cmocka_unit_test(one_that_fails_does_not_hold_up_others),
		cmocka_unit_test(all_time_out_together),
		cmocka_unit_test(a_client_that_goes_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
