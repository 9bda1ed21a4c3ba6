/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server says about an export is believed only if it makes sense. */
#include "client-lib/engine/export_info.h"

#include <errno.h>

#include "client-lib/base/error.h"
#include "client-lib/wire/protocol.h"
#include "tests/support/unit.h"

/* hostile.md 58 */
static void
flags_whose_conditions_are_missing_are_masked(void **state)
{
	struct export_info export = { 0 };

	(void)state;
	assert_int_equal(export_info_set_size(&export, 1, 0xffff, true, true),
			 0);
	assert_int_equal(export.flags, 0xffff);
	assert_int_equal(export_info_set_size(&export, 1, 0xffff, false, true),
			 0);
	assert_false(export.flags & NBD_FLAG_SEND_DF);
	assert_int_equal(export_info_set_size(&export, 1, 0xffff, true, false),
			 0);
	assert_false(export.flags & NBD_FLAG_BLOCK_STATUS_PAYLOAD);
	assert_int_equal(export_info_set_size(&export, 1,
					      NBD_FLAG_HAS_FLAGS |
						      NBD_FLAG_SEND_FAST_ZERO,
					      true, true),
			 0);
	assert_int_equal(export.flags, NBD_FLAG_HAS_FLAGS);
}

/* hostile.md 37, 38 */
static void
no_flags_at_all_are_an_error_but_a_missing_first_one_is_not(void **state)
{
	struct export_info export = { 0 };

	(void)state;
	assert_int_equal(export_info_set_size(&export, 1, 0, true, true), -1);
	assert_int_equal(error_last_errno(), EINVAL);
	assert_int_equal(export_info_set_size(&export, 1, NBD_FLAG_READ_ONLY,
					      true, true),
			 0);
	assert_true(export.flags & NBD_FLAG_READ_ONLY);
}

/* hostile.md 48 to 50 */
static void
block_sizes_are_taken_together_or_not_at_all(void **state)
{
	static const struct {
		uint32_t minimum, preferred, maximum;
		bool is_taken;
	} cases[] = {
		{ 1, 4096, 33554432, true },
		{ 512, 512, 512, true },
		{ 65536, 65536, UINT32_MAX, true },
		{ 1, 512, 513, true },
		{ 0, 4096, 33554432, false },
		{ 3, 4096, 33554432, false },
		{ 131072, 131072, 33554432, false },
		{ 1, 256, 33554432, false },
		{ 1, 5000, 33554432, false },
		{ 4096, 512, 33554432, false },
		{ 512, 4096, 2048, false },
		{ 512, 4096, 33554433, false },
		{ 0, 0, 0, false },
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct export_info export = { 0 };

		assert_int_equal(export_info_set_block_sizes(
					 &export, cases[i].minimum,
					 cases[i].preferred, cases[i].maximum),
				 cases[i].is_taken);
		assert_int_equal(export.block_minimum,
				 cases[i].is_taken ? cases[i].minimum : 0);
	}
}

static void
the_payload_cap_follows_the_server_within_reason(void **state)
{
	static const struct {
		uint32_t maximum, cap;
	} cases[] = {
		{ 512, 1 << 20 },
		{ 2 << 20, 2 << 20 },
		{ 64 << 20, 64 << 20 },
		{ UINT32_MAX, 64 << 20 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct export_info export = { 0 };

		export_info_set_size(&export, 1, 1, true, true);
		assert_int_equal(export.payload_cap, 32 << 20);
		assert_true(export_info_set_block_sizes(&export, 1, 512,
							cases[i].maximum));
		assert_int_equal(export.payload_cap, cases[i].cap);
	}
}

/* hostile.md 71, 72, 78 */
static void
a_context_id_has_one_name(void **state)
{
	struct export_info export = { 0 };

	(void)state;
	assert_int_equal(export_info_add_context(&export, 0, "a:b", 3), 0);
	assert_int_equal(export_info_add_context(&export, UINT32_MAX, "c:d", 3),
			 0);
	assert_int_equal(export_info_add_context(&export, 7, "a:b", 3), 1);
	assert_int_equal(export_info_add_context(&export, 0, "e:f", 3), -1);
	assert_int_equal(error_last_errno(), EPROTO);
	assert_int_equal(export.n_contexts, 2);
	assert_string_equal(export_info_context_by_id(&export, 0)->name, "a:b");
	assert_null(export_info_context_by_id(&export, 7));
	assert_int_equal(export_info_context_by_name(&export, "c:d")->id,
			 UINT32_MAX);
	assert_null(export_info_context_by_name(&export, "c:"));
	export_info_done(&export);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_whose_conditions_are_missing_are_masked),
		cmocka_unit_test(
			no_flags_at_all_are_an_error_but_a_missing_first_one_is_not),
		cmocka_unit_test(block_sizes_are_taken_together_or_not_at_all),
		cmocka_unit_test(
			the_payload_cap_follows_the_server_within_reason),
		cmocka_unit_test(a_context_id_has_one_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
