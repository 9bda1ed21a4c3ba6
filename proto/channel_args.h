/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gRPC channel arguments and socket options that both ends need to be fast. */
#pragma once

#include <grpc/grpc.h>

/* What rpc_channel_args() fills in at the most. */
#define RPC_CHANNEL_ARGS_MAX 8

/* What the other end may send of all streams before it has to wait until this
 * end has read some of it. */
enum rpc_window {
	/* 64 KiB and the rest of the message that is awaited, up to 1 MiB. */
	RPC_WINDOW_NARROW,
	/* Some MiB: no message waits in the middle. */
	RPC_WINDOW_WIDE,
};

/*
 * Puts the arguments that client and daemon share into ARGS, which has room
 * for RPC_CHANNEL_ARGS_MAX; the number of them. RECEIVE_MAX is the longest
 * message to accept.
 */
size_t rpc_channel_args(grpc_arg *args, size_t receive_max,
			enum rpc_window window);

/* Larger socket buffers where the system allows them; failure costs speed
 * only. */
void rpc_tune_socket(int fd);
