/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes in hexadecimal. */
#include "cli/hexdump.h"

#include "tests/support/unit.h"
#include "tests/unit/cli/capture.h"

static void
bytes_come_sixteen_on_a_line_in_whatever_pieces(void **state)
{
	struct hexdump hexdump;
	struct capture capture;
	char *text;

	(void)state;
	capture_start(&capture);
	hexdump_start(&hexdump, 0x1000);
	hexdump_add(&hexdump, "0123", 4);
	hexdump_add(&hexdump, "456789abcdef\x01\xff", 14);
	hexdump_finish(&hexdump);
	text = capture_finish(&capture);
	assert_string_equal(
		text,
		"0000001000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66"
		"  |0123456789abcdef|\n"
		"0000001010  01 ff                                           "
		"  |..|\n"
		"0000001012\n");
	free(text);
}

static void
lines_that_repeat_are_left_out(void **state)
{
	static const char zeroes[80];
	struct hexdump hexdump;
	struct capture capture;
	char *text;

	(void)state;
	capture_start(&capture);
	hexdump_start(&hexdump, 0);
	hexdump_add(&hexdump, zeroes, sizeof(zeroes));
	hexdump_finish(&hexdump);
	text = capture_finish(&capture);
	assert_string_equal(
		text,
		"0000000000  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"
		"  |................|\n*\n0000000050\n");
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			bytes_come_sixteen_on_a_line_in_whatever_pieces),
		cmocka_unit_test(lines_that_repeat_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
