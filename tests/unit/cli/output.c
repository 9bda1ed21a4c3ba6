/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same rows in each of the forms. */
#include "cli/output.h"

#include "cli/errors.h"
#include "cli/options.h"
#include "tests/support/unit.h"
#include "tests/unit/cli/capture.h"

static const struct output_column columns[] = {
	{ "NAME", OUTPUT_TEXT },
	{ "SIZE", OUTPUT_BYTES },
	{ "READ_ONLY", OUTPUT_BOOL },
	{ "CONTEXTS", OUTPUT_LIST },
};

static char first[] = "base:allocation", second[] = "with\nnewline";
static char *const contexts[] = { first, second };

static struct output *
two_rows(const struct options *options, enum output_shape shape)
{
	struct output *output = output_new(options, "exports", shape, columns,
					   4);

	output_text(output, "a\"b\\c\xff");
	output_number(output, 1536);
	output_bool(output, true);
	output_list(output, contexts, 2);
	output_text(output, "");
	output_nothing(output);
	output_bool(output, false);
	output_list(output, NULL, 0);
	return output;
}

/* The text that OPTIONS lead to. */
static char *
print(struct options *options, enum output_shape shape)
{
	struct capture capture;

	options->color = COLOR_NEVER;
	capture_start(&capture);
	assert_int_equal(output_finish(two_rows(options, shape)), EXIT_OK);
	return capture_finish(&capture);
}

static void
json_has_numbers_booleans_nulls_and_lists(void **state)
{
	struct options options = { .output = OUTPUT_JSON };
	char *text = print(&options, OUTPUT_ROWS);

	(void)state;
	assert_string_equal(
		text,
		"{\n   \"exports\": [\n      {\n"
		"         \"name\": \"a\\\"b\\\\c\\\\xff\",\n"
		"         \"size\": 1536,\n"
		"         \"read_only\": true,\n"
		"         \"contexts\": [\n"
		"             \"base:allocation\", \"with\\\\x0anewline\"\n"
		"         ]\n"
		"      },{\n"
		"         \"name\": \"\",\n"
		"         \"size\": null,\n"
		"         \"read_only\": false,\n"
		"         \"contexts\": []\n"
		"      }\n   ]\n}\n");
	free(text);
}

static void
json_lines_are_one_object_each(void **state)
{
	struct options options = { .output = OUTPUT_JSONL };
	char *text = print(&options, OUTPUT_ROWS);

	(void)state;
	assert_string_equal(
		text, "{\"name\":\"a\\\"b\\\\c\\u00ff\",\"size\":1536,"
		      "\"read_only\":true,\"contexts\":[\"base:allocation\","
		      "\"with\\\\x0anewline\"]}\n"
		      "{\"name\":\"\",\"size\":null,\"read_only\":false,"
		      "\"contexts\":[]}\n");
	free(text);
}

static void
values_are_apart_by_tabs(void **state)
{
	char names[] = "size,READ_ONLY";
	struct options options = { .output = OUTPUT_VALUE, .columns = names };
	char *text = print(&options, OUTPUT_ROWS);

	(void)state;
	assert_string_equal(text, "1536\t1\n\t0\n");
	free(text);
}

static void
tables_are_for_people(void **state)
{
	char names[] = "SIZE,READ_ONLY";
	struct options options = { .output = OUTPUT_TABLE, .columns = names };
	char *text = print(&options, OUTPUT_ROWS);

	(void)state;
	assert_string_equal(text, "   SIZE READ_ONLY\n"
				  "1.5 KiB yes\n"
				  "        no\n");
	free(text);
	text = print(&options, OUTPUT_FACTS);
	assert_string_equal(text, "size:      1.5 KiB\n"
				  "read only: yes\n"
				  "read only: no\n");
	free(text);
}

static void
several_tables_are_one_json_object(void **state)
{
	struct options options = { .output = OUTPUT_JSON };
	struct output *outputs[2];
	struct capture capture;
	char *text;

	(void)state;
	outputs[0] = output_new(&options, "empty", OUTPUT_ROWS, columns, 1);
	outputs[1] = output_new(&options, "full", OUTPUT_ROWS, columns, 1);
	output_text(outputs[1], "x");
	capture_start(&capture);
	assert_int_equal(output_print(outputs, 2), EXIT_OK);
	text = capture_finish(&capture);
	assert_string_equal(text, "{\n   \"empty\": [],\n"
				  "   \"full\": [\n      {\n"
				  "         \"name\": \"x\"\n"
				  "      }\n   ]\n}\n");
	free(text);
}

static void
a_column_that_does_not_exist_is_refused(void **state)
{
	char names[] = "NAME,COLOUR";
	struct options options = { .columns = names };

	(void)state;
	failure_clear();
	assert_int_equal(output_finish(two_rows(&options, OUTPUT_ROWS)),
			 EXIT_USAGE);
	assert_int_equal(failure_code(), EXIT_USAGE);
	failure_clear();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_has_numbers_booleans_nulls_and_lists),
		cmocka_unit_test(json_lines_are_one_object_each),
		cmocka_unit_test(values_are_apart_by_tabs),
		cmocka_unit_test(tables_are_for_people),
		cmocka_unit_test(several_tables_are_one_json_object),
		cmocka_unit_test(a_column_that_does_not_exist_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
