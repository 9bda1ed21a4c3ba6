/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the value of each option may be. */
#include "cli/option_values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "cli/errors.h"
#include "cli/sizes.h"

static int
bad_value(enum option_id id, const char *value, const char *accepted)
{
	return fail(EXIT_USAGE, EINVAL, NULL, "--%s takes %s, not \"%s\"",
		    option_rows[id].name, accepted, value);
}

/* The index of VALUE in WORDS, which end in NULL; -1 if it is none. */
static int
find_word(const char *const words[], const char *value)
{
	for (int i = 0; words[i]; i++)
		if (strcmp(words[i], value) == 0)
			return i;
	return -1;
}

static int
set_output(struct options *options, const char *value)
{
	static const char *const words[] = { "table", "json", "jsonl", "value",
					     NULL };
	int found = find_word(words, value);

	if (found < 0)
		return bad_value(OPTION_OUTPUT, value,
				 "table, json, jsonl or value");
	options->output = (enum output_format)found;
	return EXIT_OK;
}

static int
set_color(struct options *options, const char *value)
{
	static const char *const words[] = { "auto", "always", "never", NULL };
	int found = find_word(words, value);

	if (found < 0)
		return bad_value(OPTION_COLOR, value, "auto, always or never");
	options->color = (enum color_mode)found;
	return EXIT_OK;
}

static int
set_progress(struct options *options, const char *value)
{
	char *end;
	long fd;

	options->progress = PROGRESS_BAR;
	if (!value || strcmp(value, "bar") == 0)
		return EXIT_OK;
	options->progress = PROGRESS_JSON;
	if (strcmp(value, "json") == 0)
		return EXIT_OK;
	fd = strtol(value, &end, 10);
	if (end == value || *end || fd < 0 || fd > INT16_MAX ||
	    fcntl((int)fd, F_GETFD) < 0)
		return bad_value(OPTION_PROGRESS, value,
				 "bar, json or an open file descriptor");
	options->progress = PROGRESS_FD;
	options->progress_fd = (int)fd;
	return EXIT_OK;
}

static int
set_size(enum option_id id, const char *value, uint64_t *bytes)
{
	if (!size_parse(value, bytes))
		return bad_value(id, value,
				 "a number of bytes such as 4096, 64K or 1G");
	return EXIT_OK;
}

static int
set_time(enum option_id id, const char *value, uint32_t *milliseconds)
{
	if (!time_parse(value, milliseconds))
		return bad_value(id, value, "a time such as 500ms, 5s or 2min");
	return EXIT_OK;
}

static int
set_count(enum option_id id, const char *value, unsigned int *count)
{
	uint64_t number;

	if (!size_parse(value, &number) || number < 1 || number > 1024)
		return bad_value(id, value, "a number from 1 to 1024");
	*count = (unsigned int)number;
	return EXIT_OK;
}

static int
add_context(struct options *options, const char *value)
{
	if (string_list_append(&options->contexts, value) < 0)
		return fail_errno(ENOMEM, "no memory");
	return EXIT_OK;
}

int
option_set(struct options *options, enum option_id id, const char *value)
{
	options->given |= UINT64_C(1) << id;
	switch (id) {
	case OPTION_ADDRESS:
		options->address = value;
		return EXIT_OK;
	case OPTION_TIMEOUT:
		return set_time(id, value, &options->timeout_ms);
	case OPTION_OUTPUT:
		return set_output(options, value);
	case OPTION_COLUMNS:
		options->columns = value;
		return EXIT_OK;
	case OPTION_COLOR:
		return set_color(options, value);
	case OPTION_VERBOSE:
		options->verbose++;
		return EXIT_OK;
	case OPTION_PROGRESS:
		return set_progress(options, value);
	case OPTION_OFFSET:
		return set_size(id, value, &options->offset);
	case OPTION_LENGTH:
		return set_size(id, value, &options->length);
	case OPTION_CONTEXT:
		return add_context(options, value);
	case OPTION_JOBS:
		return set_count(id, value, &options->jobs);
	case OPTION_RATE:
		return set_size(id, value, &options->rate);
	case OPTION_CONNECTIONS:
		return set_count(id, value, &options->connections);
	case OPTION_READ_WRITE:
		options->read_write = value;
		return EXIT_OK;
	case OPTION_ALGORITHM:
		options->algorithm = value;
		return EXIT_OK;
	case OPTION_BLOCK_SIZE:
		return set_size(id, value, &options->block_size);
	case OPTION_DEPTH:
		return set_count(id, value, &options->depth);
	case OPTION_SECONDS:
		return set_time(id, value, &options->bench_ms);
	case OPTION_SINCE:
		options->since = value;
		return EXIT_OK;
	case OPTION_INTERVAL:
		return set_time(id, value, &options->interval_ms);
	case OPTION_NO_HEADERS:
	case OPTION_QUIET:
	case OPTION_YES:
	case OPTION_DRY_RUN:
	case OPTION_DIRECT:
	case OPTION_HELP:
	case OPTION_FUA:
	case OPTION_NO_HOLE:
	case OPTION_FAST:
	case OPTION_TOTALS:
	case OPTION_VERIFY:
	case OPTION_DESTINATION_IS_ZERO:
	case OPTION_FIND_ZEROES:
	case OPTION_ALLOCATED:
	case OPTION_READ_ONLY:
	case OPTION_WATCH:
	case OPTION_NAMES:
	case OPTION_ONCE:
	case N_OPTIONS:
		break;
	}
	return EXIT_OK;
}
