/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages of the handshake: greeting, options, option replies and the items
 * they carry.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "client-lib/wire/wire.h"

enum greeting {
	GREETING_OLDSTYLE,
	GREETING_NEWSTYLE,
};

/* Reads the first NBD_GREETING_SIZE bytes of a connection. INVALID is told as
 * early as it can be known. */
enum wire_result greeting_parse(const void *bytes, size_t length,
				enum greeting *greeting);

/* What describes an export in both raw forms. */
struct export_description {
	uint64_t size;
	uint16_t handshake_flags; /* upper half of the oldstyle flags */
	uint16_t flags;
};

/* Reads the NBD_OLDSTYLE_REST_SIZE bytes after an oldstyle greeting. */
enum wire_result oldstyle_parse(const void *bytes, size_t length,
				struct export_description *description);

/* Reads the first NBD_EXPORT_NAME_REPLY_SIZE bytes of the reply. */
enum wire_result export_name_parse(const void *bytes, size_t length,
				   struct export_description *description);

struct option_reply {
	uint32_t option;
	uint32_t type;
	uint32_t length;
};

/* Reads a header of NBD_OPTION_REPLY_SIZE bytes; INVALID: wrong magic. */
enum wire_result option_reply_parse(const void *bytes, size_t length,
				    struct option_reply *reply);

/* Writes the header of an option with LENGTH bytes of data to BYTES, which
 * has room for NBD_OPTION_HEADER_SIZE. */
void option_encode_header(void *bytes, uint32_t option, uint32_t length);

/* A string inside a message: counted, not terminated. */
struct wire_string {
	const char *text;
	size_t length;
};

/* NBD_REP_SERVER: an export and its description for humans. */
struct server_item {
	struct wire_string name;
	struct wire_string description;
};
enum wire_result server_item_parse(const void *payload, size_t length,
				   struct server_item *item);

/* NBD_REP_META_CONTEXT. */
struct context_item {
	uint32_t id;
	struct wire_string name;
};
enum wire_result context_item_parse(const void *payload, size_t length,
				    struct context_item *item);

/* NBD_REP_INFO. TYPE says which members mean anything; of unknown types,
 * none. */
struct info_item {
	uint16_t type;
	struct export_description export;
	struct wire_string text; /* NAME and DESCRIPTION */
	uint32_t block_minimum;
	uint32_t block_preferred;
	uint32_t block_maximum;
};
enum wire_result info_item_parse(const void *payload, size_t length,
				 struct info_item *item);
