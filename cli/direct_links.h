/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The connections of one --direct disk to its server: requests go to the one
 * with the fewest, and one poll() waits for all of them, those of another disk
 * included. What is written is sent before anybody waits.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>

struct nbd_handle;

/* More than this many connections help no server. */
#define DIRECT_LINKS_MAX 16

struct direct_link {
	struct nbd_handle *nbd;
	unsigned int n_in_flight;
	/* The socket is full: writing waits for poll(). */
	bool is_full;
	/* It has a place in what is polled. */
	bool is_polled;
};

struct direct_links {
	struct direct_link link[DIRECT_LINKS_MAX];
	unsigned int n;
};

/* The link with the fewest requests. There is at least one. */
struct direct_link *direct_links_choose(struct direct_links *links);

/*
 * Sends what is queued and fills FDS, which has room for DIRECT_LINKS_MAX, with
 * what the busy links wait for; their number in *N. NULL, or the link that
 * failed: its error is libnbd's last one.
 */
struct direct_link *direct_links_prepare(struct direct_links *links,
					 struct pollfd *fds, unsigned int *n);

/* Does what poll() found possible; FDS are those of direct_links_prepare(). As
 * above. */
struct direct_link *direct_links_handle(struct direct_links *links,
					const struct pollfd *fds);
