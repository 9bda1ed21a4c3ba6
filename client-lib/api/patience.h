/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How long a call may wait for the server: the handle's deadlines, and a
 * descriptor by which another thread ends the wait.
 */
#pragma once

#include <stdint.h>

struct nbd_handle;

/* Which of the handle's timeouts counts. */
enum limit {
	LIMIT_NONE,
	LIMIT_CONNECT,
	LIMIT_CALL,
};

/* A call begins: its time runs from now. Only if is_limited. */
void patience_begin(struct nbd_handle *h);

/* The milliseconds that are left, rounded up; -1 for ever, 0 none. */
int patience_left(const struct nbd_handle *h, enum limit limit);

/* The time is over: the connection is given up. -1, recorded. */
int patience_over(struct nbd_handle *h, enum limit limit);

/* What to poll for besides the connection; -1 if there is nothing. */
int patience_fd(const struct nbd_handle *h);

/* That descriptor is readable: the connection is given up. -1, recorded. */
int patience_cancelled(struct nbd_handle *h);

/* Releases the descriptor. */
void patience_done(struct nbd_handle *h);
