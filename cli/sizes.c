/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes and times as people write and read them. */
#include "cli/sizes.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char units[] = "BKMGTPE";

/* The power of 1024 that SUFFIX means, -1 if it is no suffix. */
static int
size_suffix(const char *suffix)
{
	const char *unit;

	if (*suffix == '\0' || strcasecmp(suffix, "B") == 0)
		return 0;
	unit = strchr(units + 1, toupper((unsigned char)*suffix));
	if (!unit)
		return -1;
	suffix++;
	if (*suffix != '\0' && strcasecmp(suffix, "B") != 0 &&
	    strcasecmp(suffix, "iB") != 0)
		return -1;
	return (int)(unit - units);
}

bool
size_parse(const char *text, uint64_t *bytes)
{
	unsigned long long value;
	char *end;
	int power;

	/* strtoull() would take blanks and a sign. */
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoull(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
	power = size_suffix(end);
	if (errno != 0 || power < 0)
		return false;
	for (; power > 0; power--)
		if (__builtin_mul_overflow(value, 1024ULL, &value))
			return false;
	if (value > INT64_MAX)
		return false;
	*bytes = value;
	return true;
}

bool
time_parse(const char *text, uint32_t *milliseconds)
{
	static const struct {
		const char *suffix;
		double milliseconds;
	} suffixes[] = {
		{ "", 1000 },     { "s", 1000 },  { "ms", 1 },
		{ "min", 60000 }, { "m", 60000 }, { "h", 3600000 },
		{ "sec", 1000 },
	};
	char *end;
	double value;

	if (!isdigit((unsigned char)*text))
		return false;
	value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		if (strcmp(end, suffixes[i].suffix) != 0)
			continue;
		value *= suffixes[i].milliseconds;
		/* Also false for NaN. */
		if (!(value >= 1 && value <= INT32_MAX))
			return false;
		*milliseconds = (uint32_t)value;
		return true;
	}
	return false;
}

static unsigned int
size_power(uint64_t bytes)
{
	unsigned int power = 0;

	for (; bytes >= 1024 && power < 6; bytes /= 1024)
		power++;
	return power;
}

static double
size_scale(uint64_t bytes, unsigned int power)
{
	double value = (double)bytes;

	for (; power > 0; power--)
		value /= 1024;
	return value;
}

/* One decimal while that says something. */
static int
size_decimals(double value, unsigned int power)
{
	double rest = value - (double)(uint64_t)value;

	return power > 0 && value < 99.95 && rest >= 0.05 ? 1 : 0;
}

struct size_text
size_format(uint64_t bytes)
{
	unsigned int power = size_power(bytes);
	double value = size_scale(bytes, power);
	struct size_text result;

	snprintf(result.text, sizeof(result.text), "%.*f %c%s",
		 size_decimals(value, power), value, units[power],
		 power > 0 ? "iB" : "");
	return result;
}

struct size_text
size_format_pair(uint64_t part, uint64_t total)
{
	unsigned int power = size_power(total);
	int decimals = power > 0 ? 1 : 0;
	struct size_text result;

	snprintf(result.text, sizeof(result.text), "%.*f/%.*f %c%s", decimals,
		 size_scale(part, power), decimals, size_scale(total, power),
		 units[power], power > 0 ? "iB" : "");
	return result;
}

struct size_text
time_format(uint64_t seconds)
{
	uint64_t minutes = seconds / 60, hours = minutes / 60;
	struct size_text result;
	size_t size = sizeof(result.text);

	if (minutes == 0)
		snprintf(result.text, size, "%" PRIu64 " s", seconds);
	else if (hours == 0)
		snprintf(result.text, size, "%" PRIu64 " min %" PRIu64 " s",
			 minutes, seconds % 60);
	else if (hours < 24)
		snprintf(result.text, size, "%" PRIu64 " h %" PRIu64 " min",
			 hours, minutes % 60);
	else
		snprintf(result.text, size, "%" PRIu64 " d %" PRIu64 " h",
			 hours / 24 % 100000, hours % 24);
	return result;
}

struct size_text
latency_format(uint64_t microseconds)
{
	double value = (double)microseconds;
	const char *unit = "us";
	struct size_text result;

	if (microseconds >= 1000000) {
		value /= 1000000;
		unit = "s";
	} else if (microseconds >= 1000) {
		value /= 1000;
		unit = "ms";
	}
	snprintf(result.text, sizeof(result.text), "%.*f %s",
		 microseconds >= 1000 && value < 99.95 ? 1 : 0, value, unit);
	return result;
}
