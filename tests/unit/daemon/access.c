/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may read, who may write, who may name servers. */
#include "daemon/core/access.h"

#include "daemon/core/client.h"
#include "tests/support/unit.h"

#define ALICE 1000
#define BOB   1001
#define CAROL 1002

static uint32_t alice_id[] = { ALICE };
static uint32_t staff_id[] = { 50 };

static const struct id_list nobody_listed = { 0 };
static const struct id_list empty_list = { .is_set = true };
static const struct id_list everyone = { .is_everyone = true, .is_set = true };
static const struct id_list only_alice = { alice_id, 1, false, true };
static const struct id_list staff = { staff_id, 1, false, true };

static gid_t staff_groups[] = { 7, 50 };
static const struct client alice = { .uid = ALICE, .gid = ALICE };
static const struct client bob = {
	.uid = BOB, .gid = BOB, .groups = staff_groups, .n_groups = 2
};
static const struct client carol = { .uid = CAROL, .gid = CAROL };
static const struct client root = { .uid = 0, .is_admin = true };

static void
without_rules_everyone_may_read_and_write(void **state)
{
	struct volume_settings volume = { 0 };

	(void)state;
	assert_true(access_may_read(&volume, &carol));
	assert_true(access_may_write(&volume, &carol));
}

static void
users_and_members_of_groups_are_let_in_and_no_others(void **state)
{
	struct volume_settings volume = { .allow_users = only_alice,
					  .allow_groups = staff };

	(void)state;
	assert_true(access_may_write(&volume, &alice));
	assert_true(access_may_write(&volume, &bob));
	assert_false(access_may_read(&volume, &carol));
	assert_false(access_may_write(&volume, &carol));
	assert_true(access_may_write(&volume, &root));
	assert_true(access_may_write(&volume, NULL));
}

static void
a_list_that_is_empty_lets_nobody_in(void **state)
{
	struct volume_settings volume = { .allow_users = empty_list };

	(void)state;
	assert_false(access_may_read(&volume, &alice));
	assert_true(access_may_read(&volume, &root));
}

static void
read_only_users_read_and_do_not_write(void **state)
{
	struct volume_settings volume = { .allow_groups = staff,
					  .read_only_users = only_alice };

	(void)state;
	assert_true(access_may_read(&volume, &alice));
	assert_false(access_may_write(&volume, &alice));
	assert_true(access_may_write(&volume, &bob));
	volume.allow_groups = nobody_listed;
	assert_true(access_may_write(&volume, &carol));
	volume.read_only_users = everyone;
	assert_false(access_may_write(&volume, &carol));
}

static void
a_read_only_volume_is_so_for_administrators_too(void **state)
{
	struct volume_settings volume = { .is_read_only = true };

	(void)state;
	assert_false(access_may_write(&volume, &root));
	assert_true(access_may_read(&volume, &root));
}

static void
servers_are_named_by_administrators_and_those_who_are_listed(void **state)
{
	struct daemon_settings daemon = { 0 };

	(void)state;
	assert_true(access_may_open_ad_hoc(&daemon, &root));
	assert_false(access_may_open_ad_hoc(&daemon, &alice));
	daemon.ad_hoc_users = only_alice;
	assert_true(access_may_open_ad_hoc(&daemon, &alice));
	assert_false(access_may_open_ad_hoc(&daemon, &bob));
	daemon.ad_hoc_users = everyone;
	assert_true(access_may_open_ad_hoc(&daemon, &bob));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_rules_everyone_may_read_and_write),
		cmocka_unit_test(
			users_and_members_of_groups_are_let_in_and_no_others),
		cmocka_unit_test(a_list_that_is_empty_lets_nobody_in),
		cmocka_unit_test(read_only_users_read_and_do_not_write),
		cmocka_unit_test(
			a_read_only_volume_is_so_for_administrators_too),
		cmocka_unit_test(
			servers_are_named_by_administrators_and_those_who_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
