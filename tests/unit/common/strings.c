/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Strings that grow, lists of strings, text made safe to print. */
#include "common/strings.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/support/unit.h"

static void
an_untouched_builder_gives_an_empty_string(void **state)
{
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = string_builder_take(&builder);

	(void)state;
	assert_string_equal(text, "");
}

static void
a_builder_joins_text_bytes_and_formats(void **state)
{
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	string_builder_append(&builder, "volume ");
	string_builder_append_bytes(&builder, "disk0-and-more", 5);
	string_builder_printf(&builder, ": %d of %s", 7, "8");
	text = string_builder_take(&builder);
	assert_string_equal(text, "volume disk0: 7 of 8");
}

static void
a_builder_grows_far_beyond_its_first_size(void **state)
{
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	for (int i = 0; i < 10000; i++)
		string_builder_append(&builder, "0123456789");
	text = string_builder_take(&builder);
	assert_int_equal(strlen(text), 100000);
	assert_memory_equal(text + 99990, "0123456789", 10);
}

static void
a_builder_is_empty_again_after_take(void **state)
{
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *first = NULL;
	CLEANUP_FREE char *second = NULL;

	(void)state;
	string_builder_append(&builder, "first");
	first = string_builder_take(&builder);
	string_builder_append(&builder, "second");
	second = string_builder_take(&builder);
	assert_string_equal(first, "first");
	assert_string_equal(second, "second");
}

static void
an_impossible_size_fails_once_and_stays_failed(void **state)
{
	struct string_builder builder = STRING_BUILDER_INIT;

	(void)state;
	string_builder_append(&builder, "some");
	string_builder_append_bytes(&builder, "x", SIZE_MAX);
	string_builder_append(&builder, "more");
	errno = 0;
	assert_null(string_builder_take(&builder));
	assert_int_equal(errno, ENOMEM);
}

static void
escaping_leaves_only_printable_ascii(void **state)
{
	static const char hostile[] = "a\0b\x1b[31m\xc3\xa9\\\n";
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	(void)state;
	string_builder_append_escaped(&builder, hostile, sizeof(hostile) - 1);
	text = string_builder_take(&builder);
	assert_string_equal(text, "a\\x00b\\x1b[31m\\xc3\\xa9\\x5c\\x0a");
}

static void
a_list_owns_copies_of_its_items(void **state)
{
	struct string_list list = { 0 };
	char name[] = "base:allocation";

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_int_equal(string_list_append(&list, name), 0);
	name[0] = 'X';
	assert_int_equal(list.n_items, 9);
	assert_string_equal(list.items[8], "base:allocation");
	string_list_done(&list);
	assert_int_equal(list.n_items, 0);
}

static void
a_list_is_copied_up_to_the_null(void **state)
{
	char one[] = "one";
	char two[] = "two";
	char *from[] = { one, two, NULL };
	struct string_list list = { 0 };

	(void)state;
	assert_int_equal(string_list_copy(&list, from), 0);
	assert_int_equal(list.n_items, 2);
	assert_string_equal(list.items[1], "two");
	string_list_done(&list);
}

static void
replace_frees_the_old_value_and_accepts_null(void **state)
{
	char *field = NULL;

	(void)state;
	assert_int_equal(string_replace(&field, "first"), 0);
	assert_int_equal(string_replace(&field, "second"), 0);
	assert_string_equal(field, "second");
	assert_int_equal(string_replace(&field, NULL), 0);
	assert_null(field);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_untouched_builder_gives_an_empty_string),
		cmocka_unit_test(a_builder_joins_text_bytes_and_formats),
		cmocka_unit_test(a_builder_grows_far_beyond_its_first_size),
		cmocka_unit_test(a_builder_is_empty_again_after_take),
		cmocka_unit_test(
			an_impossible_size_fails_once_and_stays_failed),
		cmocka_unit_test(escaping_leaves_only_printable_ascii),
		cmocka_unit_test(a_list_owns_copies_of_its_items),
		cmocka_unit_test(a_list_is_copied_up_to_the_null),
		cmocka_unit_test(replace_frees_the_old_value_and_accepts_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
