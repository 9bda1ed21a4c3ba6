/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For programs that read lines: an object a line, or bare values. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/output_internal.h"
#include "common/cleanup.h"
#include "common/strings.h"

static void
append_json_value(struct string_builder *line, const char *cell,
		  enum output_type type)
{
	CLEANUP_FREE char *copy = NULL;
	bool is_first = true;

	if (!cell) {
		string_builder_append(line, "null");
	} else if (output_is_number(type)) {
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
	for (size_t row = 0; row < output_n_rows(output); row++) {
		struct string_builder line = STRING_BUILDER_INIT;

		string_builder_append(&line, "{");
		for (size_t i = 0; i < output->n_chosen; i++) {
			const char *name = output_column_at(output, i)->name;

			string_builder_append(&line, i > 0 ? ",\"" : "\"");
			for (; *name; name++)
				string_builder_printf(
					&line, "%c",
					tolower((unsigned char)*name));
			string_builder_append(&line, "\":");
			append_json_value(&line, output_cell(output, row, i),
					  output_column_at(output, i)->type);
		}
		string_builder_append(&line, "}");
		print_line(&line);
	}
}

void
output_render_values(const struct output *output)
{
	for (size_t row = 0; row < output_n_rows(output); row++) {
		struct string_builder line = STRING_BUILDER_INIT;

		for (size_t i = 0; i < output->n_chosen; i++) {
			const char *cell = output_cell(output, row, i);

			if (i > 0)
				string_builder_append(&line, "\t");
			if (cell)
				string_builder_append_escaped(&line, cell,
							      strlen(cell));
		}
		print_line(&line);
	}
}
