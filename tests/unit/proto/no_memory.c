/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decoding with each allocation failed in turn. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nbdclientd/v1/volumes.pb-c.h"
#include "proto/channel_codec.h"
#include "proto/codec.h"
#include "proto/errors.h"
#include "proto/methods.h"
#include "proto/rpc_limits.h"
#include "tests/support/unit.h"
#include "tests/unit/proto/bytes.h"

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);

/* Allocations that still succeed; negative: all of them. */
static long budget = -1;

static bool
may_allocate(void)
{
	if (budget == 0)
		return false;
	if (budget > 0)
		budget--;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *
__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return may_allocate() ? __real_reallocarray(old, n, size) : NULL;
}

static grpc_byte_buffer *
encode_volume(void)
{
	static char name[] = "disk0";
	static char *endpoints[] = { name, name, name };
	Nbdclientd__V1__Counters counters = NBDCLIENTD__V1__COUNTERS__INIT;
	Nbdclientd__V1__Export export = NBDCLIENTD__V1__EXPORT__INIT;
	Nbdclientd__V1__Volume volume = NBDCLIENTD__V1__VOLUME__INIT;

	export.name = name;
	export.n_contexts = 3;
	export.contexts = endpoints;
	volume.name = name;
	volume.n_endpoints = 3;
	volume.endpoints = endpoints;
	volume.export = &export;
	volume.counters = &counters;
	return codec_encode(&volume);
}

static void
a_message_needs_all_of_its_memory(void **state)
{
	grpc_byte_buffer *whole = encode_volume();
	/* In pieces: they are joined in memory of ours. */
	grpc_byte_buffer *bytes = bytes_cut(whole, 10);
	Nbdclientd__V1__Volume *volume = NULL;
	long n = 0;
	int r;

	(void)state;
	for (;; n++) {
		budget = n;
		r = codec_decode(rpc_methods[RPC_VOLUMES_GET_VOLUME].response,
				 bytes, RPC_REQUEST_MAX, &volume);
		budget = -1;
		if (r == 0)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_null(volume);
	}
	/* The message, its two sub-messages, two arrays, eight strings. */
	assert_true(n > 10);
	assert_string_equal(volume->endpoints[2], "disk0");
	codec_message_free(volume);
	grpc_byte_buffer_destroy(bytes);
	grpc_byte_buffer_destroy(whole);
}

static grpc_byte_buffer *
encode_reply(void)
{
	Nbdclientd__V1__ContextExtents extents =
		NBDCLIENTD__V1__CONTEXT_EXTENTS__INIT;
	Nbdclientd__V1__ContextExtents *contexts[] = { &extents, &extents };
	const struct rpc_failure failure = { .errnum = EIO,
					     .message = "broken" };
	struct io_reply reply = { .id = 1,
				  .extents = contexts,
				  .n_extents = 2,
				  .error = errors_to_io_error(&failure) };
	struct channel_writer writer = { 0 };
	grpc_byte_buffer *bytes;

	channel_writer_reply(&writer, &reply);
	codec_message_free(reply.error);
	bytes = channel_writer_take(&writer);
	channel_writer_done(&writer);
	return bytes;
}

static void
a_reply_needs_all_of_its_memory(void **state)
{
	grpc_byte_buffer *bytes = encode_reply();
	struct channel_reader reader;
	Nbdclientd__V1__ChannelOpened *opened;
	struct io_reply reply = { 0 };
	long n = 0;
	int r;

	(void)state;
	for (;; n++) {
		assert_int_equal(
			channel_reader_init(&reader, bytes, RPC_REQUEST_MAX),
			0);
		budget = n;
		r = channel_reader_next_reply(&reader, &opened, &reply);
		budget = -1;
		if (r == CHANNEL_IO)
			break;
		assert_int_equal(r, -ENOMEM);
		assert_null(reply.error);
	}
	assert_true(n > 5);
	assert_int_equal(reply.n_extents, 2);
	assert_string_equal(reply.error->message, "broken");
	io_reply_done(&reply);
	grpc_byte_buffer_destroy(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_needs_all_of_its_memory),
		cmocka_unit_test(a_reply_needs_all_of_its_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
