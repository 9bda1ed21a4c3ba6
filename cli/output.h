/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What commands print on standard output: rows of typed cells, shown as a
 * table, JSON, JSON lines or bare values as the user asked. Tables and JSON
 * are libsmartcols'. Text from servers may hold anything: it is escaped here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options;
struct output;

enum output_type {
	OUTPUT_TEXT,
	OUTPUT_NUMBER,
	/* Bytes: for people "1.5 GiB", for programs a number. */
	OUTPUT_BYTES,
	/* Milliseconds: for people "5 s", for programs a number. */
	OUTPUT_TIME,
	/* Microseconds: for people "1.5 ms", for programs a number. */
	OUTPUT_LATENCY,
	OUTPUT_BOOL,
	/* Text that is coloured if it is the name of a state. */
	OUTPUT_STATE,
	/* Several texts: in tables one below the other, in JSON an array. */
	OUTPUT_LIST,
};

struct output_column {
	/* In capitals; JSON has it in small letters. */
	const char *name;
	enum output_type type;
};

enum output_shape {
	/* A table with a line of names. */
	OUTPUT_ROWS,
	/* One thing: a line for each column. JSON is the same as for rows. */
	OUTPUT_FACTS,
};

/*
 * An empty table with N_COLUMNS, which stay the caller's and live longer.
 * NAME is the key in JSON. Aborts the program without memory, as all of
 * output's functions do.
 */
struct output *output_new(const struct options *options, const char *name,
			  enum output_shape shape,
			  const struct output_column *columns,
			  size_t n_columns);

/* The cells of a row, in order of the columns; a row begins by itself when
 * the one before is full. NULL, and output_nothing(), leave a cell empty: null
 * in JSON. */
void output_text(struct output *output, const char *text);
void output_number(struct output *output, uint64_t number);
void output_bool(struct output *output, bool value);
void output_list(struct output *output, char *const *items, size_t n_items);
void output_nothing(struct output *output);

/* Tables for people show only these columns, unless --columns says which: names
 * apart by commas, which stay the caller's. NULL: all. */
void output_default_columns(struct output *output, const char *names);

/* Prints the tables one after the other, in JSON as one object, and frees
 * them. EXIT_OK, or the code of a recorded failure (a column that does not
 * exist). */
int output_print(struct output *const *outputs, size_t n_outputs);

/* Frees one that is not to be printed after all. */
void output_discard(struct output *output);

/* For a single one. */
int output_finish(struct output *output);
