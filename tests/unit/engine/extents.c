/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block status descriptors, trimmed to what can be believed and carried. */
#include "client-lib/engine/extents.h"

#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "client-lib/wire/protocol.h"
#include "tests/support/unit.h"

/* What the callback was given. */
static struct {
	int n_calls;
	uint64_t numbers[64];
	size_t n_numbers;
} given;

static int
on_narrow(void *user_data, const char *context, uint64_t offset,
	  uint32_t *entries, size_t n_entries, int *error)
{
	(void)user_data;
	(void)offset;
	(void)error;
	assert_string_equal(context, "a:b");
	given.n_calls++;
	given.n_numbers = n_entries;
	for (size_t i = 0; i < n_entries; i++)
		given.numbers[i] = entries[i];
	return 0;
}

static int
on_wide(void *user_data, const char *context, uint64_t offset,
	nbd_extent *entries, size_t n_entries, int *error)
{
	(void)user_data;
	(void)offset;
	(void)error;
	assert_string_equal(context, "a:b");
	given.n_calls++;
	given.n_numbers = 2 * n_entries;
	for (size_t i = 0; i < n_entries; i++) {
		given.numbers[2 * i] = entries[i].length;
		given.numbers[2 * i + 1] = entries[i].flags;
	}
	return 0;
}

struct bench {
	struct nbd_handle h;
	struct command command;
	struct extents extents;
};

static void
begin(struct bench *bench, bool is_wide, uint64_t size, uint64_t offset,
      uint64_t count)
{
	memset(&given, 0, sizeof(given));
	memset(bench, 0, sizeof(*bench));
	bench->h.export.size = size;
	bench->command.type = NBD_CMD_BLOCK_STATUS;
	bench->command.offset = offset;
	bench->command.count = count;
	bench->command.has_extent64 = is_wide;
	if (is_wide)
		bench->command.extent64.callback = on_wide;
	else
		bench->command.extent.callback = on_narrow;
	extents_begin(&bench->extents, &bench->h, &bench->command, 1);
}

static void
deliver(struct bench *bench)
{
	extents_deliver(&bench->extents, &bench->command, "a:b");
	extents_done(&bench->extents);
}

static void
both_callbacks_get_the_same_numbers(void **state)
{
	struct bench bench;

	(void)state;
	for (int is_wide = 0; is_wide < 2; is_wide++) {
		begin(&bench, is_wide, 10000, 0, 3000);
		extents_take(&bench.extents, 1000, 3);
		extents_take(&bench.extents, 2000, 0);
		deliver(&bench);
		assert_int_equal(bench.command.error, 0);
		assert_int_equal(given.n_numbers, 4);
		assert_int_equal(given.numbers[0], 1000);
		assert_int_equal(given.numbers[1], 3);
		assert_int_equal(given.numbers[2], 2000);
		assert_int_equal(given.numbers[3], 0);
	}
}

/* hostile.md 158, 159 */
static void
an_empty_extent_ends_the_list_and_a_first_one_is_an_error(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, false, 10000, 0, 3000);
	extents_take(&bench.extents, 0, 0);
	extents_take(&bench.extents, 100, 0);
	deliver(&bench);
	assert_int_equal(bench.command.error, EPROTO);
	assert_int_equal(given.n_calls, 0);

	begin(&bench, false, 10000, 0, 3000);
	extents_take(&bench.extents, 100, 0);
	extents_take(&bench.extents, 0, 0);
	extents_take(&bench.extents, 100, 0);
	deliver(&bench);
	assert_int_equal(bench.command.error, 0);
	assert_int_equal(given.n_numbers, 2);
}

/* hostile.md 160 to 162, 179, 180 */
static void
extents_may_pass_the_request_but_not_the_export(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, true, 10000, 8000, 1000);
	extents_take(&bench.extents, 1500, 1);
	extents_take(&bench.extents, 100, 1);
	deliver(&bench);
	assert_int_equal(bench.command.error, 0);
	assert_int_equal(given.n_numbers, 2);
	assert_int_equal(given.numbers[0], 1500);

	begin(&bench, true, 10000, 8000, 2000);
	extents_take(&bench.extents, 1500, 1);
	extents_take(&bench.extents, UINT64_MAX, 2);
	deliver(&bench);
	assert_int_equal(given.n_numbers, 4);
	assert_int_equal(given.numbers[2], 500);
}

/* hostile.md 164 */
static void
one_extent_is_cut_to_the_request_if_one_was_asked_for(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, false, 10000, 0, 1000);
	bench.command.flags = NBD_CMD_FLAG_REQ_ONE;
	extents_begin(&bench.extents, &bench.h, &bench.command, 1);
	extents_take(&bench.extents, 5000, 1);
	extents_take(&bench.extents, 5000, 0);
	deliver(&bench);
	assert_int_equal(given.n_numbers, 2);
	assert_int_equal(given.numbers[0], 1000);
}

static void
one_extent_is_all_that_is_delivered_if_one_was_asked_for(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, false, 10000, 0, 1000);
	bench.command.flags = NBD_CMD_FLAG_REQ_ONE;
	extents_begin(&bench.extents, &bench.h, &bench.command, 1);
	extents_take(&bench.extents, 10, 1);
	extents_take(&bench.extents, 10, 0);
	deliver(&bench);
	assert_int_equal(given.n_numbers, 2);
	assert_int_equal(given.numbers[0], 10);
}

/* hostile.md 181, 182 */
static void
what_32_bits_cannot_carry_is_cut_or_refused(void **state)
{
	const uint64_t huge = UINT64_C(1) << 40;
	struct bench bench;

	(void)state;
	begin(&bench, false, huge, 0, huge);
	extents_take(&bench.extents, huge, 1);
	extents_take(&bench.extents, 1, 1);
	deliver(&bench);
	assert_int_equal(bench.command.error, 0);
	assert_int_equal(given.n_numbers, 2);
	assert_true(given.numbers[0] == (UINT64_C(1) << 32) - (64 << 20));

	begin(&bench, false, huge, 0, huge);
	extents_take(&bench.extents, 10, UINT64_C(1) << 32 | 5);
	deliver(&bench);
	assert_int_equal(bench.command.error, EOVERFLOW);
	assert_int_equal(given.numbers[1], 5);

	begin(&bench, false, huge, 0, huge);
	extents_take(&bench.extents, 10, 5);
	extents_take(&bench.extents, 10, UINT64_C(1) << 32);
	deliver(&bench);
	assert_int_equal(bench.command.error, 0);
	assert_int_equal(given.n_numbers, 2);
}

static void
lengths_stay_positive_for_signed_programs(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, true, UINT64_MAX, 0, UINT64_MAX);
	extents_take(&bench.extents, UINT64_MAX, 1);
	deliver(&bench);
	assert_int_equal(bench.command.error, 0);
	assert_true(given.numbers[0] == (UINT64_C(1) << 63) - (64 << 20));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_callbacks_get_the_same_numbers),
		cmocka_unit_test(
			an_empty_extent_ends_the_list_and_a_first_one_is_an_error),
		cmocka_unit_test(
			extents_may_pass_the_request_but_not_the_export),
		cmocka_unit_test(
			one_extent_is_cut_to_the_request_if_one_was_asked_for),
		cmocka_unit_test(
			one_extent_is_all_that_is_delivered_if_one_was_asked_for),
		cmocka_unit_test(what_32_bits_cannot_carry_is_cut_or_refused),
		cmocka_unit_test(lengths_stay_positive_for_signed_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
