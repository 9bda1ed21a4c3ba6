/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands for the socket: a stream whose bytes, ends, errors, short reads
 * and full buffers are decided by the fuzzer, in one process and without a
 * system call. Programs with it are linked with --wrap for
 * socket_stream_new() and socket_stream_new_private().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transport {
	const uint8_t *at; /* what the server has sent and nobody has read */
	size_t left;
	size_t max_receive; /* bytes at a time, 0: as many as there are */
	size_t send_room;   /* bytes until it is full */
	bool has_ended;
	bool is_reset;
	bool end_was_seen;
	bool is_open; /* the library holds the stream */
};

/* The next connection's. */
extern struct transport transport;

/* Nothing sent, nothing limited. */
void transport_reset(void);
