/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Knowing an export again. */
#include "daemon/core/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/strings.h"
#include "daemon/config/configuration.h"
#include "daemon/core/export.h"

int
identity_init(struct identity *identity,
	      const struct fingerprint_settings *fingerprint,
	      size_t n_endpoints)
{
	size_t length = (size_t)fingerprint->length;

	identity->n_endpoints = n_endpoints;
	identity->fingerprint_offset = fingerprint->offset;
	identity->fingerprint_length = length;
	identity->canonical_names = calloc(n_endpoints, sizeof(char *));
	identity->fingerprint = calloc(1, length + 1);
	identity->is_written = calloc(length + 1, sizeof(bool));
	return identity->canonical_names && identity->fingerprint &&
			       identity->is_written
		       ? 0
		       : -ENOMEM;
}

void
identity_done(struct identity *identity)
{
	for (size_t i = 0;
	     identity->canonical_names && i < identity->n_endpoints; i++)
		free(identity->canonical_names[i]);
	free(identity->canonical_names);
	free(identity->fingerprint);
	free(identity->is_written);
	*identity = (struct identity){ 0 };
}

int
identity_learn(struct identity *identity, const struct identity_view *view)
{
	const char *name = view->export->canonical_name;

	if (!name || identity->canonical_names[view->endpoint])
		return 0;
	return string_replace(&identity->canonical_names[view->endpoint],
			      name) < 0
		       ? -ENOMEM
		       : 0;
}

int
identity_adopt(struct identity *identity, const struct identity_view *view)
{
	const struct export_info *export = view->export;

	for (size_t i = 0; i < identity->n_endpoints; i++) {
		free(identity->canonical_names[i]);
		identity->canonical_names[i] = NULL;
	}
	identity->size = export->size;
	identity->is_read_only = export->is_read_only;
	identity->block_minimum = export->block_minimum;
	identity->block_preferred = export->block_preferred;
	identity->block_maximum = export->block_maximum;
	if (view->fingerprint)
		memcpy(identity->fingerprint, view->fingerprint,
		       identity->fingerprint_length);
	memset(identity->is_written, 0, identity->fingerprint_length);
	identity->is_known = true;
	return identity_learn(identity, view);
}

static char *__attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	struct string_builder text = STRING_BUILDER_INIT;
	char *said;
	va_list args;

	va_start(args, format);
	string_builder_vprintf(&text, format, args);
	va_end(args);
	said = string_builder_take(&text);
	/* It differs, whether there is memory to say how or not. */
	return said ? said : strdup("it differs");
}

/* How many bytes of the fingerprint are not what they were. */
static size_t
count_strange(const struct identity *identity, const unsigned char *fingerprint)
{
	size_t n = 0;

	for (size_t i = 0; i < identity->fingerprint_length; i++)
		n += !identity->is_written[i] &&
		     identity->fingerprint[i] != fingerprint[i];
	return n;
}

char *
identity_difference(const struct identity *identity,
		    const struct identity_view *view)
{
	const struct export_info *export = view->export;
	const char *name;
	size_t strange;

	if (!identity->is_known)
		return NULL;
	name = identity->canonical_names[view->endpoint];
	if (export->size != identity->size)
		return say("its size is %" PRIu64 " and was %" PRIu64,
			   export->size, identity->size);
	if (export->is_read_only != identity->is_read_only)
		return say("it is %s and was not",
			   export->is_read_only ? "read-only" : "writable");
	if (export->block_minimum != identity->block_minimum ||
	    export->block_preferred != identity->block_preferred ||
	    export->block_maximum != identity->block_maximum)
		return say("its block sizes are %" PRIu32 ", %" PRIu32
			   ", %" PRIu32 " and were %" PRIu32 ", %" PRIu32
			   ", %" PRIu32,
			   export->block_minimum, export->block_preferred,
			   export->block_maximum, identity->block_minimum,
			   identity->block_preferred, identity->block_maximum);
	if (name && export->canonical_name &&
	    strcmp(name, export->canonical_name) != 0)
		return say("its name is '%s' and was '%s'",
			   export->canonical_name, name);
	if (!view->fingerprint)
		return NULL;
	strange = count_strange(identity, view->fingerprint);
	return strange == 0 ? NULL
			    : say("%zu of the %zu bytes at %" PRIu64
				  " (Fingerprint=) are not what they were",
				  strange, identity->fingerprint_length,
				  identity->fingerprint_offset);
}

void
identity_note_write(struct identity *identity, uint64_t start, uint64_t end)
{
	uint64_t from = identity->fingerprint_offset;
	uint64_t to = from + identity->fingerprint_length;

	if (start >= to || end <= from)
		return;
	if (start > from)
		from = start;
	if (end < to)
		to = end;
	for (; from < to; from++)
		identity->is_written[from - identity->fingerprint_offset] =
			true;
}
