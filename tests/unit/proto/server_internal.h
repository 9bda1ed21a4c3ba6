/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the server's life (server.c) and its methods (server_methods.c) share. */
#pragma once

#include <grpc/grpc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/errors.h"
#include "tests/unit/proto/server.h"

#define DISK_SIZE   (1024 * 1024)
#define THREADS_MAX 64

struct server {
	char *dir;
	char *address;
	grpc_server *server;
	grpc_completion_queue *queue;
	pthread_t acceptor;
	pthread_t threads[THREADS_MAX];
	size_t n_threads;
	bool is_stopped;

	pthread_mutex_t lock;
	pthread_cond_t slow_came;
	bool is_slow_here;
	atomic_size_t n_messages;
	atomic_size_t n_most;
	uint8_t disk[DISK_SIZE];
};

/* One call. */
struct served {
	struct server *server;
	grpc_completion_queue *queue;
	grpc_call *call;
	grpc_call_details details;
	grpc_metadata_array metadata;
	bool has_begun;
};

/* The next message, or NULL after the last. */
grpc_byte_buffer *served_receive(struct served *served);

/* Sends BYTES, which it destroys. */
void served_answer(struct served *served, grpc_byte_buffer *bytes);

/* Ends the call. TRAILING is one entry or NULL. */
void served_finish(struct served *served, grpc_status_code status,
		   const char *text, grpc_metadata *trailing);

/* Ends the call with a failure and its details. */
void served_fail(struct served *served, const struct rpc_failure *failure);

/* Says that a slow call is here, and waits until it is cancelled. */
void served_wait_for_cancellation(struct served *served);

/* Answers a call whose first message is BYTES. */
void serve_method(struct served *served, grpc_byte_buffer *bytes);
