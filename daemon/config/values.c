/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The scalar kinds of configuration values. */
#include "daemon/config/values.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <libnbd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>

#include "common/checked.h"
#include "common/cleanup.h"
#include "daemon/config/configuration.h"

struct unit {
	const char *name;
	uint64_t factor;
};

struct choice {
	const char *name;
	int number;
};

static const struct unit size_units[] = {
	{ "", 1 },           { "K", 1ull << 10 }, { "M", 1ull << 20 },
	{ "G", 1ull << 30 }, { "T", 1ull << 40 }, { NULL, 0 },
};

static const struct unit time_units[] = {
	{ "", 1000000000ull },          { "us", 1000ull },
	{ "ms", 1000000ull },           { "s", 1000000000ull },
	{ "min", 60 * 1000000000ull },  { "h", 3600 * 1000000000ull },
	{ "d", 86400 * 1000000000ull }, { NULL, 0 },
};

/* The unsigned number that *TEXT begins with, and *TEXT after it. */
static bool
scan_number(const char **text, uint64_t *number)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	errno = 0;
	*number = strtoull(*text, &end, 10);
	*text = end;
	return errno == 0;
}

static bool
apply_unit(const struct unit *units, const char *name, uint64_t *number)
{
	for (; units->name; units++)
		if (strcasecmp(units->name, name) == 0)
			return !__builtin_mul_overflow(*number, units->factor,
						       number);
	return false;
}

static bool
scan_with_unit(const struct value *value, const struct unit *units,
	       uint64_t *number)
{
	const char *text = value->text;

	if (!scan_number(&text, number))
		return false;
	while (*text == ' ')
		text++;
	return apply_unit(units, text, number) && *number >= value->min &&
	       *number <= value->max;
}

int
value_parse_number(const struct value *value, void *member)
{
	const char *text = value->text;
	uint64_t number;

	if (!scan_number(&text, &number) || *text || number < value->min ||
	    number > value->max) {
		string_builder_printf(value->complaint,
				      "not a whole number from %" PRIu64
				      " to %" PRIu64,
				      value->min, value->max);
		return -EINVAL;
	}
	*(unsigned *)member = (unsigned)number;
	return 0;
}

/* "64M" for 64 MiB: what a person would write. */
static void
append_size(struct string_builder *to, uint64_t size)
{
	size_t unit = 0;

	while (size > 0 && size % 1024 == 0 && size_units[unit + 1].name) {
		size /= 1024;
		unit++;
	}
	string_builder_printf(to, "%" PRIu64 "%s", size, size_units[unit].name);
}

int
value_parse_size(const struct value *value, void *member)
{
	uint64_t size;

	if (!scan_with_unit(value, size_units, &size)) {
		string_builder_append(value->complaint,
				      "not a size in bytes, or with K, M, G or "
				      "T (such as 64M), from ");
		append_size(value->complaint, value->min);
		string_builder_append(value->complaint, " to ");
		append_size(value->complaint, value->max);
		return -EINVAL;
	}
	*(uint64_t *)member = size;
	return 0;
}

static void
append_time(struct string_builder *to, uint64_t ns)
{
	if (ns % 1000000000 == 0)
		string_builder_printf(to, "%" PRIu64 "s", ns / 1000000000);
	else
		string_builder_printf(to, "%" PRIu64 "ms", ns / 1000000);
}

int
value_parse_time(const struct value *value, void *member)
{
	uint64_t ns = 0;

	if (*value->text && !scan_with_unit(value, time_units, &ns)) {
		string_builder_append(value->complaint,
				      "not a time with us, ms, s, min, h or d "
				      "(such as 5s or 2min), from ");
		append_time(value->complaint, value->min);
		string_builder_append(value->complaint, " to ");
		append_time(value->complaint, value->max);
		return -EINVAL;
	}
	*(uint64_t *)member = ns;
	return 0;
}

int
value_parse_range(const struct value *value, void *member)
{
	const char *text = value->text;
	unsigned *range = member;
	uint64_t low = 0;
	uint64_t high;
	bool is_good = scan_number(&text, &low);

	high = low;
	if (is_good && *text == '-') {
		text++;
		is_good = scan_number(&text, &high);
	}
	if (!is_good || *text || low < value->min || high < low ||
	    high > value->max) {
		string_builder_printf(value->complaint,
				      "not MIN-MAX or one number, from %" PRIu64
				      " to %" PRIu64 " (such as 1-4)",
				      value->min, value->max);
		return -EINVAL;
	}
	range[0] = (unsigned)low;
	range[1] = (unsigned)high;
	return 0;
}

/* The number of TEXT in CHOICES, or -1 with a complaint that lists them. */
static int
choose(const struct value *value, const char *text,
       const struct choice *choices)
{
	for (const struct choice *choice = choices; choice->name; choice++)
		if (strcmp(choice->name, text) == 0)
			return choice->number;
	string_builder_append(value->complaint, "not one of");
	for (const struct choice *choice = choices; choice->name; choice++)
		string_builder_printf(value->complaint, "%s %s",
				      choice == choices ? "" : ",",
				      choice->name);
	return -1;
}

int
value_parse_boolean(const struct value *value, void *member)
{
	static const struct choice choices[] = {
		{ "yes", 1 },   { "no", 0 }, { "true", 1 },
		{ "false", 0 }, { "on", 1 }, { "off", 0 },
		{ "1", 1 },     { "0", 0 },  { NULL, 0 },
	};
	int number = choose(value, value->text, choices);

	if (number < 0)
		return -EINVAL;
	*(bool *)member = number > 0;
	return 0;
}

int
value_parse_text(const struct value *value, void *member)
{
	return string_replace(member, *value->text ? value->text : NULL) < 0
		       ? -ENOMEM
		       : 0;
}

#define CREDENTIALS "%d/"

/* %d is where systemd puts what LoadCredential= names. */
static int
parse_credential(const struct value *value, void *member)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	CLEANUP_FREE char *path = NULL;

	if (!directory) {
		string_builder_append(value->complaint,
				      "%d stands for the directory of "
				      "LoadCredential=, and systemd has passed "
				      "none");
		return -EINVAL;
	}
	if (asprintf(&path, "%s/%s", directory,
		     value->text + strlen(CREDENTIALS)) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return string_replace(member, path);
}

int
value_parse_path(const struct value *value, void *member)
{
	if (strncmp(value->text, CREDENTIALS, strlen(CREDENTIALS)) == 0)
		return parse_credential(value, member);
	if (*value->text && *value->text != '/') {
		string_builder_append(value->complaint, "not an absolute path");
		return -EINVAL;
	}
	return value_parse_text(value, member);
}

static const struct choice log_levels[] = {
	{ "error", LOG_ERR },     { "warning", LOG_WARNING },
	{ "notice", LOG_NOTICE }, { "info", LOG_INFO },
	{ "debug", LOG_DEBUG },   { NULL, 0 },
};

int
value_parse_log_level(const struct value *value, void *member)
{
	int number = choose(value, value->text, log_levels);

	if (number < 0)
		return -EINVAL;
	*(int *)member = number;
	return 0;
}

const char *
value_log_level_name(int level)
{
	for (const struct choice *choice = log_levels; choice->name; choice++)
		if (choice->number == level)
			return choice->name;
	return "unknown";
}

/* A size that ends at END. */
static bool
scan_size_to(const char *text, const char *end, uint64_t *size)
{
	char unit[8];
	size_t left;

	if (!scan_number(&text, size))
		return false;
	left = (size_t)(end - text);
	if (text > end || left >= sizeof(unit))
		return false;
	memcpy(unit, text, left);
	unit[left] = '\0';
	return apply_unit(size_units, unit, size);
}

int
value_parse_fingerprint(const struct value *value, void *member)
{
	const char *comma = strchrnul(value->text, ',');
	struct fingerprint_settings settings = { 0 };

	if (*value->text &&
	    (!*comma || !scan_size_to(value->text, comma, &settings.offset) ||
	     !scan_size_to(comma + 1, strchr(comma, '\0'), &settings.length) ||
	     settings.offset > INT64_MAX || settings.length < value->min ||
	     settings.length > value->max)) {
		string_builder_printf(value->complaint,
				      "not OFFSET,LENGTH in bytes, with a "
				      "length from %" PRIu64 " to %" PRIu64
				      " (such as 64K,512)",
				      value->min, value->max);
		return -EINVAL;
	}
	*(struct fingerprint_settings *)member = settings;
	return 0;
}

int
value_parse_unflushed(const struct value *value, void *member)
{
	static const struct choice choices[] = {
		{ "replay", UNFLUSHED_REPLAY },
		{ "report", UNFLUSHED_REPORT },
		{ "ignore", UNFLUSHED_IGNORE },
		{ NULL, 0 },
	};
	int number = choose(value, value->text, choices);

	if (number < 0)
		return -EINVAL;
	*(enum unflushed_policy *)member = (enum unflushed_policy)number;
	return 0;
}

int
value_parse_tls(const struct value *value, void *member)
{
	static const struct choice choices[] = {
		{ "uri", TLS_BY_URI },
		{ "off", TLS_OFF },
		{ "allow", TLS_ALLOW },
		{ "require", TLS_REQUIRE },
		{ NULL, 0 },
	};
	int number = choose(value, value->text, choices);

	if (number < 0)
		return -EINVAL;
	*(enum tls_policy *)member = (enum tls_policy)number;
	return 0;
}

int
value_parse_transports(const struct value *value, void *member)
{
	static const struct choice choices[] = {
		{ "tcp", LIBNBD_ALLOW_TRANSPORT_TCP },
		{ "unix", LIBNBD_ALLOW_TRANSPORT_UNIX },
		{ "vsock", LIBNBD_ALLOW_TRANSPORT_VSOCK },
		{ NULL, 0 },
	};
	struct string_list words = { 0 };
	uint32_t mask = 0;
	int r = value_split(value->text, &words);

	for (size_t i = 0; r == 0 && i < words.n_items; i++) {
		int number = choose(value, words.items[i], choices);

		if (number < 0)
			r = -EINVAL;
		else
			mask |= (uint32_t)number;
	}
	string_list_done(&words);
	if (r == 0)
		*(uint32_t *)member = mask;
	return r;
}
