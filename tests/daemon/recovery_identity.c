/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server that comes back as another one: the volume is quarantined until an
 * administrator accepts it, with nbdctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/daemon/disk.h"
#include "tests/support/outcome.h"
#include "tests/support/unit.h"

#define KIB 1024
#define MIB (1024 * 1024)

#define FAILED_PRECONDITION 9
#define DATA_LOSS           15
#define IDENTITY            NBDCLIENTD__V1__ERROR_REASON__ERROR_REASON_IDENTITY

#define EXIT_IDENTITY 12
#define EXIT_BUSY     13

static void
set_up(struct disk *f, const char *settings)
{
	disk_start(f, 8 * MIB, NBDKIT("--filter=cache", "file", "file=FILE"),
		   settings);
}

static bool
is_quarantined(const Nbdclientd__V1__Volume *volume)
{
	return volume->state ==
	       NBDCLIENTD__V1__VOLUME_STATE__VOLUME_STATE_QUARANTINED;
}

/* No I/O, and SAYS is why. */
static void
expect_quarantine(struct disk *f, const char *says)
{
	CLEANUP_PAYLOAD struct payload data = PAYLOAD_EMPTY;
	struct client_error error;

	daemon_await_volume(f->client, "disk", is_quarantined);
	assert_true(client_read(f->client, "disk", 0, 512, DISK_TIMEOUT, &data,
				&error) < 0);
	assert_int_equal(error.status, FAILED_PRECONDITION);
	assert_int_equal(error.reason, IDENTITY);
	if (!strstr(error.message, says))
		fail_msg("'%s' is not in '%s'", says, error.message);
	assert_non_null(strstr(error.hint, "nbdctl volume accept"));
	assert_true(disk_try_to_write(f, 0, 512, 1, DISK_TIMEOUT, &error) < 0);
	assert_int_equal(error.reason, IDENTITY);
	assert_int_equal(error.applied, NBDCLIENTD__V1__APPLIED__APPLIED_NO);
}

static void
a_smaller_export_is_accepted_by_an_operator_or_not_at_all(void **state)
{
	struct disk f;
	Nbdclientd__V1__Volume *volume;
	struct client_error error;

	(void)state;
	set_up(&f, "");
	assert_int_equal(disk_nbdctl(&f, "volume", "accept"), EXIT_BUSY);
	disk_write(&f, 0, 64 * KIB, 7);
	disk_write(&f, 6 * MIB, 64 * KIB, 8);
	disk_replace_server(&f, NBDKIT("memory", "4M"));
	expect_quarantine(&f, "its size is 4194304 and was 8388608");
	assert_int_equal(disk_nbdctl(&f, "size", NULL), 0);
	assert_int_equal(disk_nbdctl(&f, "flush", NULL), EXIT_IDENTITY);
	/* It does not come back by itself. */
	reborn_restart(&f.server);
	assert_int_equal(disk_nbdctl(&f, "flush", NULL), EXIT_IDENTITY);
	assert_int_equal(disk_nbdctl(&f, "volume", "accept"), 0);
	assert_int_equal(disk_nbdctl(&f, "volume", "wait"), 0);
	volume = daemon_volume(f.client, "disk");
	assert_int_equal(volume->export->size, 4 * MIB);
	codec_message_free(volume);
	/* What was acknowledged is there, as far as there is room for it; the
	 * next flush tells of the rest. */
	disk_expect(&f, 0, 64 * KIB, 7);
	assert_int_equal(disk_flush(&f, &error), -1);
	assert_int_equal(error.status, DATA_LOSS);
	assert_non_null(strstr(error.message, "6291456+65536"));
	assert_int_equal(disk_flush(&f, &error), 0);
	disk_stop(&f);
}

static void
a_second_look_finds_the_right_server_again(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "");
	disk_write(&f, 0, 64 * KIB, 7);
	disk_replace_server(&f, NBDKIT("memory", "16M"));
	expect_quarantine(&f, "its size is 16777216");
	assert_int_equal(disk_nbdctl(&f, "volume", "reconnect"), 0);
	expect_quarantine(&f, "its size is 16777216");
	disk_replace_server(&f, NBDKIT("--filter=cache", "file", "file=FILE"));
	assert_int_equal(disk_nbdctl(&f, "volume", "reconnect"), 0);
	assert_int_equal(disk_nbdctl(&f, "volume", "wait"), 0);
	disk_expect(&f, 0, 64 * KIB, 7);
	disk_stop(&f);
}

static void
a_read_only_export_is_another_one(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "");
	disk_replace_server(&f, NBDKIT("--read-only", "file", "file=FILE"));
	expect_quarantine(&f, "it is read-only and was not");
	disk_stop(&f);
}

static void
other_block_sizes_are_another_export(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "");
	disk_replace_server(&f, NBDKIT("--filter=blocksize-policy", "file",
				       "file=FILE", "blocksize-minimum=4096"));
	expect_quarantine(&f, "its block sizes are 4096");
	disk_stop(&f);
}

static void
another_name_is_another_export(void **state)
{
	struct disk f;

	(void)state;
	set_up(&f, "");
	disk_replace_server(&f, NBDKIT("--filter=exportname", "--filter=cache",
				       "file", "file=FILE",
				       "default-export=first"));
	expect_quarantine(&f, "its name is 'first' and was ''");
	assert_int_equal(disk_nbdctl(&f, "volume", "accept"), 0);
	disk_expect(&f, 0, 512, 0);
	reborn_restart(&f.server);
	disk_expect(&f, 0, 512, 0);
	disk_replace_server(&f, NBDKIT("--filter=exportname", "--filter=cache",
				       "file", "file=FILE",
				       "default-export=second"));
	expect_quarantine(&f, "its name is 'second' and was 'first'");
	disk_stop(&f);
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
	struct disk f;
	Nbdclientd__V1__Volume *volume;

	(void)state;
	set_up(&f, "Fingerprint=1000,512\nConnections=2\n");
	reborn_restart(&f.server);
	disk_expect(&f, 0, 512, 0);
	/* What we wrote ourselves is no sign of another disk, also if the
	 * server has lost it. */
	disk_write(&f, 1000, 100, 9);
	reborn_restart(&f.server);
	disk_expect(&f, 1000, 100, 9);
	volume = daemon_volume(f.client, "disk");
	assert_true(volume->counters->replayed >= 1);
	codec_message_free(volume);
	put_byte(f.file, 1400, 1);
	reborn_restart(&f.server);
	expect_quarantine(&f, "1 of the 512 bytes at 1000 (Fingerprint=)");
	assert_int_equal(disk_nbdctl(&f, "volume", "accept"), 0);
	disk_expect(&f, 1400, 1, 1);
	/* That is what it is known by now. */
	reborn_restart(&f.server);
	disk_expect(&f, 1400, 1, 1);
	disk_stop(&f);
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
