/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One command to a server: a request, or a piece of one. */
#pragma once

#include <libnbd.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/core/overlap.h"
#include "daemon/core/request.h"

struct connection;
struct journal_entry;

enum part_outcome {
	PART_DONE,
	/* The server refused it, or the library did: errnum. */
	PART_FAILED,
	/* Its connection is lost and no answer came. */
	PART_LOST,
};

struct part {
	/* In a list of its connection, or of parts to be sent again. */
	struct list link;
	/* In request->parts. */
	struct list sibling;
	/* NULL: nobody waits for it any more, or it was none's. */
	struct request *request;
	/* Of a part that is no request's: who hears of it, with TEXT unless it
	 * is done. */
	void (*on_answer)(struct part *part, enum part_outcome outcome,
			  const char *text);
	void *user;
	struct request_target *target;
	/* Memory that the library still reads or writes after the request that
	 * gave it has ended. */
	struct buffer hold;
	struct connection *connection;
	/* Whose share it takes; NULL: nobody's. */
	struct flow *flow;
	/* Of a command that writes, until its fate is known. */
	struct range range;
	struct journal_entry *entry;
	/* Of a flush: journal_mark(). */
	uint64_t mark;

	/* Of a block at the edge of its request; see edges.h. */
	bool is_edge;
	enum request_command command;
	/* The flags that go on the wire. */
	uint32_t flags;
	uint64_t offset;
	uint64_t length;
	void *data;
	/* Of a write, instead of data: memory that is nobody's; or pieces, in
	 * an array of the part's own. */
	const void *constant;
	struct iovec *pieces;
	size_t n_pieces;

	/* Set by the connection. */
	uint64_t cookie;
	uint64_t sent_at;
	uint64_t answered_at;
	/* Bytes in flight on the connection when it was sent, with its own. */
	uint64_t load;
	int errnum;
	/* How often its connection was lost while it was in flight. */
	unsigned losses;
};

/* PART writes its LENGTH bytes of FROM, from AT on. They are FROM's, and not
 * copied unless they lie in pieces and the library takes none: then the part
 * holds the copy. 0 or -ENOMEM. */
int part_set_payload(struct part *part, const struct buffer *from, uint64_t at);

/* nbd_aio_pwrite() of it. */
int64_t part_write(const struct part *part, struct nbd_handle *nbd,
		   nbd_completion_callback done);

/* Releases the memory that is the part's own. */
void part_done(struct part *part);
