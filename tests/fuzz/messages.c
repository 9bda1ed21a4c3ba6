/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every message of the contract, from bytes of the other side. What can be
 * decoded can be encoded, and that decodes to the same; memory is bounded by
 * what was sent.
 */
#include <errno.h>
#include <grpc/grpc.h>
#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/errors.h"
#include "proto/methods.h"
#include "proto/rpc_limits.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory.h"
#include "tests/fuzz/slices.h"

static void
expect_equal(grpc_byte_buffer *a, grpc_byte_buffer *b)
{
	size_t length_a, length_b;
	uint8_t *bytes_a = slices_join(a, &length_a);
	uint8_t *bytes_b = slices_join(b, &length_b);

	if (length_a != length_b || memcmp(bytes_a, bytes_b, length_a) != 0)
		fuzz_broken("a message changes on its way");
	free(bytes_a);
	free(bytes_b);
}

static void
there_and_back(const ProtobufCMessageDescriptor *type, void *message)
{
	grpc_byte_buffer *once = codec_encode(message);
	grpc_byte_buffer *twice;
	void *copy;
	int r = codec_decode(type, once, SIZE_MAX, &copy);

	/* Defaults that were written out cost bytes that now are missing. */
	if (r == -EMSGSIZE) {
		grpc_byte_buffer_destroy(once);
		return;
	}
	if (r < 0)
		fuzz_broken("what we encode cannot be decoded: %d", r);
	twice = codec_encode(copy);
	expect_equal(once, twice);
	codec_message_free(copy);
	grpc_byte_buffer_destroy(once);
	grpc_byte_buffer_destroy(twice);
}

static void
check_outcome(int r, const void *message)
{
	if (r != 0 && r != -EBADMSG && r != -EMSGSIZE && r != -ENOMEM)
		fuzz_broken("decoding says %d", r);
	if ((r == 0) != (message != NULL))
		fuzz_broken("decoding says %d and gives %p", r, message);
	if (r == -ENOMEM && !memory_has_failed())
		fuzz_broken("there was memory enough");
	(void)codec_error_text(r);
}

static void
decode(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *bytes,
       unsigned failing)
{
	void *message;
	int r;

	memory_begin(failing);
	r = codec_decode(type, bytes, RPC_REQUEST_MAX, &message);
	memory_end();
	check_outcome(r, message);
	if (r < 0)
		return;
	there_and_back(type, message);
	codec_message_free(message);
}

static void
decode_with_data(const ProtobufCMessageDescriptor *type,
		 grpc_byte_buffer *bytes, unsigned failing)
{
	struct payload data;
	void *message;
	int r;

	memory_begin(failing);
	r = codec_decode_with_data(type, bytes, RPC_REQUEST_MAX, &message,
				   &data);
	memory_end();
	check_outcome(r, message);
	if (data.length > grpc_byte_buffer_length(bytes))
		fuzz_broken("a payload of %zu bytes", data.length);
	if (r < 0 && data.length > 0)
		fuzz_broken("a payload without its message");
	if (r == 0) {
		uint8_t *copy = fuzz_allocate(data.length);

		if (data.length > 0)
			memcpy(copy, data.bytes, data.length);
		free(copy);
		grpc_byte_buffer_destroy(
			codec_encode_with_data(message, &data));
	}
	payload_release(&data);
	codec_message_free(message);
}

/* What a server says beside a status. */
static void
decode_error(const struct input *input, unsigned failing)
{
	uint8_t *copy = fuzz_allocate(input->left);
	grpc_slice slice;

	if (input->left > 0)
		memcpy(copy, input->at, input->left);
	slice = grpc_slice_new(copy, input->left, free);
	memory_begin(failing);
	codec_message_free(errors_decode(slice));
	memory_end();
	grpc_slice_unref(slice);
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
	unsigned method = input_byte(&input) % (2 * RPC_N_METHODS + 1);
	size_t piece = input_byte(&input) & 0x7f;
	unsigned failing = input_byte(&input);
	const ProtobufCMessageDescriptor *type;
	grpc_byte_buffer *bytes;

	if (method == 2 * RPC_N_METHODS) {
		decode_error(&input, failing);
		return 0;
	}
	type = method % 2 ? rpc_methods[method / 2].request
			  : rpc_methods[method / 2].response;
	bytes = slices_of(input.at, input.left, piece);

	decode(type, bytes, failing);
	decode_with_data(type, bytes, failing);
	grpc_byte_buffer_destroy(bytes);
	return 0;
}
