/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The messages of IO.Channel, written and read by hand: compared with what
 * protobuf-c makes of them, cut into slices everywhere, truncated and damaged.
 */
#include "proto/channel_codec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/errors.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"
#include "tests/unit/proto/bytes.h"

#define N_REQUESTS 5

static const uint8_t data[8192] = { 9, 8, 7, [8191] = 1 };
static unsigned n_released;

static void
count_release(void *user)
{
	(void)user;
	n_released++;
}

/* The request at INDEX: the fourth has contexts, the second a source, odd ones
 * have data. */
static struct io_request
make_request(size_t index)
{
	struct io_request request = { .id = index * 1000,
				      .command = (uint32_t)index,
				      .flags = (uint32_t)index % 2,
				      .offset = UINT64_C(1) << (index * 10),
				      .length = index * 77,
				      .timeout_ms = (uint32_t)index };

	if (index == 4) {
		string_list_append(&request.contexts, "base:allocation");
		string_list_append(&request.contexts, "qemu:dirty-bitmap:x");
	}
	if (index == 2) {
		request.source = strdup("other-volume");
		request.source_offset = UINT64_C(1) << 40;
	}
	if (index % 2)
		request.data = payload_wrap(data, index == 1 ? 8192 : 20,
					    count_release, NULL);
	return request;
}

static void
assert_same_request(const struct io_request *request, size_t index)
{
	struct io_request expected = make_request(index);

	assert_true(request->id == expected.id);
	assert_int_equal(request->command, expected.command);
	assert_int_equal(request->flags, expected.flags);
	assert_true(request->offset == expected.offset);
	assert_true(request->length == expected.length);
	assert_int_equal(request->timeout_ms, expected.timeout_ms);
	assert_int_equal(request->contexts.n_items, expected.contexts.n_items);
	for (size_t i = 0; i < request->contexts.n_items; i++)
		assert_string_equal(request->contexts.items[i],
				    expected.contexts.items[i]);
	assert_true(request->source_offset == expected.source_offset);
	assert_int_equal(!request->source, !expected.source);
	if (request->source)
		assert_string_equal(request->source, expected.source);
	assert_int_equal(request->data.length, expected.data.length);
	if (request->data.length)
		assert_memory_equal(request->data.bytes, expected.data.bytes,
				    request->data.length);
	io_request_done(&expected);
}

static grpc_byte_buffer *
write_requests(void)
{
	struct channel_writer writer = { 0 };
	grpc_byte_buffer *bytes;

	channel_writer_open(&writer, "disk0");
	for (size_t i = 0; i < N_REQUESTS; i++) {
		struct io_request request = make_request(i);
		size_t expected = channel_writer_length_with_request(&writer,
								     &request);

		channel_writer_request(&writer, &request);
		assert_int_equal(writer.length, expected);
		assert_null(request.data.owner);
		io_request_done(&request);
	}
	bytes = channel_writer_take(&writer);
	assert_null(channel_writer_take(&writer));
	channel_writer_done(&writer);
	return bytes;
}

static void
requests_come_back_wherever_slices_end(void **state)
{
	grpc_byte_buffer *whole = write_requests();

	(void)state;
	for (size_t piece = 1; piece < 300; piece++) {
		grpc_byte_buffer *cut = bytes_cut(whole, piece);
		struct channel_reader reader;
		Nbdclientd__V1__ChannelOpen *open;
		struct io_request request;

		assert_int_equal(channel_reader_init(&reader, cut, 100000), 0);
		assert_int_equal(
			channel_reader_next_request(&reader, &open, &request),
			CHANNEL_OPEN);
		assert_string_equal(open->volume, "disk0");
		codec_message_free(open);
		for (size_t i = 0; i < N_REQUESTS; i++) {
			assert_int_equal(channel_reader_next_request(
						 &reader, &open, &request),
					 CHANNEL_IO);
			assert_same_request(&request, i);
			io_request_done(&request);
		}
		assert_int_equal(
			channel_reader_next_request(&reader, &open, &request),
			CHANNEL_END);
		grpc_byte_buffer_destroy(cut);
	}
	grpc_byte_buffer_destroy(whole);
}

static void
protobuf_reads_what_we_write(void **state)
{
	grpc_byte_buffer *bytes = write_requests();
	CLEANUP_MESSAGE Nbdclientd__V1__ChannelRequest *message = NULL;

	(void)state;
	assert_int_equal(
		codec_decode(&nbdclientd__v1__channel_request__descriptor,
			     bytes, RPC_REQUEST_MAX, &message),
		0);
	assert_string_equal(message->open->volume, "disk0");
	assert_int_equal(message->n_requests, N_REQUESTS);
	for (size_t i = 0; i < N_REQUESTS; i++) {
		struct io_request request;

		assert_int_equal(
			io_request_from_message(&request, message->requests[i]),
			0);
		assert_same_request(&request, i);
		io_request_done(&request);
	}
	grpc_byte_buffer_destroy(bytes);
}

static void
we_read_what_protobuf_writes(void **state)
{
	grpc_byte_buffer *ours = write_requests();
	CLEANUP_MESSAGE Nbdclientd__V1__ChannelRequest *message = NULL;
	grpc_byte_buffer *theirs;
	uint8_t *our_bytes;
	uint8_t *their_bytes;
	size_t our_length;
	size_t their_length;

	(void)state;
	assert_int_equal(
		codec_decode(&nbdclientd__v1__channel_request__descriptor, ours,
			     RPC_REQUEST_MAX, &message),
		0);
	theirs = codec_encode(message);
	our_bytes = bytes_flatten(ours, &our_length);
	their_bytes = bytes_flatten(theirs, &their_length);
	assert_int_equal(our_length, their_length);
	assert_memory_equal(our_bytes, their_bytes, our_length);
	free(our_bytes);
	free(their_bytes);
	grpc_byte_buffer_destroy(ours);
	grpc_byte_buffer_destroy(theirs);
}

static void
a_large_payload_is_not_copied(void **state)
{
	grpc_byte_buffer *bytes = write_requests();
	struct channel_reader reader;
	Nbdclientd__V1__ChannelOpen *open = NULL;
	struct io_request request;

	(void)state;
	n_released = 0;
	assert_int_equal(channel_reader_init(&reader, bytes, 100000), 0);
	channel_reader_next_request(&reader, &open, &request);
	codec_message_free(open);
	channel_reader_next_request(&reader, &open, &request);
	io_request_done(&request);
	assert_int_equal(channel_reader_next_request(&reader, &open, &request),
			 CHANNEL_IO);
	assert_ptr_equal(request.data.bytes, data);
	grpc_byte_buffer_destroy(bytes);
	assert_int_equal(n_released, 0);
	io_request_done(&request);
	assert_int_equal(n_released, 1);
}

static struct io_reply
make_reply(size_t index)
{
	const struct rpc_failure failure = { .errnum = EIO,
					     .message = "disk on fire" };
	struct io_reply reply = { .id = index + 1 };

	if (index == 0)
		reply.data = payload_wrap(data, 4096, count_release, NULL);
	if (index == 1)
		reply.error = errors_to_io_error(&failure);
	if (index == 2) {
		Nbdclientd__V1__Extent extent = NBDCLIENTD__V1__EXTENT__INIT;
		Nbdclientd__V1__Extent *extents[] = { &extent, &extent };
		Nbdclientd__V1__ContextExtents context =
			NBDCLIENTD__V1__CONTEXT_EXTENTS__INIT;
		uint8_t packed[64];
		size_t n;

		extent.length = 512;
		context.n_extents = 2;
		context.extents = extents;
		n = nbdclientd__v1__context_extents__pack(&context, packed);
		reply.extents = calloc(1, sizeof(*reply.extents));
		reply.extents[0] = nbdclientd__v1__context_extents__unpack(
			NULL, n, packed);
		reply.n_extents = 1;
	}
	return reply;
}

static grpc_byte_buffer *
write_replies(void)
{
	Nbdclientd__V1__ChannelOpened opened =
		NBDCLIENTD__V1__CHANNEL_OPENED__INIT;
	struct channel_writer writer = { 0 };
	grpc_byte_buffer *bytes;

	opened.max_in_flight = 64;
	channel_writer_opened(&writer, &opened);
	for (size_t i = 0; i < 4; i++) {
		struct io_reply reply = make_reply(i);
		size_t expected = channel_writer_length_with_reply(&writer,
								   &reply);

		channel_writer_reply(&writer, &reply);
		assert_int_equal(writer.length, expected);
		io_reply_done(&reply);
	}
	bytes = channel_writer_take(&writer);
	channel_writer_done(&writer);
	return bytes;
}

static void
assert_same_reply(const struct io_reply *reply, size_t index)
{
	assert_true(reply->id == index + 1);
	assert_int_equal(reply->data.length, index == 0 ? 4096 : 0);
	assert_true((reply->error != NULL) == (index == 1));
	assert_int_equal(reply->n_extents, index == 2 ? 1 : 0);
	if (index == 0)
		assert_memory_equal(reply->data.bytes, data, 4096);
	if (index == 1)
		assert_string_equal(reply->error->message, "disk on fire");
	if (index == 2) {
		assert_int_equal(reply->extents[0]->n_extents, 2);
		assert_true(reply->extents[0]->extents[1]->length == 512);
	}
}

static void
replies_come_back_wherever_slices_end(void **state)
{
	grpc_byte_buffer *whole = write_replies();

	(void)state;
	for (size_t piece = 1; piece < 200; piece++) {
		grpc_byte_buffer *cut = bytes_cut(whole, piece);
		struct channel_reader reader;
		Nbdclientd__V1__ChannelOpened *opened;
		struct io_reply reply;

		assert_int_equal(channel_reader_init(&reader, cut, 100000), 0);
		assert_int_equal(
			channel_reader_next_reply(&reader, &opened, &reply),
			CHANNEL_OPEN);
		assert_int_equal(opened->max_in_flight, 64);
		codec_message_free(opened);
		for (size_t i = 0; i < 4; i++) {
			assert_int_equal(channel_reader_next_reply(
						 &reader, &opened, &reply),
					 CHANNEL_IO);
			assert_same_reply(&reply, i);
			io_reply_done(&reply);
		}
		assert_int_equal(
			channel_reader_next_reply(&reader, &opened, &reply),
			CHANNEL_END);
		grpc_byte_buffer_destroy(cut);
	}
	grpc_byte_buffer_destroy(whole);
}

/* Reads all of a message as requests and as replies; what comes of it. */
static int
read_requests(grpc_byte_buffer *bytes)
{
	struct channel_reader reader;
	int r = channel_reader_init(&reader, bytes, RPC_REQUEST_MAX);

	while (r == 0) {
		Nbdclientd__V1__ChannelOpen *open = NULL;
		struct io_request request = { 0 };

		r = channel_reader_next_request(&reader, &open, &request);
		codec_message_free(open);
		io_request_done(&request);
		if (r == CHANNEL_END)
			return 0;
		if (r > 0)
			r = 0;
	}
	return r;
}

static int
read_replies(grpc_byte_buffer *bytes)
{
	struct channel_reader reader;
	int r = channel_reader_init(&reader, bytes, RPC_REQUEST_MAX);

	while (r == 0) {
		Nbdclientd__V1__ChannelOpened *opened = NULL;
		struct io_reply reply = { 0 };

		r = channel_reader_next_reply(&reader, &opened, &reply);
		codec_message_free(opened);
		io_reply_done(&reply);
		if (r == CHANNEL_END)
			return 0;
		if (r > 0)
			r = 0;
	}
	return r;
}

static void
read_both(const uint8_t *bytes, size_t length, size_t *n_refused)
{
	grpc_byte_buffer *one = bytes_of(bytes, length);
	grpc_byte_buffer *many = bytes_cut(one, 7);
	int as_requests = read_requests(one);
	int as_replies = read_replies(one);

	/* Where slices end makes no difference. */
	assert_int_equal(read_requests(many), as_requests);
	assert_int_equal(read_replies(many), as_replies);
	*n_refused += as_requests != 0;
	*n_refused += as_replies != 0;
	grpc_byte_buffer_destroy(one);
	grpc_byte_buffer_destroy(many);
}

static void
damage(grpc_byte_buffer *bytes, uint32_t seed)
{
	size_t length;
	uint8_t *flat = bytes_flatten(bytes, &length);
	size_t n_refused = 0;
	/* Every position in the small fields, some in the payload. */
	size_t step = 1;

	for (size_t cut = 0; cut < length; cut += step) {
		read_both(flat, cut, &n_refused);
		step = cut > 400 && cut + 400 < length ? 37 : 1;
	}
	for (int round = 0; round < 3000; round++) {
		size_t n = length < 300 ? length : 300;
		uint8_t *changed = bytes_mutate(flat, n, &seed);

		read_both(changed, n, &n_refused);
		free(changed);
	}
	assert_true(n_refused > 100);
	free(flat);
	grpc_byte_buffer_destroy(bytes);
}

static void
truncated_and_damaged_messages_end_well(void **state)
{
	(void)state;
	damage(write_requests(), 3);
	damage(write_replies(), 4);
}

static void
too_many_contexts_are_refused(void **state)
{
	struct channel_writer writer = { 0 };
	struct io_request request = { .id = 1 };
	grpc_byte_buffer *bytes;

	(void)state;
	for (int i = 0; i < 65; i++)
		string_list_append(&request.contexts, "base:allocation");
	channel_writer_request(&writer, &request);
	io_request_done(&request);
	bytes = channel_writer_take(&writer);
	assert_int_equal(read_requests(bytes), -EMSGSIZE);
	grpc_byte_buffer_destroy(bytes);
	channel_writer_done(&writer);
}

static void
an_unfinished_message_is_released(void **state)
{
	struct channel_writer writer = { 0 };
	struct io_request request = make_request(1);

	(void)state;
	n_released = 0;
	channel_writer_request(&writer, &request);
	channel_writer_done(&writer);
	assert_int_equal(n_released, 1);
	assert_null(channel_writer_take(&writer));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_come_back_wherever_slices_end),
		cmocka_unit_test(protobuf_reads_what_we_write),
		cmocka_unit_test(we_read_what_protobuf_writes),
		cmocka_unit_test(a_large_payload_is_not_copied),
		cmocka_unit_test(replies_come_back_wherever_slices_end),
		cmocka_unit_test(truncated_and_damaged_messages_end_well),
		cmocka_unit_test(too_many_contexts_are_refused),
		cmocka_unit_test(an_unfinished_message_is_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
