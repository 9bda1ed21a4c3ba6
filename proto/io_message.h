/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One request and one reply of IO.Channel (and of the data phase of
 * Negotiation.Negotiate) as plain structs, with their payload by reference.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/strings.h"
#include "nbdclientd/v1/io.pb-c.h"
#include "proto/payload.h"

/* nbdclientd.v1.IoRequest; zero bytes are an empty one. */
struct io_request {
	uint64_t id;
	/* NBDCLIENTD__V1__COMMAND__COMMAND_READ …; other values as they came */
	uint32_t command;
	/* Bits of COMMAND_FLAG_… */
	uint32_t flags;
	uint64_t offset;
	uint64_t length;
	/* 0: the daemon's RequestTimeout */
	uint32_t timeout_ms;
	/* Block status only; almost always empty. */
	struct string_list contexts;
	/* Write: the volume whose bytes are to be written, instead of the
	 * payload, and where they are. Owned; NULL: none. */
	char *source;
	uint64_t source_offset;
	/* As it came in, a large one may lie in pieces. */
	struct payload data;
};

/* nbdclientd.v1.IoReply; zero bytes are an empty one. */
struct io_reply {
	uint64_t id;
	/* Owned; NULL: the request was carried out. */
	Nbdclientd__V1__IoError *error;
	/* Owned, each and the array; free() and codec_message_free(). */
	Nbdclientd__V1__ContextExtents **extents;
	size_t n_extents;
	struct payload data;
};

/* Releases what they hold; they are empty afterwards. */
void io_request_done(struct io_request *request);
void io_reply_done(struct io_reply *reply);

/*
 * The same request as protobuf-c decoded it, for Negotiate: a copy with
 * payload, contexts and all. 0, or -ENOMEM.
 */
int io_request_from_message(struct io_request *request,
			    const Nbdclientd__V1__IoRequest *message);
