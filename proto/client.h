/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The small C client of nbd-clientd that nbdctl and the tests share: connect,
 * unary calls, streams (client_stream.h) and the data channel (channel.h). No
 * gRPC type appears here; messages are those of protobuf-c.
 *
 * A client and all that is made from it belong to one thread at a time. Only
 * client_interrupt() may be called from anywhere, signal handlers included.
 * Nothing happens behind the caller's back: events are handled inside the
 * calls that wait. After fork() the child may not use an inherited client:
 * every call fails with CLIENT_BROKEN, and client_free() frees nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nbdclientd/v1/common.pb-c.h"
#include "proto/codec_free.h"
#include "proto/methods.h"
#include "proto/payload.h"

struct client;

/* No timeout: as long as it takes. */
#define CLIENT_FOREVER (-1)

enum client_failure {
	CLIENT_OK = 0,
	/* No daemon at the address, or the connection to it was lost. */
	CLIENT_NOT_REACHABLE,
	/* The caller may not connect to the daemon's socket. */
	CLIENT_NOT_PERMITTED,
	/* TIMEOUT_MS have passed. */
	CLIENT_TIMED_OUT,
	/* client_interrupt() or a cancelled call. */
	CLIENT_INTERRUPTED,
	/* The daemon answered with an error: status, reason and errno say
	 * which. */
	CLIENT_REFUSED,
	/* The answer makes no sense, or the caller's request does not. */
	CLIENT_BROKEN,
};

struct client_error {
	enum client_failure failure;
	/* gRPC's status code; also set where the failure is ours. */
	int status;
	/* What was attempted and what was seen; never empty after a failure. */
	char message[512];
	/* The errno of the failure: name ("" if none fits) and this machine's
	 * number. */
	char errno_name[24];
	int errno_value;
	Nbdclientd__V1__ErrorReason reason;
	Nbdclientd__V1__Applied applied;
	/* "" where they do not apply. */
	char volume[72];
	char endpoint[256];
	char hint[256];
};

/* $NBDCTL_ADDRESS, or the socket of the system's daemon. */
const char *client_default_address(void);

/* From now on gRPC's own log goes to stderr, or (the default) nowhere. */
void client_log_grpc(bool verbose);

/*
 * Connects to the daemon's unix socket at ADDRESS, a path, "unix:" and a path,
 * or NULL for the default. NULL with *ERROR filled: CLIENT_NOT_REACHABLE,
 * CLIENT_NOT_PERMITTED or CLIENT_BROKEN. Does not speak yet: that a daemon
 * listens is all that is known.
 */
struct client *client_connect(const char *address, struct client_error *error);

/*
 * From now on the client gets over a daemon that goes away: it connects again,
 * trying for TIMEOUT_MS, and repeats what has no answer and may be repeated:
 * the IO service and its channels, and questions; volumes that it has opened by
 * URI it opens again first. Such calls may take so much longer than their
 * timeout. 0, as it is at first: a lost connection is a
 * failure. Streams always end with their connection.
 */
void client_set_patience(struct client *client, int timeout_ms);

/* Ends what is open and closes the connection. NULL is allowed. Streams and
 * channels of the client are freed before. */
void client_free(struct client *client);

/*
 * Ends every call at once, now and hereafter, with CLIENT_INTERRUPTED, by
 * closing the connection: the daemon sees the client leave. Safe in signal
 * handlers and on any thread while CLIENT exists.
 */
void client_interrupt(struct client *client);

/*
 * Calls a unary METHOD with REQUEST, a message of its request type. The
 * response, which the caller frees with codec_message_free(), or NULL with
 * *ERROR filled. TIMEOUT_MS becomes the call's deadline and so the request's;
 * CLIENT_FOREVER allowed.
 */
void *client_call(struct client *client, enum rpc_method_id method,
		  const void *request, int timeout_ms,
		  struct client_error *error);

/* IO.Read: 0 with the bytes in *DATA, or a negative errno with *ERROR
 * filled. */
int client_read(struct client *client, const char *volume, uint64_t offset,
		uint32_t length, int timeout_ms, struct payload *data,
		struct client_error *error);

/* IO.Write; the reference in DATA is taken in any case. 0, or a negative errno
 * with *ERROR filled. */
int client_write(struct client *client, const char *volume, uint64_t offset,
		 uint32_t flags, struct payload *data, int timeout_ms,
		 struct client_error *error);
