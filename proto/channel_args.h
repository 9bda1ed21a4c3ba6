/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gRPC channel arguments and socket options that both ends need to be fast. */
#pragma once

#include <grpc/grpc.h>

/* What rpc_channel_args() fills in at the most. */
#define RPC_CHANNEL_ARGS_MAX 8

/*
 * Puts the arguments that client and daemon share into ARGS, which has room
 * for RPC_CHANNEL_ARGS_MAX; the number of them. RECEIVE_MAX is the longest
 * message to accept.
 */
size_t rpc_channel_args(grpc_arg *args, size_t receive_max);

/* Larger socket buffers where the system allows them; failure costs speed
 * only. */
void rpc_tune_socket(int fd);
