/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What gRPC has to say, in the daemon's own log. */
#pragma once

struct client;
struct client_identity;

/* Before grpc_init(). */
void rpc_log_init(void);

/* A connection that could not be served; ERROR is a negative errno. */
void rpc_log_refused_peer(int error, const struct client_identity *identity);

/* A connection that is ended, and why. CLIENT may be NULL. */
void rpc_log_flooding_peer(const struct client *client, const char *why);
