/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests and replies: what they hold and how it ends. */
#include "proto/io_message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec_free.h"

void
io_request_done(struct io_request *request)
{
	string_list_done(&request->contexts);
	free(request->source);
	payload_release(&request->data);
	*request = (struct io_request){ 0 };
}

void
io_reply_done(struct io_reply *reply)
{
	codec_message_free(reply->error);
	for (size_t i = 0; i < reply->n_extents; i++)
		codec_message_free(reply->extents[i]);
	free(reply->extents);
	payload_release(&reply->data);
	*reply = (struct io_reply){ 0 };
}

int
io_request_from_message(struct io_request *request,
			const Nbdclientd__V1__IoRequest *message)
{
	void *bytes;

	*request = (struct io_request){
		.id = message->id,
		.command = (uint32_t)message->command,
		.flags = message->flags,
		.offset = message->offset,
		.length = message->length,
		.timeout_ms = message->timeout_ms,
		.source_offset = message->source_offset,
	};
	if (message->source[0] != '\0' &&
	    !(request->source = strdup(message->source)))
		return -ENOMEM;
	for (size_t i = 0; i < message->n_contexts; i++)
		if (string_list_append(&request->contexts,
				       message->contexts[i]) < 0) {
			io_request_done(request);
			return -ENOMEM;
		}
	if (message->data.len > 0) {
		request->data = payload_allocate(message->data.len, &bytes);
		memcpy(bytes, message->data.data, message->data.len);
	}
	return 0;
}
