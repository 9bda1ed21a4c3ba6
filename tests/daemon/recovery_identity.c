/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server that comes back as another one: the volume is quarantined until an
 * administrator accepts it, with nbdctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/daemon/harness.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/process.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

#define KIB     1024
#define MIB     (1024 * 1024)
#define TIMEOUT 30000

#define FAILED_PRECONDITION 9
#define DATA_LOSS           15
#define IDENTITY            NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_IDENTITY

#define EXIT_IDENTITY 12
#define EXIT_BUSY     13

struct fixture {
	char *dir;
	char *file;
	char *file_argument;
	const char *argv[8];
	struct reborn_server server;
	struct daemon_process daemon;
	struct client *client;
};

static void
set_up(struct fixture *f, const char *settings)
{
	*f = (struct fixture){ .dir = workdir_make() };
	f->file = workdir_sparse_file(f->dir, "disk", 8 * MIB);
	if (asprintf(&f->file_argument, "file=%s", f->file) < 0)
		test_broken("out of memory");
	f->argv[0] = "nbdkit";
	f->argv[1] = "--foreground";
	f->argv[2] = "--filter=cache";
	f->argv[3] = "file";
	f->argv[4] = f->file_argument;
	reborn_start(&f->server, f->argv);
	daemon_prepare(&f->daemon, "");
	daemon_put_volume(&f->daemon, "disk", "Uri=nbd+unix:///?socket=%s\n%s",
			  f->server.socket, settings);
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
	reborn_cleanup(&f->server);
	workdir_remove(f->dir);
	free(f->file);
	free(f->file_argument);
}

/* Another server at the same address: nbdkit with these words. */
static void
replace_server(struct fixture *f, const char *const words[5])
{
	memcpy(f->argv + 2, words, 5 * sizeof(*words));
	reborn_restart(&f->server);
}

#define REPLACE_SERVER(f, ...) \
	replace_server(f, (const char *const[5]){ __VA_ARGS__ })

static bool
is_quarantined(const Nbdclientd__V1__Volume *volume)
{
	return volume->state ==
	       NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_QUARANTINED;
}

/* The exit status of nbdctl VERB... disk. */
static int
nbdctl(struct fixture *f, const char *noun, const char *verb)
{
	const char *program = getenv("NBDCTL");
	const char *argv[] = { program, "--address", f->daemon.address,
			       "-o",    "value",     noun,
			       verb,    "disk",      NULL };
	int status;

	if (!program)
		test_broken("NBDCTL names no program");
	if (!verb) {
		argv[6] = "disk";
		argv[7] = NULL;
	}
	status = process_wait(process_start(argv, -1));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
try_to_write(struct fixture *f, uint64_t offset, size_t length, uint8_t byte,
	     struct client_error *error)
{
	struct payload data;
	void *bytes;

	data = payload_allocate(length, &bytes);
	memset(bytes, byte, length);
	return client_write(f->client, "disk", offset, 0, &data, TIMEOUT,
			    error);
}

static void
write_bytes(struct fixture *f, uint64_t offset, size_t length, uint8_t byte)
{
	struct client_error error;

	if (try_to_write(f, offset, length, byte, &error) < 0)
		fail_msg("%s", error.message);
}

static void
expect_bytes(struct fixture *f, uint64_t offset, size_t length, uint8_t byte)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;

	if (client_read(f->client, "disk", offset, (uint32_t)length, TIMEOUT,
			&data, &error) < 0)
		fail_msg("%s", error.message);
	assert_true(pattern_is_all(data.bytes, length, byte));
}

/* No I/O, and SAYS is why. */
static void
expect_quarantine(struct fixture *f, const char *says)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;

	daemon_await_volume(f->client, "disk", is_quarantined);
	assert_true(client_read(f->client, "disk", 0, 512, TIMEOUT, &data,
				&error) < 0);
	assert_int_equal(error.status, FAILED_PRECONDITION);
	assert_int_equal(error.reason, IDENTITY);
	if (!strstr(error.message, says))
		fail_msg("'%s' is not in '%s'", says, error.message);
	assert_non_null(strstr(error.hint, "nbdctl volume accept"));
	assert_true(try_to_write(f, 0, 512, 1, &error) < 0);
	assert_int_equal(error.reason, IDENTITY);
	assert_int_equal(error.applied, NBDCLIENTD__V1__APPLIED__APPLIED_NO);
}

static int
flush(struct fixture *f, struct client_error *error)
{
	Nbdclientd__V1__FlushRequest request =
		NBDCLIENTD__V1__FLUSH_REQUEST__INIT;
	void *response;
	char name[] = "disk";

	request.volume = name;
	response = client_call(f->client, RPC_IO_FLUSH, &request, TIMEOUT,
			       error);
	codec_message_free(response);
	return response ? 0 : -1;
}

static void
a_smaller_export_is_accepted_by_an_operator_or_not_at_all(void **state)
{
	struct fixture f;
	Nbdclientd__V1__Volume *volume;
	struct client_error error;

	(void)state;
	set_up(&f, "");
	assert_int_equal(nbdctl(&f, "volume", "accept"), EXIT_BUSY);
	write_bytes(&f, 0, 64 * KIB, 7);
	write_bytes(&f, 6 * MIB, 64 * KIB, 8);
	REPLACE_SERVER(&f, "memory", "4M");
	expect_quarantine(&f, "its size is 4194304 and was 8388608");
	assert_int_equal(nbdctl(&f, "size", NULL), 0);
	assert_int_equal(nbdctl(&f, "flush", NULL), EXIT_IDENTITY);
	/* It does not come back by itself. */
	reborn_restart(&f.server);
	assert_int_equal(nbdctl(&f, "flush", NULL), EXIT_IDENTITY);
	assert_int_equal(nbdctl(&f, "volume", "accept"), 0);
	assert_int_equal(nbdctl(&f, "volume", "wait"), 0);
	volume = daemon_volume(f.client, "disk");
	assert_int_equal(volume->export->size, 4 * MIB);
	codec_message_free(volume);
	/* What was acknowledged is there, as far as there is room for it; the
	 * next flush tells of the rest. */
	expect_bytes(&f, 0, 64 * KIB, 7);
	assert_int_equal(flush(&f, &error), -1);
	assert_int_equal(error.status, DATA_LOSS);
	assert_non_null(strstr(error.message, "6291456+65536"));
	assert_int_equal(flush(&f, &error), 0);
	tear_down(&f);
}

static void
a_second_look_finds_the_right_server_again(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "");
	write_bytes(&f, 0, 64 * KIB, 7);
	REPLACE_SERVER(&f, "memory", "16M");
	expect_quarantine(&f, "its size is 16777216");
	assert_int_equal(nbdctl(&f, "volume", "reconnect"), 0);
	expect_quarantine(&f, "its size is 16777216");
	REPLACE_SERVER(&f, "--filter=cache", "file", f.file_argument);
	assert_int_equal(nbdctl(&f, "volume", "reconnect"), 0);
	assert_int_equal(nbdctl(&f, "volume", "wait"), 0);
	expect_bytes(&f, 0, 64 * KIB, 7);
	tear_down(&f);
}

static void
a_read_only_export_is_another_one(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "");
	REPLACE_SERVER(&f, "--read-only", "file", f.file_argument);
	expect_quarantine(&f, "it is read-only and was not");
	tear_down(&f);
}

static void
other_block_sizes_are_another_export(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "");
	REPLACE_SERVER(&f, "--filter=blocksize-policy", "file", f.file_argument,
		       "blocksize-minimum=4096");
	expect_quarantine(&f, "its block sizes are 4096");
	tear_down(&f);
}

static void
another_name_is_another_export(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f, "");
	REPLACE_SERVER(&f, "--filter=exportname", "--filter=cache", "file",
		       f.file_argument, "default-export=first");
	expect_quarantine(&f, "its name is 'first' and was ''");
	assert_int_equal(nbdctl(&f, "volume", "accept"), 0);
	expect_bytes(&f, 0, 512, 0);
	reborn_restart(&f.server);
	expect_bytes(&f, 0, 512, 0);
	REPLACE_SERVER(&f, "--filter=exportname", "--filter=cache", "file",
		       f.file_argument, "default-export=second");
	expect_quarantine(&f, "its name is 'second' and was 'first'");
	tear_down(&f);
}

static void
put_byte(const char *path, off_t offset, uint8_t byte)
{
	CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (pwrite(fd, &byte, 1, offset) != 1)
		test_broken("%s: %s", path, strerror(errno));
}

static void
a_fingerprint_tells_disks_apart(void **state)
{
	struct fixture f;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "Fingerprint=1000,512\nConnections=2\n");
	reborn_restart(&f.server);
	expect_bytes(&f, 0, 512, 0);
	/* What we wrote ourselves is no sign of another disk, also if the
	 * server has lost it. */
	write_bytes(&f, 1000, 100, 9);
	reborn_restart(&f.server);
	expect_bytes(&f, 1000, 100, 9);
	volume = daemon_volume(f.client, "disk");
	assert_true(volume->counters->replayed >= 1);
	codec_message_free(volume);
	put_byte(f.file, 1400, 1);
	reborn_restart(&f.server);
	expect_quarantine(&f, "1 of the 512 bytes at 1000 (Fingerprint=)");
	assert_int_equal(nbdctl(&f, "volume", "accept"), 0);
	expect_bytes(&f, 1400, 1, 1);
	/* That is what it is known by now. */
	reborn_restart(&f.server);
	expect_bytes(&f, 1400, 1, 1);
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_smaller_export_is_accepted_by_an_operator_or_not_at_all),
		cmocka_unit_test(a_second_look_finds_the_right_server_again),
		cmocka_unit_test(a_read_only_export_is_another_one),
		cmocka_unit_test(other_block_sizes_are_another_export),
		cmocka_unit_test(another_name_is_another_export),
		cmocka_unit_test(a_fingerprint_tells_disks_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
