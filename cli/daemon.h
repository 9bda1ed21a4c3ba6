/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbdctl's conversation with the daemon: one client for the whole command,
 * connected when first needed, and the translation of its errors into
 * failures and exit codes.
 */
#pragma once

#include "nbdclientd/v1/io.pb-c.h"
#include "proto/client.h"

struct options;

/* The client, connected if it is not yet: EXIT_OK, or the code of a recorded
 * failure and *CLIENT is NULL. It lives to the end of the program. */
int daemon_connect(const struct options *options, struct client **client);

/* Ends the connection, if there is one. */
void daemon_disconnect(void);

/* Calls a unary method on the client: the response, to be freed with
 * codec_message_free(), or NULL with a recorded failure. */
void *daemon_call(const struct options *options, enum rpc_method_id method,
		  const void *request);

/* --timeout as the client wants it. */
int daemon_timeout(const struct options *options);

/* The exit code that ERROR means; records nothing. */
int daemon_exit_code(const struct client_error *error);

/* Records ERROR as the failure of what is being attempted; its exit code. */
int daemon_fail(const struct client_error *error);

/* The same for an error that travelled inside a message. */
int daemon_fail_io(const Nbdclientd__V1__IoError *error);
