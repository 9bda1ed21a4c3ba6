/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* INI text, read by inih, checked against the tables of keys. */
#include "daemon/config/parse.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/config/keys.h"
#include "daemon/config/values.h"

#define LONGEST_LINE 4096

struct key {
	const char *name;
	int (*parse)(const struct value *value, void *member);
	size_t offset;
	uint64_t min;
	uint64_t max;
	const char *initial;
};

/* clang-format off */
#define DAEMON_ROW(key, kind, member, min, max, initial)               \
	{ #key, value_parse_##kind, offsetof(struct daemon_settings, member), \
	  min, max, initial },
#define VOLUME_ROW(key, kind, member, min, max, initial)               \
	{ #key, value_parse_##kind, offsetof(struct volume_settings, member), \
	  min, max, initial },

static const struct key daemon_keys[] = {
	DAEMON_KEYS(DAEMON_ROW)
	{ 0 },
};
static const struct key volume_keys[] = {
	VOLUME_KEYS(VOLUME_ROW)
	{ 0 },
};
/* clang-format on */

struct reading {
	const struct parse_source *source;
	const char *section;
	const struct key *keys;
	void *settings;
	unsigned line;
	bool is_inside_line;
	int result;
};

static void
tell(struct reading *reading, const char *what)
{
	string_builder_printf(reading->source->mistakes, "%s:%u: %s\n",
			      reading->source->name, reading->line, what);
	reading->result = -EINVAL;
}

static void __attribute__((format(printf, 2, 3)))
tellf(struct reading *reading, const char *format, ...)
{
	struct string_builder text = STRING_BUILDER_INIT;
	CLEANUP_FREE char *what = NULL;
	va_list args;

	va_start(args, format);
	string_builder_vprintf(&text, format, args);
	va_end(args);
	what = string_builder_take(&text);
	if (what)
		tell(reading, what);
	else
		reading->result = -ENOMEM;
}

static void
tell_unknown_key(struct reading *reading, const char *name)
{
	struct string_builder text = STRING_BUILDER_INIT;
	CLEANUP_FREE char *what = NULL;

	string_builder_printf(&text,
			      "unknown key '%s' in [%s]; known are:", name,
			      reading->section);
	for (const struct key *key = reading->keys; key->name; key++)
		string_builder_printf(&text, " %s", key->name);
	what = string_builder_take(&text);
	if (what)
		tell(reading, what);
}

static int
set(const struct key *key, void *settings, const char *text,
    struct string_builder *complaint)
{
	struct value value = {
		.text = text,
		.min = key->min,
		.max = key->max,
		.complaint = complaint,
	};

	return key->parse(&value, (char *)settings + key->offset);
}

static void
read_value(struct reading *reading, const struct key *key, const char *text)
{
	struct string_builder complaint = STRING_BUILDER_INIT;
	int r = set(key, reading->settings, text, &complaint);

	if (r == -EINVAL) {
		CLEANUP_FREE char *why = string_builder_take(&complaint);

		tellf(reading, "%s=%s: %s", key->name, text, why ? why : "");
	} else if (r < 0) {
		reading->result = r;
	}
	string_builder_done(&complaint);
}

static void
tell_setting(const struct reading *reading, const char *name, const char *text)
{
	const struct parse_source *source = reading->source;
	const struct setting_seen seen = {
		.volume = source->volume,
		.key = name,
		.text = text,
		.file = source->name,
		.line = reading->line,
	};

	if (source->on_setting)
		source->on_setting(source->user, &seen);
}

/* inih found NAME = VALUE. Mistakes are kept here, so it always goes on. */
static int
on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reading *reading = user;

	if (strcmp(section, reading->section) != 0) {
		tellf(reading, "'%s' is in section [%s]; it must be in [%s]",
		      name, section, reading->section);
		return 1;
	}
	for (const struct key *key = reading->keys; key->name; key++) {
		if (strcmp(key->name, name) == 0) {
			tell_setting(reading, name, value ? value : "");
			read_value(reading, key, value ? value : "");
			return 1;
		}
	}
	tell_unknown_key(reading, name);
	return 1;
}

/* fgets() that counts lines, and strips the white space before one, which to
 * inih would mean that the previous line goes on. */
static char *
read_line(char *line, int size, void *stream)
{
	struct reading *reading = stream;
	size_t blank, length;

	if (!fgets(line, size, reading->source->file))
		return NULL;
	if (!reading->is_inside_line)
		reading->line++;
	length = strlen(line);
	if (length + 1 == (size_t)size && line[length - 1] != '\n') {
		if (!reading->is_inside_line)
			tellf(reading, "the line is longer than %d characters",
			      size - 1);
		reading->is_inside_line = true;
		/* The rest of it would be read as lines of their own. */
		line[0] = '\0';
		return line;
	}
	if (reading->is_inside_line)
		line[0] = '\0';
	reading->is_inside_line = false;
	blank = strspn(line, " \t");
	memmove(line, line + blank, strlen(line) - blank + 1);
	return line;
}

static int
parse(const struct parse_source *source, const char *section,
      const struct key *keys, void *settings)
{
	struct reading reading = {
		.source = source,
		.section = section,
		.keys = keys,
		.settings = settings,
	};
	int bad_line;

	ini_use_stack = false;
	ini_initial_alloc = LONGEST_LINE;
	ini_max_line = LONGEST_LINE;
	/* A ';' may be part of a URI. */
	ini_allow_inline_comments = false;
	bad_line = ini_parse_stream(read_line, &reading, on_pair, &reading);
	if (ferror(source->file)) {
		tell(&reading, "reading failed");
		return -EINVAL;
	}
	if (bad_line > 0 && reading.result == 0) {
		reading.line = (unsigned)bad_line;
		tell(&reading,
		     "neither [Section] nor Key=value nor a # comment");
	}
	return bad_line == -2 ? -ENOMEM : reading.result;
}

int
parse_daemon(const struct parse_source *source,
	     struct daemon_settings *settings)
{
	return parse(source, "Daemon", daemon_keys, settings);
}

/* What no single key can say. */
static int
check_volume(const struct parse_source *source,
	     const struct volume_settings *settings)
{
	const char *what = NULL;

	if (settings->uris.n_items == 0 && settings->command.n_items == 0)
		what = "[Volume] needs Uri= or Command=";
	else if (settings->uris.n_items > 0 && settings->command.n_items > 0)
		what = "[Volume] has both Uri= and Command=; it needs one";
	if (!what)
		return 0;
	string_builder_printf(source->mistakes, "%s: %s\n", source->name, what);
	return -EINVAL;
}

int
parse_volume(const struct parse_source *source,
	     struct volume_settings *settings)
{
	int r = parse(source, "Volume", volume_keys, settings);

	return r < 0 ? r : check_volume(source, settings);
}

static int
set_defaults(const struct key *keys, void *settings)
{
	struct string_builder complaint = STRING_BUILDER_INIT;
	int r = 0;

	for (const struct key *key = keys; r == 0 && key->name; key++)
		r = set(key, settings, key->initial, &complaint);
	string_builder_done(&complaint);
	return r;
}

int
parse_daemon_defaults(struct daemon_settings *settings)
{
	return set_defaults(daemon_keys, settings);
}

int
parse_volume_defaults(struct volume_settings *settings)
{
	return set_defaults(volume_keys, settings);
}
