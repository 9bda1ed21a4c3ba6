/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text format of Prometheus. */
#include "daemon/core/exposition.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/core/histogram.h"

#define SECONDS       "%" PRIu64 ".%09" PRIu64
#define AS_SECONDS(t) (t) / 1000000000, (t) % 1000000000

static void
append_help(struct string_builder *text, const char *help)
{
	for (; *help; help++) {
		if (*help == '\n')
			string_builder_append(text, "\\n");
		else if (*help == '\\')
			string_builder_append(text, "\\\\");
		else
			string_builder_append_bytes(text, help, 1);
	}
}

void
exposition_family(struct string_builder *text, const char *name,
		  const char *type, const char *help)
{
	string_builder_printf(text, "# HELP %s ", name);
	append_help(text, help);
	string_builder_printf(text, "\n# TYPE %s %s\n", name, type);
}

/* Three characters have an escape. The backslash of our \xNN needs one, too. */
static void
append_value(struct string_builder *labels, const char *value)
{
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			string_builder_printf(labels, "\\%c", c);
		else if (c == '\n')
			string_builder_append(labels, "\\n");
		else if (c < 0x20 || c >= 0x7f)
			string_builder_printf(labels, "\\\\x%02x", c);
		else
			string_builder_append_bytes(labels, value, 1);
	}
}

void
exposition_label(struct string_builder *labels, const char *name,
		 const char *value)
{
	string_builder_printf(labels, "%s%s=\"", labels->length ? "," : "",
			      name);
	append_value(labels, value);
	string_builder_append(labels, "\"");
}

void
exposition_number_label(struct string_builder *labels, const char *name,
			uint64_t value)
{
	char number[24];

	snprintf(number, sizeof(number), "%" PRIu64, value);
	exposition_label(labels, name, number);
}

/* The line up to its value. BOUND is of a bucket, else NULL. */
static void
append_start(struct string_builder *text, const struct sample *sample,
	     const char *suffix, const char *bound)
{
	const char *labels = sample->labels ? sample->labels : "";

	string_builder_printf(text, "%s%s", sample->name, suffix);
	if (*labels || bound)
		string_builder_printf(text, "{%s%s", labels,
				      *labels && bound ? "," : "");
	if (bound)
		string_builder_printf(text, "le=\"%s\"", bound);
	string_builder_append(text, *labels || bound ? "} " : " ");
}

void
exposition_number(struct string_builder *text, const struct sample *sample,
		  uint64_t value)
{
	append_start(text, sample, "", NULL);
	string_builder_printf(text, "%" PRIu64 "\n", value);
}

void
exposition_seconds(struct string_builder *text, const struct sample *sample,
		   uint64_t ns)
{
	append_start(text, sample, "", NULL);
	string_builder_printf(text, SECONDS "\n", AS_SECONDS(ns));
}

static void
append_bucket(struct string_builder *text, const struct sample *sample,
	      const char *bound, uint64_t count)
{
	append_start(text, sample, "_bucket", bound);
	string_builder_printf(text, "%" PRIu64 "\n", count);
}

void
exposition_histogram(struct string_builder *text, const struct sample *sample,
		     const struct histogram *histogram)
{
	uint64_t count = 0;
	unsigned i = 0;

	while (i + 1 < HISTOGRAM_BUCKETS) {
		char bound[32];
		uint64_t us;

		count += histogram->buckets[i++];
		if (i % HISTOGRAM_STEPS != 0)
			continue;
		us = histogram_bound(i) / 1000;
		snprintf(bound, sizeof(bound), "%" PRIu64 ".%06" PRIu64,
			 us / 1000000, us % 1000000);
		append_bucket(text, sample, bound, count);
	}
	count += histogram->buckets[i];
	append_bucket(text, sample, "+Inf", count);
	append_start(text, sample, "_sum", NULL);
	string_builder_printf(text, SECONDS "\n",
			      AS_SECONDS((uint64_t)histogram->sum));
	append_start(text, sample, "_count", NULL);
	string_builder_printf(text, "%" PRIu64 "\n", count);
}
