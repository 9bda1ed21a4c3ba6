/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Messages to bytes and back. protobuf-c does the small fields; payloads (a
 * message's last field, number 15, named `data`) travel beside them as slices
 * that are never copied by us. Bytes from the other side are data: whatever
 * they hold, decoding ends with a message or an error, in memory bounded by
 * their length. All functions may be called from any thread.
 */
#pragma once

#include <grpc/byte_buffer.h>
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/codec_free.h"
#include "proto/payload.h"

/* The field number of `data` in every message that has one. */
#define CODEC_DATA_FIELD 15

/*
 * The message as gRPC sends it. MESSAGE is any protobuf-c message; bytes of its
 * strings that are not UTF-8 become '?'. The caller destroys the result with
 * grpc_byte_buffer_destroy(). Aborts without memory.
 */
grpc_byte_buffer *codec_encode(const void *message);

/* The same with DATA as its last field, whose reference is taken; MESSAGE's
 * own `data` is left empty by the caller. */
grpc_byte_buffer *codec_encode_with_data(const void *message,
					 struct payload *data);

/* The message's bytes written to TO, which has room for
 * protobuf_c_message_get_packed_size(); their number. */
size_t codec_pack(const void *message, uint8_t *to);

/*
 * The message of TYPE that BYTES hold, in *MESSAGE; the caller frees it with
 * codec_message_free(). BYTES stays the caller's and is not needed afterwards.
 * 0, or -EBADMSG: the bytes are no such message, -EMSGSIZE: they are longer
 * than MAX_LENGTH or need too much memory, -ENOMEM. *MESSAGE is NULL then.
 */
int codec_decode(const ProtobufCMessageDescriptor *type,
		 grpc_byte_buffer *bytes, size_t max_length, void *message);

/* The same for a message with a payload: its `data` is left empty and *DATA
 * holds a reference to it (empty if absent). */
int codec_decode_with_data(const ProtobufCMessageDescriptor *type,
			   grpc_byte_buffer *bytes, size_t max_length,
			   void *message, struct payload *data);

/* The same, but a large payload that came in pieces stays so: what the daemon
 * does with writes. */
int codec_decode_with_pieces(const ProtobufCMessageDescriptor *type,
			     grpc_byte_buffer *bytes, size_t max_length,
			     void *message, struct payload *data);

/* The same for a message in plain memory. */
int codec_decode_bytes(const ProtobufCMessageDescriptor *type,
		       const void *bytes, size_t length, void *message);

/* Why codec_decode failed, for a status message: "not a valid message" … */
const char *codec_error_text(int error);
