/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables for people, by libsmartcols, and its parts that JSON shares. */
#include <ctype.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/output_internal.h"
#include "cli/sizes.h"

/* A text of several lines is wrapped at its newlines. */
static void
wrap_at_newlines(struct libscols_column *column)
{
	scols_column_set_wrapfunc(column, scols_wrapnl_chunksize,
				  scols_wrapnl_nextchunk, NULL);
	scols_column_set_safechars(column, "\n");
}

struct libscols_column *
output_scols_column(struct libscols_table *table, const char *name,
		    enum output_type type)
{
	int flags = type == OUTPUT_LIST      ? SCOLS_FL_WRAP
		    : output_is_number(type) ? SCOLS_FL_RIGHT
					     : 0;
	struct libscols_column *column = scols_table_new_column(table, name, 0,
								flags);

	if (!column)
		output_out_of_memory();
	if (type == OUTPUT_LIST)
		wrap_at_newlines(column);
	return column;
}

struct libscols_line *
output_scols_line(struct libscols_table *table)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	if (!line)
		output_out_of_memory();
	return line;
}

struct libscols_table *
output_scols_table(const struct output *output)
{
	struct libscols_table *table = scols_new_table();

	if (!table || scols_table_set_name(table, output->name) < 0)
		output_out_of_memory();
	return table;
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
	case OUTPUT_LATENCY:
		*text = latency_format(strtoull(cell, NULL, 10));
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
		{ "quarantined", "red" },   { "given up", "red" },
		{ "paused", "yellow" },
	};

	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++)
		if (strcmp(colors[i].state, state) == 0)
			return colors[i].color;
	return NULL;
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

static void
fill_rows(struct libscols_table *table, const struct output *output)
{
	for (size_t i = 0; i < output->n_chosen; i++)
		output_scols_column(table, output_column_at(output, i)->name,
				    output_column_at(output, i)->type);
	for (size_t row = 0; row < output_n_rows(output); row++) {
		struct libscols_line *line = output_scols_line(table);

		for (size_t i = 0; i < output->n_chosen; i++) {
			enum output_type type =
				output_column_at(output, i)->type;
			struct size_text text;

			set_cell(line, i,
				 cell_for_people(output_cell(output, row, i),
						 type, &text),
				 type);
		}
	}
}

/* A line for each column of each row that has something in it. */
static void
fill_facts(struct libscols_table *table, const struct output *output)
{
	output_scols_column(table, "NAME", OUTPUT_TEXT);
	output_scols_column(table, "VALUE", OUTPUT_LIST);
	scols_table_enable_noheadings(table, 1);
	for (size_t row = 0; row < output_n_rows(output); row++)
		for (size_t i = 0; i < output->n_chosen; i++) {
			const struct output_column *column = output_column_at(
				output, i);
			struct libscols_line *line;
			struct size_text text;
			const char *cell = cell_for_people(
				output_cell(output, row, i), column->type,
				&text);
			char name[64];

			if (*cell == '\0')
				continue;
			snprintf(name, sizeof(name), "%s:", column->name);
			for (char *at = name; *at; at++)
				*at = (char)(*at == '_' ? ' '
							: tolower(*at & 0x7f));
			line = output_scols_line(table);
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
	table = output_scols_table(output);
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
