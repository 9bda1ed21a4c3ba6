/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kinds of values in configuration files. Each parser fills the member it
 * is given and, when the text is wrong, leaves it alone and says what it would
 * have taken.
 */
#pragma once

#include <stdint.h>

#include "common/strings.h"

/* One parse: the text, the bounds, and where the complaint goes. */
struct value {
	const char *text;
	uint64_t min;
	uint64_t max;
	/* Receives what is wrong and what is accepted. */
	struct string_builder *complaint;
};

/* Adds the words of TEXT, separated by space, with quotes and backslashes as in
 * a shell, to WORDS. 0; -EINVAL if a quote is not closed; -ENOMEM. */
int value_split(const char *text, struct string_list *words);

/*
 * 0; -EINVAL with a complaint; -ENOMEM. MEMBER points at the type in the
 * comment. Kinds that are lists add to what is there, and empty text empties
 * them.
 */
int value_parse_number(const struct value *value, void *member); /* unsigned */
int value_parse_size(const struct value *value, void *member);   /* uint64_t */
/* uint64_t, ns; empty: 0 */
int value_parse_time(const struct value *value, void *member);
/* unsigned[2]: smallest, largest */
int value_parse_range(const struct value *value, void *member);
int value_parse_boolean(const struct value *value, void *member); /* bool */
int value_parse_text(const struct value *value, void *member);    /* char * */
/* char *; absolute, or empty: NULL */
int value_parse_path(const struct value *value, void *member);
int value_parse_uris(const struct value *value, void *member); /* string_list */
int value_parse_command(const struct value *value, void *member); /* the same */
int value_parse_users(const struct value *value, void *member);   /* id_list */
int value_parse_groups(const struct value *value, void *member);  /* id_list */
int value_parse_transports(const struct value *value,
			   void *member); /* uint32_t */
int value_parse_log_level(const struct value *value, void *member); /* int */
/* fingerprint_settings; OFFSET,LENGTH, or empty */
int value_parse_fingerprint(const struct value *value, void *member);
int value_parse_unflushed(const struct value *value,
			  void *member); /* unflushed_policy */
/* What value_parse_log_level() takes for LEVEL. */
const char *value_log_level_name(int level);
/* char *; HOST:PORT of the loopback interface, or empty: NULL */
int value_parse_loopback(const struct value *value, void *member);
int value_parse_tls(const struct value *value, void *member); /* tls_policy */
