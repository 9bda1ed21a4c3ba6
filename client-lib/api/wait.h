/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting for the server with poll(2). The engine never waits; nbd_poll() and
 * the synchronous calls do it here, holding the lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct nbd_handle;

/*
 * Sends what is queued, waits up to TIMEOUT milliseconds (-1: for ever) for
 * the connection or for FD (-1: none) to become ready, and runs the engine. 1
 * something was ready, 0 timeout, -1 with the error recorded.
 */
int wait_once(struct nbd_handle *h, int fd, int timeout);

/* Is the connection, or the attempt at one, over as the kernel sees it? Does
 * not wait. */
bool wait_has_hung_up(const struct nbd_handle *h);

/* Until the option is over. 0, or -1 with the error recorded. */
int wait_for_option(struct nbd_handle *h);

/* Until the handle is connected: only a connection that is of use is a
 * success. 0, or -1 with the error recorded. */
int wait_until_connected(struct nbd_handle *h);

/* Until the command of COOKIE is complete, and retires it: 0, or -1 with the
 * error recorded. Its buffer is the caller's again in any case. */
int wait_for_command(struct nbd_handle *h, uint64_t cookie);

/* Until the handle is closed or dead. 0, or -1 with the error recorded. */
int wait_until_closed(struct nbd_handle *h);
