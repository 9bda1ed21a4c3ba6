/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of IO.Channel, where data moves: read and written by hand, many
 * requests or replies per message, payloads by reference, nothing allocated
 * per request. Requests and replies are plain structs; the structs of
 * protobuf-c appear only in what is rare (extents, errors).
 */
#pragma once

#include <grpc/byte_buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nbdclientd/v1/io.pb-c.h"
#include "proto/io_message.h"
#include "proto/wire.h"

/*
 * A message being built. Start with zero bytes; append; take. It may be used
 * again after channel_writer_take().
 */
struct channel_writer {
	grpc_byte_buffer *bytes;
	/* Small fields that are not in BYTES yet. */
	uint8_t *small;
	size_t n_small;
	size_t small_capacity;
	/* Of the whole message so far. */
	size_t length;
};

/* ChannelRequest.open, ChannelResponse.opened. */
void channel_writer_open(struct channel_writer *writer, const char *volume);
void channel_writer_opened(struct channel_writer *writer,
			   const Nbdclientd__V1__ChannelOpened *opened);

/* One entry of ChannelRequest.requests or ChannelResponse.replies. The payload's
 * reference is taken; all else is copied. */
void channel_writer_request(struct channel_writer *writer,
			    struct io_request *request);
void channel_writer_reply(struct channel_writer *writer,
			  struct io_reply *reply);

/* How long the message would become with this entry, at the most. */
size_t channel_writer_length_with_request(const struct channel_writer *writer,
					  const struct io_request *request);
size_t channel_writer_length_with_reply(const struct channel_writer *writer,
					const struct io_reply *reply);

/* The finished message, which the caller destroys; NULL if nothing was
 * appended. */
grpc_byte_buffer *channel_writer_take(struct channel_writer *writer);

/* Frees what WRITER holds. Zero bytes are allowed. */
void channel_writer_done(struct channel_writer *writer);

/*
 * A message being read, entry by entry. BYTES must outlive the reader, not the
 * entries.
 */
struct channel_reader {
	struct wire_reader wire;
};

enum channel_entry {
	CHANNEL_END = 0,
	/* ChannelRequest.open or ChannelResponse.opened */
	CHANNEL_OPEN = 1,
	/* One request or reply. */
	CHANNEL_IO = 2,
};

/* 0, or -EMSGSIZE if BYTES are more than MAX_LENGTH. */
int channel_reader_init(struct channel_reader *reader,
			const grpc_byte_buffer *bytes, size_t max_length);

/*
 * The next entry of a ChannelRequest: enum channel_entry, or -EBADMSG if the
 * message is broken, -EMSGSIZE, -ENOMEM. CHANNEL_OPEN fills *OPEN, which the
 * caller frees with codec_message_free(); CHANNEL_IO fills *REQUEST, which the
 * caller ends with io_request_done(). Neither is touched otherwise.
 */
int channel_reader_next_request(struct channel_reader *reader,
				Nbdclientd__V1__ChannelOpen **open,
				struct io_request *request);

/* The same of a ChannelResponse. */
int channel_reader_next_reply(struct channel_reader *reader,
			      Nbdclientd__V1__ChannelOpened **opened,
			      struct io_reply *reply);
