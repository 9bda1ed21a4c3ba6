/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Payloads of writes as they come: large ones stay in the slices that gRPC has
 * received, what is small or in crumbs is joined. */
#include <grpc/grpc.h>
#include <stdlib.h>
#include <string.h>

#include "proto/channel_codec.h"
#include "proto/codec.h"
#include "proto/codec_free.h"
#include "proto/methods.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"
#include "tests/unit/proto/bytes.h"

enum {
	LARGE = 100000,
	SMALL = 10000,
	KIB = 1024,
};

static uint8_t data[LARGE];

static char volume_name[] = "disk0";

static struct payload
payload_of(size_t length)
{
	void *bytes;
	struct payload payload = payload_allocate(length, &bytes);

	for (size_t i = 0; i < length; i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	memcpy(bytes, data, length);
	return payload;
}

/* A message with one write, as a client sends it. */
static grpc_byte_buffer *
channel_message(size_t length)
{
	struct channel_writer writer = { 0 };
	struct io_request request = {
		.id = 7,
		.command = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE,
		.data = payload_of(length),
	};
	grpc_byte_buffer *bytes;

	channel_writer_request(&writer, &request);
	bytes = channel_writer_take(&writer);
	channel_writer_done(&writer);
	return bytes;
}

/* The payload of that message when it comes in slices of PIECE bytes, which
 * are destroyed before it is looked at. */
static struct payload
channel_payload(size_t length, size_t piece)
{
	grpc_byte_buffer *whole = channel_message(length);
	grpc_byte_buffer *cut = bytes_cut(whole, piece);
	struct io_request request = { 0 };
	struct channel_reader reader;
	struct payload payload;

	grpc_byte_buffer_destroy(whole);
	assert_int_equal(channel_reader_init(&reader, cut, SIZE_MAX), 0);
	assert_int_equal(channel_reader_next_request(&reader, NULL, &request),
			 CHANNEL_IO);
	grpc_byte_buffer_destroy(cut);
	payload = payload_take(&request.data);
	io_request_done(&request);
	return payload;
}

/* The same of a unary write. */
static struct payload
unary_payload(size_t length, size_t piece)
{
	Nbdclientd__V1__WriteRequest request =
		NBDCLIENTD__V1__WRITE_REQUEST__INIT;
	CLEANUP_MESSAGE Nbdclientd__V1__WriteRequest *back = NULL;
	struct payload sent = payload_of(length);
	struct payload payload;
	grpc_byte_buffer *whole, *cut;

	request.volume = volume_name;
	whole = codec_encode_with_data(&request, &sent);
	cut = bytes_cut(whole, piece);
	grpc_byte_buffer_destroy(whole);
	assert_int_equal(
		codec_decode_with_pieces(rpc_methods[RPC_IO_WRITE].request, cut,
					 RPC_REQUEST_MAX, &back, &payload),
		0);
	assert_string_equal(back->volume, volume_name);
	grpc_byte_buffer_destroy(cut);
	return payload;
}

static void
expect_in_pieces(struct payload payload)
{
	const uint8_t *next = data;

	assert_null(payload.bytes);
	assert_true(payload.n_pieces > 1);
	for (size_t i = 0; i < payload.n_pieces; i++) {
		assert_memory_equal(payload.pieces[i].iov_base, next,
				    payload.pieces[i].iov_len);
		next += payload.pieces[i].iov_len;
	}
	assert_int_equal(next - data, payload.length);
	payload_release(&payload);
}

static void
expect_joined(struct payload payload)
{
	assert_null(payload.pieces);
	assert_memory_equal(payload.bytes, data, payload.length);
	payload_release(&payload);
}

static void
a_large_payload_stays_where_it_was_received(void **state)
{
	(void)state;
	for (size_t piece = 3 * KIB; piece < LARGE; piece += 7777) {
		expect_in_pieces(channel_payload(LARGE, piece));
		expect_in_pieces(unary_payload(LARGE, piece));
	}
}

static void
one_slice_is_one_piece(void **state)
{
	(void)state;
	expect_joined(channel_payload(LARGE, 2 * LARGE));
	expect_joined(unary_payload(LARGE, 2 * LARGE));
}

static void
small_payloads_and_crumbs_are_joined(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < SMALL; piece = piece * 3 + 1) {
		expect_joined(channel_payload(SMALL, piece));
		expect_joined(unary_payload(SMALL, piece));
	}
	expect_joined(channel_payload(LARGE, 1));
	expect_joined(channel_payload(LARGE, 1000));
	expect_joined(unary_payload(LARGE, 1000));
}

/* grpc_slice_sub() of a few bytes has them inside the slice itself. */
static void
a_few_bytes_at_the_end_are_no_exception(void **state)
{
	(void)state;
	for (size_t length = 16 * KIB; length < 16 * KIB + 200; length++)
		expect_in_pieces(channel_payload(length, 4 * KIB));
}

static void
what_is_joined_later_is_the_same(void **state)
{
	struct payload payload = channel_payload(LARGE, 16 * KIB);
	struct payload other = payload_ref(&payload);

	(void)state;
	payload_join(&payload);
	expect_joined(payload);
	expect_in_pieces(other);
}

/* Nothing sends what it has in pieces, but if it did. */
static void
pieces_can_be_sent_on(void **state)
{
	struct channel_writer writer = { 0 };
	struct io_request request = {
		.command = NBDCLIENTD__V1__COMMAND__COMMAND_WRITE,
		.data = channel_payload(LARGE, 16 * KIB),
	};
	struct channel_reader reader;
	grpc_byte_buffer *bytes;

	(void)state;
	channel_writer_request(&writer, &request);
	bytes = channel_writer_take(&writer);
	channel_writer_done(&writer);
	assert_int_equal(channel_reader_init(&reader, bytes, SIZE_MAX), 0);
	assert_int_equal(channel_reader_next_request(&reader, NULL, &request),
			 CHANNEL_IO);
	assert_int_equal(request.data.length, LARGE);
	expect_joined(payload_take(&request.data));
	io_request_done(&request);
	grpc_byte_buffer_destroy(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_payload_stays_where_it_was_received),
		cmocka_unit_test(one_slice_is_one_piece),
		cmocka_unit_test(small_payloads_and_crumbs_are_joined),
		cmocka_unit_test(a_few_bytes_at_the_end_are_no_exception),
		cmocka_unit_test(what_is_joined_later_is_the_same),
		cmocka_unit_test(pieces_can_be_sent_on),
	};
	int n_failed;

	grpc_init();
	n_failed = cmocka_run_group_tests(tests, NULL, NULL);
	grpc_shutdown();
	return n_failed;
}
