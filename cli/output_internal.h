/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the rows (output.c) and the forms they are printed in
 * (output_table.c, output_json.c, output_lines.c). */
#pragma once

#include "cli/output.h"

struct libscols_column;
struct libscols_line;
struct libscols_table;

#define OUTPUT_MAX_COLUMNS 40

struct output {
	const struct options *options;
	const char *name;
	enum output_shape shape;
	const struct output_column *columns;
	size_t n_columns;
	const char *default_columns;
	/* Row after row; NULL is an empty cell. */
	char **cells;
	size_t n_cells;
	size_t capacity;
	/* Indices of the columns to print. */
	size_t chosen[OUTPUT_MAX_COLUMNS];
	size_t n_chosen;
};

static inline size_t
output_n_rows(const struct output *output)
{
	return output->n_cells / output->n_columns;
}

static inline const char *
output_cell(const struct output *output, size_t row, size_t chosen)
{
	return output->cells[row * output->n_columns + output->chosen[chosen]];
}

static inline const struct output_column *
output_column_at(const struct output *output, size_t chosen)
{
	return &output->columns[output->chosen[chosen]];
}

/* Printed as a number, flush right. */
static inline bool
output_is_number(enum output_type type)
{
	return type == OUTPUT_NUMBER || type == OUTPUT_BYTES ||
	       type == OUTPUT_TIME || type == OUTPUT_LATENCY;
}

/* Says so and ends the program. */
_Noreturn void output_out_of_memory(void);

/* After a blank line if AFTER_ANOTHER. */
void output_render_table(const struct output *output, bool after_another);
/* All of them in one object. */
void output_render_json(struct output *const *outputs, size_t n_outputs);
/* An object a line. */
void output_render_lines(const struct output *output);
/* A row a line, cells apart by tabs. */
void output_render_values(const struct output *output);

/* Parts of a libsmartcols table; they end the program without memory. */
struct libscols_table *output_scols_table(const struct output *output);
struct libscols_line *output_scols_line(struct libscols_table *table);
struct libscols_column *output_scols_column(struct libscols_table *table,
					    const char *name,
					    enum output_type type);
