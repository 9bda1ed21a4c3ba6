/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How far long work has come, in words. */
#include "cli/progress.h"

#include "tests/support/unit.h"

#define GIB (UINT64_C(1) << 30)

static const char *
format(uint64_t done, uint64_t total, uint64_t elapsed_ms)
{
	static char text[128];

	progress_format(text, sizeof(text), done, total, elapsed_ms);
	return text;
}

static void
it_says_percent_amount_speed_and_what_is_left(void **state)
{
	(void)state;
	assert_string_equal(format(GIB * 3 / 2, GIB * 3, 3072),
			    "50 % 1.5/3.0 GiB 500 MiB/s ETA 3 s");
	assert_string_equal(format(1 << 20, GIB, 1000),
			    "0 % 0.0/1.0 GiB 1 MiB/s ETA 17 min 3 s");
}

static void
at_the_end_it_says_how_long_it_took(void **state)
{
	(void)state;
	assert_string_equal(format(GIB, GIB, 2000),
			    "100 % 1.0/1.0 GiB 512 MiB/s in 2 s");
}

static void
before_the_first_byte_there_is_no_telling(void **state)
{
	(void)state;
	assert_string_equal(format(0, GIB, 500), "0 % 0.0/1.0 GiB 0 B/s");
}

static void
nothing_to_do_is_all_done(void **state)
{
	(void)state;
	assert_string_equal(format(0, 0, 0), "100 % 0/0 B 0 B/s in 0 s");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_percent_amount_speed_and_what_is_left),
		cmocka_unit_test(at_the_end_it_says_how_long_it_took),
		cmocka_unit_test(before_the_first_byte_there_is_no_telling),
		cmocka_unit_test(nothing_to_do_is_all_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
