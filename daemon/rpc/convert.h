/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the core knows as messages of the contract. The messages borrow their
 * strings from what they were made of, which must outlive them.
 */
#pragma once

#include <stddef.h>

#include "daemon/core/buffer.h"
#include "daemon/core/volume.h"
#include "nbdclientd/v1/negotiation.pb-c.h"
#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/payload.h"

/* protobuf-c has no const; nobody writes to what is only encoded. NULL is
 * "". */
char *borrow_text(const char *text);

/* An Export with the message it contains. */
struct export_message {
	Nbdclientd__V1__Export export;
	Nbdclientd__V1__BlockSizes block_sizes;
};

void export_message_init(struct export_message *message,
			 const struct export_info *info);
/* Of an export that the server would not describe, because of DETAIL. */
void export_message_init_incomplete(struct export_message *message,
				    const struct export_info *info,
				    const char *detail);

void protocol_message_init(Nbdclientd__V1__ProtocolInfo *message,
			   const struct protocol_info *info);

/* A Volume with the snapshot and the messages it contains. */
struct volume_message {
	struct volume_description description;
	Nbdclientd__V1__Volume volume;
	struct export_message export;
	Nbdclientd__V1__ProtocolInfo protocol;
	Nbdclientd__V1__Counters counters;
};

/* A snapshot of VOLUME as CLIENT may see it. 0 or -ENOMEM. MESSAGE must not
 * move until volume_message_done(). */
int volume_message_init(struct volume_message *message, struct volume *volume,
			const struct client *client);
void volume_message_done(struct volume_message *message);

/* All that CLIENT may see. */
struct volume_messages {
	struct volume_message *messages;
	Nbdclientd__V1__Volume **pointers;
	size_t n;
};

/* 0 or -ENOMEM. */
int volume_messages_init(struct volume_messages *messages,
			 struct daemon *daemon, const struct client *client);
void volume_messages_done(struct volume_messages *messages);

/* The same bytes with their owner, from one world to the other. The argument
 * is empty afterwards. */
struct buffer buffer_from_payload(struct payload *payload);
struct payload payload_from_buffer(struct buffer *buffer);
