/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several connections to one server, driven by one poll(). */
#include "cli/direct_links.h"

#include "cli/direct_library.h"

struct direct_link *
direct_links_choose(struct direct_links *links)
{
	struct direct_link *best = &links->link[0];

	for (unsigned int i = 1; i < links->n; i++)
		if (links->link[i].n_in_flight < best->n_in_flight)
			best = &links->link[i];
	return best;
}

static bool
wants_to_write(const struct direct_link *link)
{
	return sym_nbd_aio_get_direction(link->nbd) &
	       LIBNBD_AIO_DIRECTION_WRITE;
}

/* As much as the socket takes now. */
static bool
write_some(struct direct_link *link)
{
	if (!wants_to_write(link))
		return true;
	if (sym_nbd_aio_notify_write(link->nbd) < 0)
		return false;
	link->is_full = wants_to_write(link);
	return true;
}

struct direct_link *
direct_links_prepare(struct direct_links *links, struct pollfd *fds,
		     unsigned int *n)
{
	*n = 0;
	for (unsigned int i = 0; i < links->n; i++) {
		struct direct_link *link = &links->link[i];

		link->is_polled = false;
		if (!link->nbd)
			continue;
		if (!link->is_full && !write_some(link))
			return link;
		if (link->n_in_flight == 0)
			continue;
		fds[*n].fd = sym_nbd_aio_get_fd(link->nbd);
		if (fds[*n].fd < 0)
			return link;
		fds[*n].events = link->is_full ? POLLIN | POLLOUT : POLLIN;
		fds[*n].revents = 0;
		link->is_polled = true;
		++*n;
	}
	return NULL;
}

static bool
handle(struct direct_link *link, short revents)
{
	/* A hang-up is found out by reading. */
	if (revents & (POLLIN | POLLHUP | POLLERR) &&
	    sym_nbd_aio_notify_read(link->nbd) < 0)
		return false;
	if (!(revents & POLLOUT))
		return true;
	link->is_full = false;
	return write_some(link);
}

struct direct_link *
direct_links_handle(struct direct_links *links, const struct pollfd *fds)
{
	for (unsigned int i = 0; i < links->n; i++) {
		struct direct_link *link = &links->link[i];

		if (link->is_polled && !handle(link, (fds++)->revents))
			return link;
	}
	return NULL;
}
