/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starts connecting on a thread of its own, because looking up the name of a
 * server may wait for seconds, and an I/O thread must not.
 */
#pragma once

#include "daemon/core/endpoint.h"
#include "daemon/core/loop.h"

struct nbd_handle;

struct connect_job {
	/* Called on the loop's thread. It takes the handle from here, or that
	 * is closed with the job, which is freed afterwards. */
	void (*on_done)(struct connect_job *job);
	void *user;
	struct nbd_handle *nbd;
	/* 0, or -1 with ERRNUM and TEXT. */
	int result;
	int errnum;
	char *text;

	/* Private. */
	struct message message;
	struct loop *loop;
	struct endpoint *endpoint;
	bool is_through;
	bool is_abandoned;
};

/* The handle belongs to the job until on_done. NULL with errno: nothing
 * happened. */
struct connect_job *connector_start(struct loop *loop,
				    struct endpoint *endpoint,
				    struct nbd_handle *nbd,
				    void (*on_done)(struct connect_job *job),
				    void *user);

/* On the loop's thread: on_done will not be called, and the loop need not wait
 * for the thread, whose job ends when the look-up does. */
void connector_abandon(struct connect_job *job);
