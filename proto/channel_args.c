/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Channel arguments that both ends share. On a unix socket big frames win. Of
 * the windows, that of a stream can be fixed, and that of the connection stays
 * at 64 KiB unless gRPC measures the path; which is better each end knows.
 */
#include "proto/channel_args.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>

/* HTTP/2's own limit of a frame. */
#define MAX_FRAME_SIZE  16777215
#define LOOKAHEAD_BYTES (16 * 1024 * 1024)

/* More than this the kernel gives to root only, or not at all. */
#define SOCKET_BUFFER (2 * 1024 * 1024)

static grpc_arg
integer(const char *key, int value)
{
	grpc_arg arg = { .type = GRPC_ARG_INTEGER };

	/* gRPC's keys have no const; it copies them. */
	memcpy(&arg.key, &key, sizeof(arg.key));
	arg.value.integer = value;
	return arg;
}

size_t
rpc_channel_args(grpc_arg *args, size_t receive_max, enum rpc_window window)
{
	size_t n = 0;

	args[n++] = integer(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, MAX_FRAME_SIZE);
	args[n++] = integer(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES,
			    LOOKAHEAD_BYTES);
	args[n++] = integer(GRPC_ARG_HTTP2_BDP_PROBE,
			    window == RPC_WINDOW_WIDE);
	args[n++] = integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
			    (int)receive_max);
	/* Only uncompressed messages: both ends are on one machine. */
	args[n++] = integer(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET,
			    1);
	assert(n <= RPC_CHANNEL_ARGS_MAX);
	return n;
}

void
rpc_tune_socket(int fd)
{
	const int size = SOCKET_BUFFER;

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}
