/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The specification's names for numbers. Written from the specification and
 * not from the library's tables, so that the two check each other. */
#include "tests/fake-server/names.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

struct name {
	enum name_kind kind;
	const char *name;
	uint64_t value;
};

/* clang-format off */
static const struct name names[] = {
	{ NAME_OPTION,  "EXPORT_NAME",        1 },
	{ NAME_OPTION,  "ABORT",              2 },
	{ NAME_OPTION,  "LIST",               3 },
	{ NAME_OPTION,  "STARTTLS",           5 },
	{ NAME_OPTION,  "INFO",               6 },
	{ NAME_OPTION,  "GO",                 7 },
	{ NAME_OPTION,  "STRUCTURED_REPLY",   8 },
	{ NAME_OPTION,  "LIST_META_CONTEXT",  9 },
	{ NAME_OPTION,  "SET_META_CONTEXT",  10 },
	{ NAME_OPTION,  "EXTENDED_HEADERS",  11 },

	{ NAME_REPLY,   "ACK",             1 },
	{ NAME_REPLY,   "SERVER",          2 },
	{ NAME_REPLY,   "INFO",            3 },
	{ NAME_REPLY,   "META_CONTEXT",    4 },
	{ NAME_REPLY,   "UNSUP",           0x80000001 },
	{ NAME_REPLY,   "POLICY",          0x80000002 },
	{ NAME_REPLY,   "INVALID",         0x80000003 },
	{ NAME_REPLY,   "PLATFORM",        0x80000004 },
	{ NAME_REPLY,   "TLS_REQD",        0x80000005 },
	{ NAME_REPLY,   "UNKNOWN",         0x80000006 },
	{ NAME_REPLY,   "SHUTDOWN",        0x80000007 },
	{ NAME_REPLY,   "BLOCK_SIZE_REQD", 0x80000008 },
	{ NAME_REPLY,   "TOO_BIG",         0x80000009 },
	{ NAME_REPLY,   "EXT_HEADER_REQD", 0x8000000a },

	{ NAME_COMMAND, "READ",         0 },
	{ NAME_COMMAND, "WRITE",        1 },
	{ NAME_COMMAND, "DISC",         2 },
	{ NAME_COMMAND, "FLUSH",        3 },
	{ NAME_COMMAND, "TRIM",         4 },
	{ NAME_COMMAND, "CACHE",        5 },
	{ NAME_COMMAND, "WRITE_ZEROES", 6 },
	{ NAME_COMMAND, "BLOCK_STATUS", 7 },

	{ NAME_CHUNK,   "NONE",             0 },
	{ NAME_CHUNK,   "OFFSET_DATA",      1 },
	{ NAME_CHUNK,   "OFFSET_HOLE",      2 },
	{ NAME_CHUNK,   "BLOCK_STATUS",     5 },
	{ NAME_CHUNK,   "BLOCK_STATUS_EXT", 6 },
	{ NAME_CHUNK,   "ERROR",            0x8001 },
	{ NAME_CHUNK,   "ERROR_OFFSET",     0x8002 },

	{ NAME_RECORD,  "ALERT",      21 },
	{ NAME_RECORD,  "HANDSHAKE",  22 },

	{ NAME_GENERAL, "FIXED_NEWSTYLE",     0x1 },
	{ NAME_GENERAL, "NO_ZEROES",          0x2 },
	{ NAME_GENERAL, "INFO_EXPORT",        0 },
	{ NAME_GENERAL, "INFO_NAME",          1 },
	{ NAME_GENERAL, "INFO_DESCRIPTION",   2 },
	{ NAME_GENERAL, "INFO_BLOCK_SIZE",    3 },
	{ NAME_GENERAL, "HAS_FLAGS",          0x001 },
	{ NAME_GENERAL, "READ_ONLY",          0x002 },
	{ NAME_GENERAL, "SEND_FLUSH",         0x004 },
	{ NAME_GENERAL, "SEND_FUA",           0x008 },
	{ NAME_GENERAL, "ROTATIONAL",         0x010 },
	{ NAME_GENERAL, "SEND_TRIM",          0x020 },
	{ NAME_GENERAL, "SEND_WRITE_ZEROES",  0x040 },
	{ NAME_GENERAL, "SEND_DF",            0x080 },
	{ NAME_GENERAL, "CAN_MULTI_CONN",     0x100 },
	{ NAME_GENERAL, "SEND_CACHE",         0x400 },
	{ NAME_GENERAL, "SEND_FAST_ZERO",     0x800 },
	{ NAME_GENERAL, "BLOCK_STATUS_PAYLOAD", 0x1000 },
	{ NAME_GENERAL, "ALL_FLAGS",          0xded },
	{ NAME_GENERAL, "FUA",                0x01 },
	{ NAME_GENERAL, "NO_HOLE",            0x02 },
	{ NAME_GENERAL, "DF",                 0x04 },
	{ NAME_GENERAL, "REQ_ONE",            0x08 },
	{ NAME_GENERAL, "FAST_ZERO",          0x10 },
	{ NAME_GENERAL, "PAYLOAD_LEN",        0x20 },
	{ NAME_GENERAL, "DONE",               0x1 },
	{ NAME_GENERAL, "HOLE",               0x1 },
	{ NAME_GENERAL, "ZERO",               0x2 },
	{ NAME_GENERAL, "OK",                 0 },
	{ NAME_GENERAL, "EPERM",              1 },
	{ NAME_GENERAL, "EIO",                5 },
	{ NAME_GENERAL, "ENOMEM",            12 },
	{ NAME_GENERAL, "EINVAL",            22 },
	{ NAME_GENERAL, "ENOSPC",            28 },
	{ NAME_GENERAL, "EOVERFLOW",         75 },
	{ NAME_GENERAL, "ENOTSUP",           95 },
	{ NAME_GENERAL, "ESHUTDOWN",        108 },
};
/* clang-format on */

bool
name_lookup(enum name_kind kind, const char *name, uint64_t *value)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].kind == kind && !strcmp(names[i].name, name)) {
			*value = names[i].value;
			return true;
		}
	return false;
}

static bool
parse_suffix(const char *suffix, uint64_t *value)
{
	static const char letters[] = "KMG";
	const char *letter;

	if (*suffix == '\0')
		return true;
	letter = strchr(letters, *suffix);
	if (!letter || suffix[1] != '\0')
		return false;
	*value <<= 10 * (letter - letters + 1);
	return true;
}

static bool
parse_term(enum name_kind kind, const char *term, uint64_t *value)
{
	char *end;

	if (name_lookup(kind, term, value) ||
	    name_lookup(NAME_GENERAL, term, value))
		return true;
	*value = strtoull(term, &end, 0);
	return end != term && parse_suffix(end, value);
}

bool
name_parse_number(enum name_kind kind, const char *word, uint64_t *value)
{
	CLEANUP_FREE char *copy = strdup(word);
	char *rest = copy;
	const char *term;
	uint64_t addend;

	*value = 0;
	while ((term = strsep(&rest, "+"))) {
		if (!parse_term(kind, term, &addend))
			return false;
		*value += addend;
	}
	return true;
}
