/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon for tests of the client: in this process, one thread for each call,
 * with a small disk in memory. The name of the volume says how it behaves:
 *
 *   disk      works; 1 MiB of zeroes at first
 *   missing   NOT_FOUND with details
 *   plain     INTERNAL without details
 *   slow      takes the call and never answers
 *   nonsense  answers with bytes that are no message
 *   short     reads return one byte less
 *   drop      (channel) ends the call after the first requests, with details
 *   stranger  (channel) answers a request that was never made
 *   closing   (channel) ends with OK after the first requests
 */
#pragma once

#include <stddef.h>

/* What channels say at their opening. */
#define SERVER_MAX_IN_FLIGHT 16

struct server;

/* A server that listens. Never NULL. */
struct server *server_start(void);

/* Cancels what is going on and waits for the threads; frees. */
void server_stop(struct server *server);

/* The same, but SERVER remains for server_stop(). */
void server_kill(struct server *server);

/* The path of its socket. */
const char *server_address(const struct server *server);

/* Waits until a call to "slow" has been taken since the start. */
void server_wait_until_slow(struct server *server);

/* Channel messages with requests that have come in. */
size_t server_n_messages(const struct server *server);

/* The most requests that came in one of them since this was last asked. */
size_t server_take_most(struct server *server);
