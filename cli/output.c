/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of typed cells, and which columns the user wants of them. */
#include "cli/output.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/errors.h"
#include "cli/options.h"
#include "cli/output_internal.h"
#include "common/strings.h"

void
output_out_of_memory(void)
{
	fputs("nbdctl: cannot print the result: out of memory\n", stderr);
	exit(EXIT_GENERAL);
}

struct output *
output_new(const struct options *options, const char *name,
	   enum output_shape shape, const struct output_column *columns,
	   size_t n_columns)
{
	struct output *output = calloc(1, sizeof(*output));

	if (!output)
		output_out_of_memory();
	*output = (struct output){
		.options = options,
		.name = name,
		.shape = shape,
		.columns = columns,
		.n_columns = n_columns,
	};
	return output;
}

/* Takes TEXT. */
static void
output_add(struct output *output, char *text)
{
	if (output->n_cells == output->capacity) {
		size_t capacity = output->capacity ? output->capacity * 2 : 64;
		char **cells = reallocarray(output->cells, capacity,
					    sizeof(*cells));

		if (!cells)
			output_out_of_memory();
		output->cells = cells;
		output->capacity = capacity;
	}
	output->cells[output->n_cells++] = text;
}

void
output_nothing(struct output *output)
{
	output_add(output, NULL);
}

void
output_text(struct output *output, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		output_out_of_memory();
	output_add(output, copy);
}

void
output_number(struct output *output, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	output_text(output, text);
}

void
output_bool(struct output *output, bool value)
{
	output_text(output, value ? "1" : "0");
}

/* Items end in newlines, so they may hold none. */
void
output_list(struct output *output, char *const *items, size_t n_items)
{
	struct string_builder list = STRING_BUILDER_INIT;
	char *text;

	for (size_t i = 0; i < n_items; i++) {
		const char *at = items[i];

		if (i > 0)
			string_builder_append(&list, "\n");
		while (*at) {
			size_t length = strcspn(at, "\n");

			string_builder_append_bytes(&list, at, length);
			at += length;
			if (*at) {
				string_builder_append(&list, "\\x0a");
				at++;
			}
		}
	}
	text = string_builder_take(&list);
	if (!text)
		output_out_of_memory();
	output_add(output, text);
}

void
output_default_columns(struct output *output, const char *names)
{
	output->default_columns = names;
}

static int
output_unknown_column(const struct output *output, const char *name,
		      size_t length)
{
	struct string_builder known = STRING_BUILDER_INIT;
	char *text;

	for (size_t i = 0; i < output->n_columns; i++)
		string_builder_printf(&known, "%s%s", i > 0 ? ", " : "",
				      output->columns[i].name);
	text = string_builder_take(&known);
	attempt("print the columns that --columns asks for");
	fail(EXIT_USAGE, EINVAL, NULL, "no column %.*s; there are %s",
	     (int)length, name, text ? text : "none");
	free(text);
	return EXIT_USAGE;
}

/* The columns of --columns, else all. */
static int
output_choose_columns(struct output *output)
{
	const char *at = output->options->columns;

	if (!at && output->options->output == OUTPUT_TABLE)
		at = output->default_columns;
	for (size_t i = 0; !at && i < output->n_columns; i++)
		output->chosen[output->n_chosen++] = i;
	while (at && *at) {
		size_t length = strcspn(at, ","), i;

		for (i = 0; i < output->n_columns; i++)
			if (strlen(output->columns[i].name) == length &&
			    strncasecmp(output->columns[i].name, at, length) ==
				    0)
				break;
		if (i == output->n_columns ||
		    output->n_chosen == OUTPUT_MAX_COLUMNS)
			return output_unknown_column(output, at, length);
		output->chosen[output->n_chosen++] = i;
		at += length;
		at += *at == ',';
	}
	return EXIT_OK;
}

void
output_discard(struct output *output)
{
	for (size_t i = 0; i < output->n_cells; i++)
		free(output->cells[i]);
	free(output->cells);
	free(output);
}

static void
output_render(struct output *const *outputs, size_t n_outputs)
{
	switch (outputs[0]->options->output) {
	case OUTPUT_TABLE:
		for (size_t i = 0; i < n_outputs; i++)
			output_render_table(outputs[i], i > 0);
		break;
	case OUTPUT_JSON:
		output_render_json(outputs, n_outputs);
		break;
	case OUTPUT_JSONL:
		for (size_t i = 0; i < n_outputs; i++)
			output_render_lines(outputs[i]);
		break;
	case OUTPUT_VALUE:
		for (size_t i = 0; i < n_outputs; i++)
			output_render_values(outputs[i]);
		break;
	}
}

int
output_print(struct output *const *outputs, size_t n_outputs)
{
	int status = EXIT_OK;

	for (size_t i = 0; i < n_outputs && status == EXIT_OK; i++)
		status = output_choose_columns(outputs[i]);
	if (status == EXIT_OK)
		output_render(outputs, n_outputs);
	for (size_t i = 0; i < n_outputs; i++)
		output_discard(outputs[i]);
	return status;
}

int
output_finish(struct output *output)
{
	return output_print(&output, 1);
}
