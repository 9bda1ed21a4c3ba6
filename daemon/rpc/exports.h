/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A list of exports as a server told it, kept over several events of a session,
 * and as messages. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "daemon/core/export.h"
#include "daemon/rpc/convert.h"

struct listed_export {
	struct export_info info;
	/* INFO is all that the server tells. */
	bool is_described;
	/* Why not; owned, may be NULL. */
	char *detail;
};

/* Zero bytes are an empty list. */
struct exports {
	struct listed_export *exports;
	size_t n;
	/* What exports_to_messages() made. */
	struct export_message *messages;
	Nbdclientd__V1__Export **pointers;
};

/* A copy of INFOS, replacing what was there. 0 or -ENOMEM. */
int exports_copy(struct exports *exports, const struct export_info *infos,
		 size_t n);

/* What the server told of the export at INDEX. 0 or -ENOMEM. */
int exports_describe(struct exports *exports, size_t index,
		     const struct export_info *info);

/* The contexts that the server lists for the export at INDEX. 0 or -ENOMEM. */
int exports_set_contexts(struct exports *exports, size_t index,
			 const struct string_list *contexts);

/* The server would not describe the export at INDEX. */
void exports_leave(struct exports *exports, size_t index, const char *detail);

/* The messages in exports->pointers, which borrow from the list and belong to
 * it. 0 or -ENOMEM. */
int exports_to_messages(struct exports *exports);

void exports_done(struct exports *exports);
