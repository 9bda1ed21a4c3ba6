/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON by libsmartcols, mended where it cannot say what we mean. */
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/output_internal.h"
#include "common/cleanup.h"

static int
json_type(enum output_type type)
{
	switch (type) {
	case OUTPUT_NUMBER:
	case OUTPUT_BYTES:
	case OUTPUT_TIME:
	case OUTPUT_LATENCY:
		return SCOLS_JSON_NUMBER;
	case OUTPUT_BOOL:
		return SCOLS_JSON_BOOLEAN_OPTIONAL;
	case OUTPUT_LIST:
		return SCOLS_JSON_ARRAY_STRING;
	case OUTPUT_TEXT:
	case OUTPUT_STATE:
		break;
	}
	return SCOLS_JSON_STRING;
}

/* libsmartcols makes null of empty texts, so they travel as a character that
 * json_valid_utf8() leaves in no text. */
#define EMPTY_TEXT    "\001"
#define EMPTY_IN_JSON "\"\\u0001\""

/* libsmartcols passes bytes that are not UTF-8 on, and JSON must not have
 * them: such a text goes through our own escapes instead. */
static void
set_json_cell(struct libscols_line *line, size_t index, const char *cell,
	      enum output_type type)
{
	CLEANUP_FREE char *valid = NULL;

	if (!cell)
		return;
	valid = *cell == '\0' && type != OUTPUT_LIST ? strdup(EMPTY_TEXT)
						     : json_valid_utf8(cell);
	if (!valid || scols_line_set_data(line, index, valid) < 0)
		output_out_of_memory();
}

/* An empty list comes out of libsmartcols as [ null ]. Quotation marks inside
 * strings are escaped and newlines, too: the pattern is never inside one. */
static void
mend_empty_lists(char *json)
{
	char *at = json;

	while ((at = strstr(at, "[\n"))) {
		size_t blanks = strspn(at + 2, " ");
		char *null = at + 2 + blanks;

		at++;
		if (strncmp(null, "null\n", 5) == 0) {
			char *rest = null + 5 + strspn(null + 5, " ");

			memmove(at, rest, strlen(rest) + 1);
		}
	}
}

static void
mend_empty_texts(char *json)
{
	size_t length = strlen(EMPTY_IN_JSON);

	for (char *at = json; (at = strstr(at, EMPTY_IN_JSON)); at += 2)
		memmove(at + 1, at + length - 1, strlen(at + length - 1) + 1);
}

/* The table as libsmartcols writes it: { "name": [ {...}, ... ] }. */
static void
json_of_table(const struct output *output, char **json)
{
	struct libscols_table *table = output_scols_table(output);

	scols_table_enable_json(table, 1);
	for (size_t i = 0; i < output->n_chosen; i++) {
		enum output_type type = output_column_at(output, i)->type;
		struct libscols_column *column = output_scols_column(
			table, output_column_at(output, i)->name, type);

		scols_column_set_json_type(column, json_type(type));
	}
	for (size_t row = 0; row < output_n_rows(output); row++) {
		struct libscols_line *line = output_scols_line(table);

		for (size_t i = 0; i < output->n_chosen; i++)
			set_json_cell(line, i, output_cell(output, row, i),
				      output_column_at(output, i)->type);
	}
	if (scols_print_table_to_string(table, json) < 0 || !*json)
		output_out_of_memory();
	scols_unref_table(table);
	mend_empty_lists(*json);
	mend_empty_texts(*json);
}

/* What stands between the outermost braces, which all tables share. */
static void
print_json_member(const struct output *output)
{
	CLEANUP_FREE char *json = NULL;
	char *end;

	json_of_table(output, &json);
	end = strrchr(json, ']');
	if (end)
		end[1] = '\0';
	fputs(json + strspn(json, "{\n"), stdout);
}

void
output_render_json(struct output *const *outputs, size_t n_outputs)
{
	for (size_t i = 0; i < n_outputs; i++) {
		fputs(i == 0 ? "{\n" : ",\n", stdout);
		/* libsmartcols would print nothing. */
		if (output_n_rows(outputs[i]) == 0)
			printf("   \"%s\": []", outputs[i]->name);
		else
			print_json_member(outputs[i]);
	}
	printf("\n}\n");
}
