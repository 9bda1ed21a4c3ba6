/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes and times as people write and read them. */
#include "cli/sizes.h"

#include "tests/support/unit.h"

static void
assert_size(const char *text, uint64_t expected)
{
	uint64_t bytes = 0;

	assert_true(size_parse(text, &bytes));
	assert_int_equal(bytes, expected);
}

static void
a_size_may_have_a_suffix(void **state)
{
	(void)state;
	assert_size("0", 0);
	assert_size("4096", 4096);
	assert_size("0x1000", 4096);
	assert_size("64K", 65536);
	assert_size("64k", 65536);
	assert_size("1M", 1048576);
	assert_size("1MiB", 1048576);
	assert_size("512B", 512);
	assert_size("3G", UINT64_C(3) << 30);
	assert_size("2T", UINT64_C(2) << 40);
	assert_size("7E", UINT64_C(7) << 60);
	assert_size("9223372036854775807", INT64_MAX);
}

static void
what_is_no_size_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"K",
		"-1",
		"+1",
		" 1",
		"1 ",
		"1.5G",
		"1Z",
		"8E",
		"1KK",
		"0x",
		"12Q",
		"1iB",
		"9223372036854775808",
		"99999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t bytes = 42;

		if (size_parse(bad[i], &bytes))
			fail_msg("\"%s\" was taken for a size", bad[i]);
		assert_int_equal(bytes, 42);
	}
}

static void
a_time_is_in_seconds_unless_it_says_otherwise(void **state)
{
	uint32_t ms;

	(void)state;
	assert_true(time_parse("5", &ms));
	assert_int_equal(ms, 5000);
	assert_true(time_parse("500ms", &ms));
	assert_int_equal(ms, 500);
	assert_true(time_parse("1.5s", &ms));
	assert_int_equal(ms, 1500);
	assert_true(time_parse("2min", &ms));
	assert_int_equal(ms, 120000);
	assert_false(time_parse("0", &ms));
	assert_false(time_parse("-1", &ms));
	assert_false(time_parse("nan", &ms));
	assert_false(time_parse("5 s", &ms));
	assert_false(time_parse("1000d", &ms));
	assert_false(time_parse("99999h", &ms));
}

static void
sizes_are_printed_in_the_unit_that_suits_them(void **state)
{
	(void)state;
	assert_string_equal(size_format(0).text, "0 B");
	assert_string_equal(size_format(1023).text, "1023 B");
	assert_string_equal(size_format(1024).text, "1 KiB");
	assert_string_equal(size_format(1536).text, "1.5 KiB");
	assert_string_equal(size_format(UINT64_C(1) << 30).text, "1 GiB");
	assert_string_equal(size_format(UINT64_MAX).text, "16 EiB");
	assert_string_equal(
		size_format_pair(1395864371, UINT64_C(3) << 30).text,
		"1.3/3.0 GiB");
	assert_string_equal(size_format_pair(1, 2).text, "1/2 B");
}

static void
times_are_printed_with_two_units_at_most(void **state)
{
	(void)state;
	assert_string_equal(time_format(3).text, "3 s");
	assert_string_equal(time_format(125).text, "2 min 5 s");
	assert_string_equal(time_format(3780).text, "1 h 3 min");
	assert_string_equal(time_format(187200).text, "2 d 4 h");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_size_may_have_a_suffix),
		cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(a_time_is_in_seconds_unless_it_says_otherwise),
		cmocka_unit_test(sizes_are_printed_in_the_unit_that_suits_them),
		cmocka_unit_test(times_are_printed_with_two_units_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
