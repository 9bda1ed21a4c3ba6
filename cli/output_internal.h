/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Between the rows (output.c) and the forms they are printed in
 * (output_render.c). */
#pragma once

#include "cli/output.h"

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
