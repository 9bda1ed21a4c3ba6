/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GET /metrics over HTTP, on an address that only this machine can reach. One
 * small thread of libmicrohttpd's serves it; the functions are the main
 * thread's.
 */
#pragma once

struct daemon;
struct metrics_listener;

/* Listens at ADDRESS, such as loopback_read() takes; the port 0 is any that is
 * free, and the log says which. NULL with *WHY, which the caller frees. */
struct metrics_listener *metrics_listener_new(struct daemon *daemon,
					      const char *address, char **why);
/* Requests under way are finished. NULL is allowed. */
void metrics_listener_free(struct metrics_listener *listener);
