/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two servers of one disk: what moves to the second when the first is lost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/daemon/harness.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB         1024
#define MIB         (1024 * 1024)
#define TIMEOUT     30000
#define UNAVAILABLE 14

struct fixture {
	char *dir;
	char *file_argument;
	const char *argv[8];
	struct reborn_server servers[2];
	struct daemon_process daemon;
	struct client *client;
};

static void
set_up(struct fixture *f, const char *settings)
{
	CLEANUP_FREE char *file = NULL;

	*f = (struct fixture){ .dir = workdir_make() };
	file = workdir_sparse_file(f->dir, "disk", 8 * MIB);
	if (asprintf(&f->file_argument, "file=%s", file) < 0)
		test_broken("out of memory");
	f->argv[0] = "nbdkit";
	f->argv[1] = "--foreground";
	f->argv[2] = "--filter=cache";
	f->argv[3] = "file";
	f->argv[4] = f->file_argument;
	reborn_start(&f->servers[0], f->argv);
	reborn_start(&f->servers[1], f->argv);
	daemon_prepare(&f->daemon, "");
	daemon_put_volume(&f->daemon, "disk",
			  "Uri=nbd+unix:///?socket=%s\n"
			  "Uri=nbd+unix:///?socket=%s\n%s",
			  f->servers[0].socket, f->servers[1].socket, settings);
	daemon_launch(&f->daemon);
	f->client = daemon_connect(&f->daemon);
	daemon_await_volume(f->client, "disk", volume_is_ready);
}

static void
tear_down(struct fixture *f)
{
	client_free(f->client);
	daemon_terminate(&f->daemon);
	daemon_cleanup(&f->daemon);
	reborn_cleanup(&f->servers[0]);
	reborn_cleanup(&f->servers[1]);
	workdir_remove(f->dir);
	free(f->file_argument);
}

static int
try_to_write(struct fixture *f, uint64_t offset, uint8_t byte, int timeout_ms,
	     struct client_error *error)
{
	struct payload data;
	void *bytes;

	data = payload_allocate(64 * KIB, &bytes);
	memset(bytes, byte, 64 * KIB);
	return client_write(f->client, "disk", offset, 0, &data, timeout_ms,
			    error);
}

static void
write_well(struct fixture *f, uint64_t offset, uint8_t byte)
{
	struct client_error error;

	if (try_to_write(f, offset, byte, TIMEOUT, &error) < 0)
		fail_msg("%s", error.message);
}

static void
expect_bytes(struct fixture *f, uint64_t offset, uint8_t byte)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;

	if (client_read(f->client, "disk", offset, 64 * KIB, TIMEOUT, &data,
			&error) < 0)
		fail_msg("%s", error.message);
	assert_true(pattern_is_all(data.bytes, 64 * KIB, byte));
}

static void
on_shared_storage_writes_move_too(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "SharedStorage=yes\n");
	/* Not flushed: the first server takes it along. */
	write_well(&f, 0, 1);
	reborn_kill(&f.servers[0]);
	write_well(&f, 64 * KIB, 2);
	expect_bytes(&f, 0, 1);
	expect_bytes(&f, 64 * KIB, 2);
	/* And back, when the second is lost. */
	reborn_restart(&f.servers[0]);
	reborn_kill(&f.servers[1]);
	write_well(&f, 128 * KIB, 3);
	expect_bytes(&f, 0, 1);
	expect_bytes(&f, 64 * KIB, 2);
	expect_bytes(&f, 128 * KIB, 3);
	tear_down(&f);
}

static void
of_a_read_only_volume_all_moves(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "ReadOnly=yes\n");
	reborn_kill(&f.servers[0]);
	expect_bytes(&f, 0, 0);
	tear_down(&f);
}

static void
writes_do_not_move_to_a_disk_of_its_own(void **state)
{
	struct fixture f;
	struct client_error error;

	(void)state;
	set_up(&f, "");
	write_well(&f, 0, 1);
	reborn_kill(&f.servers[0]);
	assert_true(try_to_write(&f, 0, 2, 500, &error) < 0);
	assert_int_equal(error.status, UNAVAILABLE);
	reborn_restart(&f.servers[0]);
	expect_bytes(&f, 0, 1);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_shared_storage_writes_move_too),
		cmocka_unit_test(of_a_read_only_volume_all_moves),
		cmocka_unit_test(writes_do_not_move_to_a_disk_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
