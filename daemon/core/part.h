/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One command to a server: a request, or a piece of one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/core/request.h"

struct connection;

/* The buffer of a request that ended while the library still reads from it or
 * writes to it; released with the last of its parts. */
struct orphan {
	struct buffer payload;
	unsigned n_parts;
};

struct part {
	/* In a list of its connection, or of parts to be sent again. */
	struct list link;
	/* In request->parts. */
	struct list sibling;
	/* NULL: nobody waits for it any more; see orphan. */
	struct request *request;
	struct orphan *orphan;
	struct connection *connection;

	enum request_command command;
	/* The flags that go on the wire. */
	uint32_t flags;
	uint64_t offset;
	uint64_t length;
	void *data;

	/* Set by the connection. */
	uint64_t cookie;
	uint64_t sent_at;
	int errnum;
	/* How often its connection was lost while it was in flight. */
	unsigned losses;
};

enum part_outcome {
	PART_DONE,
	/* The server refused it, or the library did: errnum. */
	PART_FAILED,
	/* Its connection is lost and no answer came. */
	PART_LOST,
};
