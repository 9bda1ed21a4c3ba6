/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text format that Prometheus reads, line by line: families of metrics and
 * their samples. Knows nothing of what is counted.
 */
#pragma once

#include <stdint.h>

#include "common/strings.h"

struct histogram;

/* The lines that say what a family is, before its samples. */
void exposition_family(struct string_builder *text, const char *name,
		       const char *type, const char *help);

/* Adds name="value" to LABELS. Bytes of VALUE that are not printable ASCII come
 * as \xNN. */
void exposition_label(struct string_builder *labels, const char *name,
		      const char *value);
void exposition_number_label(struct string_builder *labels, const char *name,
			     uint64_t value);

/* What a sample is of. LABELS are such as above, NULL for none. */
struct sample {
	const char *name;
	const char *labels;
};

void exposition_number(struct string_builder *text, const struct sample *sample,
		       uint64_t value);
void exposition_seconds(struct string_builder *text,
			const struct sample *sample, uint64_t ns);

/* _bucket, _sum and _count, in seconds. Told are the buckets whose bounds are
 * powers of two of a microsecond. */
void exposition_histogram(struct string_builder *text,
			  const struct sample *sample,
			  const struct histogram *histogram);
