/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables and JSON by libsmartcols; JSON lines and bare values by hand. */
#include <ctype.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/options.h"
#include "cli/output_internal.h"
#include "cli/sizes.h"
#include "common/cleanup.h"
#include "common/strings.h"

static size_t
n_rows(const struct output *output)
{
	return output->n_cells / output->n_columns;
}

static const char *
cell_at(const struct output *output, size_t row, size_t chosen)
{
	return output->cells[row * output->n_columns + output->chosen[chosen]];
}

static const struct output_column *
column_at(const struct output *output, size_t chosen)
{
	return &output->columns[output->chosen[chosen]];
}

static bool
is_right(enum output_type type)
{
	return type == OUTPUT_NUMBER || type == OUTPUT_BYTES ||
	       type == OUTPUT_TIME;
}

/* A cell as people like it, in TEXT or as it stands. */
static const char *
cell_for_people(const char *cell, enum output_type type, struct size_text *text)
{
	if (!cell)
		return "";
	switch (type) {
	case OUTPUT_BYTES:
		*text = size_format(strtoull(cell, NULL, 10));
		return text->text;
	case OUTPUT_TIME:
		*text = time_format(strtoull(cell, NULL, 10) / 1000);
		return text->text;
	case OUTPUT_BOOL:
		return *cell == '1' ? "yes" : "no";
	case OUTPUT_TEXT:
	case OUTPUT_NUMBER:
	case OUTPUT_STATE:
	case OUTPUT_LIST:
		break;
	}
	return cell;
}

static const char *
state_color(const char *state)
{
	static const struct {
		const char *state, *color;
	} colors[] = {
		{ "ready", "green" },       { "running", "green" },
		{ "idle", "green" },        { "busy", "green" },
		{ "recovering", "red" },    { "backing off", "red" },
		{ "connecting", "yellow" }, { "draining", "yellow" },
	};

	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++)
		if (strcmp(colors[i].state, state) == 0)
			return colors[i].color;
	return NULL;
}

/* A text of several lines is wrapped at its newlines. */
static void
wrap_at_newlines(struct libscols_column *column)
{
	scols_column_set_wrapfunc(column, scols_wrapnl_chunksize,
				  scols_wrapnl_nextchunk, NULL);
	scols_column_set_safechars(column, "\n");
}

static struct libscols_column *
add_column(struct libscols_table *table, const char *name,
	   enum output_type type)
{
	int flags = type == OUTPUT_LIST ? SCOLS_FL_WRAP
		    : is_right(type)    ? SCOLS_FL_RIGHT
					: 0;
	struct libscols_column *column = scols_table_new_column(table, name, 0,
								flags);

	if (!column)
		output_out_of_memory();
	if (type == OUTPUT_LIST)
		wrap_at_newlines(column);
	return column;
}

static void
set_cell(struct libscols_line *line, size_t index, const char *text,
	 enum output_type type)
{
	const char *color = type == OUTPUT_STATE ? state_color(text) : NULL;

	if (scols_line_set_data(line, index, text) < 0)
		output_out_of_memory();
	if (color)
		scols_cell_set_color(scols_line_get_cell(line, index), color);
}

static struct libscols_line *
add_line(struct libscols_table *table)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		output_out_of_memory();
	return line;
}

static struct libscols_table *
new_table(const struct output *output)
{
	struct libscols_table *table = scols_new_table();

	if (!table || scols_table_set_name(table, output->name) < 0)
		output_out_of_memory();
	return table;
}

static void
fill_rows(struct libscols_table *table, const struct output *output)
{
	for (size_t i = 0; i < output->n_chosen; i++)
		add_column(table, column_at(output, i)->name,
			   column_at(output, i)->type);
	for (size_t row = 0; row < n_rows(output); row++) {
		struct libscols_line *line = add_line(table);

		for (size_t i = 0; i < output->n_chosen; i++) {
			enum output_type type = column_at(output, i)->type;
			struct size_text text;

			set_cell(line, i,
				 cell_for_people(cell_at(output, row, i), type,
						 &text),
				 type);
		}
	}
}

/* A line for each column of each row that has something in it. */
static void
fill_facts(struct libscols_table *table, const struct output *output)
{
	add_column(table, "NAME", OUTPUT_TEXT);
	add_column(table, "VALUE", OUTPUT_LIST);
	scols_table_enable_noheadings(table, 1);
	for (size_t row = 0; row < n_rows(output); row++)
		for (size_t i = 0; i < output->n_chosen; i++) {
			const struct output_column *column = column_at(output,
								       i);
			struct libscols_line *line;
			struct size_text text;
			const char *cell = cell_for_people(
				cell_at(output, row, i), column->type, &text);
			char name[64];

			if (*cell == '\0')
				continue;
			snprintf(name, sizeof(name), "%s:", column->name);
			for (char *at = name; *at; at++)
				*at = *at == '_' ? ' '
						 : (char)tolower(
							   (unsigned char)*at);
			line = add_line(table);
			set_cell(line, 0, name, OUTPUT_TEXT);
			set_cell(line, 1, cell, column->type);
		}
}

void
output_render_table(const struct output *output, bool after_another)
{
	struct libscols_table *table;

	if (output->n_cells == 0)
		return;
	if (after_another)
		putchar('\n');
	table = new_table(output);
	scols_table_enable_colors(table,
				  options_use_color(output->options, stdout));
	if (options_has(output->options, OPTION_NO_HEADERS))
		scols_table_enable_noheadings(table, 1);
	if (output->shape == OUTPUT_ROWS)
		fill_rows(table, output);
	else
		fill_facts(table, output);
	scols_print_table(table);
	scols_unref_table(table);
}

static int
json_type(enum output_type type)
{
	switch (type) {
	case OUTPUT_NUMBER:
	case OUTPUT_BYTES:
	case OUTPUT_TIME:
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
	struct libscols_table *table = new_table(output);

	scols_table_enable_json(table, 1);
	for (size_t i = 0; i < output->n_chosen; i++) {
		enum output_type type = column_at(output, i)->type;
		struct libscols_column *column = add_column(
			table, column_at(output, i)->name, type);

		scols_column_set_json_type(column, json_type(type));
	}
	for (size_t row = 0; row < n_rows(output); row++) {
		struct libscols_line *line = add_line(table);

		for (size_t i = 0; i < output->n_chosen; i++)
			set_json_cell(line, i, cell_at(output, row, i),
				      column_at(output, i)->type);
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
		if (n_rows(outputs[i]) == 0)
			printf("   \"%s\": []", outputs[i]->name);
		else
			print_json_member(outputs[i]);
	}
	printf("\n}\n");
}

static void
append_json_value(struct string_builder *line, const char *cell,
		  enum output_type type)
{
	CLEANUP_FREE char *copy = NULL;
	bool is_first = true;

	if (!cell) {
		string_builder_append(line, "null");
	} else if (is_right(type)) {
		string_builder_append(line, cell);
	} else if (type == OUTPUT_BOOL) {
		string_builder_append(line, *cell == '1' ? "true" : "false");
	} else if (type == OUTPUT_LIST) {
		copy = strdup(cell);
		if (!copy)
			output_out_of_memory();
		string_builder_append(line, "[");
		for (char *rest = copy, *item; (item = strsep(&rest, "\n"));
		     is_first = false) {
			if (*cell == '\0')
				break;
			if (!is_first)
				string_builder_append(line, ",");
			json_append_string(line, item);
		}
		string_builder_append(line, "]");
	} else {
		json_append_string(line, cell);
	}
}

static void
print_line(struct string_builder *line)
{
	CLEANUP_FREE char *text = string_builder_take(line);

	if (!text)
		output_out_of_memory();
	puts(text);
}

void
output_render_lines(const struct output *output)
{
	for (size_t row = 0; row < n_rows(output); row++) {
		struct string_builder line = STRING_BUILDER_INIT;

		string_builder_append(&line, "{");
		for (size_t i = 0; i < output->n_chosen; i++) {
			const char *name = column_at(output, i)->name;

			string_builder_append(&line, i > 0 ? ",\"" : "\"");
			for (; *name; name++)
				string_builder_printf(
					&line, "%c",
					tolower((unsigned char)*name));
			string_builder_append(&line, "\":");
			append_json_value(&line, cell_at(output, row, i),
					  column_at(output, i)->type);
		}
		string_builder_append(&line, "}");
		print_line(&line);
	}
}

void
output_render_values(const struct output *output)
{
	for (size_t row = 0; row < n_rows(output); row++) {
		struct string_builder line = STRING_BUILDER_INIT;

		for (size_t i = 0; i < output->n_chosen; i++) {
			const char *cell = cell_at(output, row, i);

			if (i > 0)
				string_builder_append(&line, "\t");
			if (cell)
				string_builder_append_escaped(&line, cell,
							      strlen(cell));
		}
		print_line(&line);
	}
}
