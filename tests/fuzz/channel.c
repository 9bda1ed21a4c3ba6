/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stream of IO.Channel, in both directions, as the daemon and its clients
 * read it, and what the daemon makes of each request. What is read can be
 * written, and reads as the same; where protobuf-c can read a whole message,
 * we can, and find the same in it.
 */
#include <errno.h>
#include <grpc/grpc.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/request.h"
#include "daemon/rpc/io_command.h"
#include "proto/channel_codec.h"
#include "proto/codec.h"
#include "proto/rpc_limits.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory.h"
#include "tests/fuzz/slices.h"

static bool
same_payload(const struct payload *payload, const void *bytes, size_t length)
{
	return payload->length == length &&
	       (length == 0 || memcmp(payload->bytes, bytes, length) == 0);
}

static bool
same_request(const struct io_request *a, const struct io_request *b)
{
	return a->id == b->id && a->command == b->command &&
	       a->flags == b->flags && a->offset == b->offset &&
	       a->length == b->length && a->timeout_ms == b->timeout_ms &&
	       a->contexts.n_items == b->contexts.n_items &&
	       a->source_offset == b->source_offset &&
	       !a->source == !b->source &&
	       (!a->source || strcmp(a->source, b->source) == 0) &&
	       same_payload(&a->data, b->data.bytes, b->data.length);
}

/* Written and read again it is the same. */
static void
request_there_and_back(const struct io_request *request)
{
	struct channel_writer writer = { 0 };
	struct channel_reader reader;
	struct io_request sent = *request;
	struct io_request copy = { 0 };
	grpc_byte_buffer *bytes;

	sent.data = payload_ref(&request->data);
	channel_writer_request(&writer, &sent);
	bytes = channel_writer_take(&writer);
	if (!bytes || channel_reader_init(&reader, bytes, SIZE_MAX) < 0 ||
	    channel_reader_next_request(&reader, NULL, &copy) != CHANNEL_IO ||
	    !same_request(request, &copy) ||
	    channel_reader_next_request(&reader, NULL, NULL) != CHANNEL_END)
		fuzz_broken("a request changes on its way");
	io_request_done(&copy);
	payload_release(&sent.data);
	grpc_byte_buffer_destroy(bytes);
	channel_writer_done(&writer);
}

static void
reply_there_and_back(const struct io_reply *reply)
{
	struct channel_writer writer = { 0 };
	struct channel_reader reader;
	struct io_reply sent = *reply;
	struct io_reply copy = { 0 };
	grpc_byte_buffer *bytes;

	sent.data = payload_ref(&reply->data);
	channel_writer_reply(&writer, &sent);
	bytes = channel_writer_take(&writer);
	if (!bytes || channel_reader_init(&reader, bytes, SIZE_MAX) < 0 ||
	    channel_reader_next_reply(&reader, NULL, &copy) != CHANNEL_IO ||
	    copy.id != reply->id || copy.n_extents != reply->n_extents ||
	    !copy.error != !reply->error ||
	    !same_payload(&copy.data, reply->data.bytes, reply->data.length))
		fuzz_broken("a reply changes on its way");
	io_reply_done(&copy);
	payload_release(&sent.data);
	grpc_byte_buffer_destroy(bytes);
	channel_writer_done(&writer);
}

/* What the daemon does with it before the core sees it. */
static void
make_command(struct io_request *from)
{
	struct request request = { 0 };
	struct failure failure = { 0 };
	uint64_t size = io_command_size(from);

	if (io_command_fill(&request, from, &failure) < 0) {
		if (failure.errnum == 0)
			fuzz_broken("a request is refused without a reason");
	} else if ((request.command == REQUEST_READ &&
		    request.length > RPC_READ_MAX) ||
		   request.command >= REQUEST_N_COMMANDS ||
		   size < request.payload.size) {
		fuzz_broken("a request that no core can carry out");
	}
	request_done(&request);
	failure_done(&failure);
}

static void
expect_known_end(int entry)
{
	if (entry != CHANNEL_END && entry != -EBADMSG && entry != -EMSGSIZE &&
	    (entry != -ENOMEM || !memory_has_failed()))
		fuzz_broken("reading says %d", entry);
}

/* How many requests there are, or why they cannot be read. */
static int
read_requests(grpc_byte_buffer *bytes, bool is_for_daemon)
{
	struct channel_reader reader;
	int n = 0;
	int entry = channel_reader_init(&reader, bytes, RPC_REQUEST_MAX);

	if (entry < 0)
		return entry;
	for (;;) {
		Nbdclientd__V1__ChannelOpen *open = NULL;
		struct io_request request = { 0 };

		entry = channel_reader_next_request(&reader, &open, &request);
		codec_message_free(open);
		if (entry <= 0) {
			expect_known_end(entry);
			return entry < 0 ? entry : n;
		}
		if (entry == CHANNEL_IO) {
			n++;
			if (is_for_daemon)
				make_command(&request);
			else
				request_there_and_back(&request);
		}
		io_request_done(&request);
	}
}

static int
read_replies(grpc_byte_buffer *bytes, bool goes_back)
{
	struct channel_reader reader;
	int n = 0;
	int entry = channel_reader_init(&reader, bytes, RPC_RESPONSE_MAX);

	if (entry < 0)
		return entry;
	for (;;) {
		Nbdclientd__V1__ChannelOpened *opened = NULL;
		struct io_reply reply = { 0 };

		entry = channel_reader_next_reply(&reader, &opened, &reply);
		codec_message_free(opened);
		if (entry <= 0) {
			expect_known_end(entry);
			return entry < 0 ? entry : n;
		}
		n += entry == CHANNEL_IO;
		if (entry == CHANNEL_IO && goes_back)
			reply_there_and_back(&reply);
		io_reply_done(&reply);
	}
}

/* protobuf-c as a second opinion. */
static void
compare_requests(grpc_byte_buffer *bytes, int n)
{
	Nbdclientd__V1__ChannelRequest *message;

	if (codec_decode(&nbdclientd__v1__channel_request__descriptor, bytes,
			 SIZE_MAX, &message) < 0)
		return;
	if (n != -EMSGSIZE && n != (int)message->n_requests)
		fuzz_broken("%d requests instead of %zu", n,
			    message->n_requests);
	codec_message_free(message);
}

static void
compare_replies(grpc_byte_buffer *bytes, int n)
{
	Nbdclientd__V1__ChannelResponse *message;

	if (codec_decode(&nbdclientd__v1__channel_response__descriptor, bytes,
			 SIZE_MAX, &message) < 0)
		return;
	if (n != -EMSGSIZE && n != (int)message->n_replies)
		fuzz_broken("%d replies instead of %zu", n, message->n_replies);
	codec_message_free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	grpc_init();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = input_over(data, size);
	size_t piece = input_byte(&input) & 0x7f;
	unsigned failing = input_byte(&input);
	grpc_byte_buffer *bytes = slices_of(input.at, input.left, piece);

	if (failing > 0) {
		memory_begin(failing);
		read_requests(bytes, true);
		memory_end();
		memory_begin(failing);
		read_replies(bytes, false);
		memory_end();
	} else {
		read_requests(bytes, true);
		compare_requests(bytes, read_requests(bytes, false));
		compare_replies(bytes, read_replies(bytes, true));
	}
	grpc_byte_buffer_destroy(bytes);
	return 0;
}
