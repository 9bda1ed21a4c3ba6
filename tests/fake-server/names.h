/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The specification's names for numbers, as transcripts write them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The same word means different numbers in different fields. */
enum name_kind {
	NAME_OPTION,
	NAME_REPLY,
	NAME_COMMAND,
	NAME_CHUNK,
	NAME_RECORD,  /* of TLS */
	NAME_GENERAL, /* flags, error values, info types */
};

/* Looks NAME up; false if there is none of this kind. */
bool name_lookup(enum name_kind kind, const char *name, uint64_t *value);

/*
 * Reads a number: terms joined by '+', each a literal or a name of KIND or of
 * NAME_GENERAL. False if WORD is nothing of the sort.
 */
bool name_parse_number(enum name_kind kind, const char *word, uint64_t *value);
