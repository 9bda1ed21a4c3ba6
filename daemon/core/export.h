/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server says of one export, and how we talk to it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/strings.h"

struct nbd_handle;

/* Zero bytes are "nothing known". Strings are owned; only NAME and DESCRIPTION
 * of an export that was merely listed are set. */
struct export_info {
	/* As asked for; "" is the server's default export. */
	char *name;
	/* NULL if the server told none. */
	char *canonical_name;
	char *description;
	uint64_t size;
	bool is_read_only;
	bool is_rotational;
	bool can_flush;
	bool can_fua;
	bool can_trim;
	bool can_zero;
	bool can_fast_zero;
	bool can_cache;
	bool can_df;
	bool can_multi_conn;
	/* Bytes; 0: the server did not say. */
	uint32_t block_minimum;
	uint32_t block_preferred;
	uint32_t block_maximum;
	/* Metadata contexts that were selected. */
	struct string_list contexts;
};

struct protocol_info {
	/* "oldstyle", "newstyle" or "newstyle-fixed": static text. */
	const char *handshake;
	bool tls;
	bool structured_replies;
	bool extended_headers;
};

/* 0 or -ENOMEM: TO, which is released first, becomes a copy of FROM. */
int export_info_copy(struct export_info *to, const struct export_info *from);
void export_info_done(struct export_info *info);
