/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handle in systemd's event loop: with-sd-event URI FILE. The source for a
 * descriptor is made anew after each event, since the descriptor may have
 * changed.
 */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

#include "client-lib/examples/reader.h"

struct watch {
	struct reader *reader;
	sd_event *event;
	sd_event_source *source;
};

static uint32_t
what_to_wait_for(struct nbd_handle *h)
{
	unsigned direction = nbd_aio_get_direction(h);
	uint32_t events = 0;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		events |= EPOLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		events |= EPOLLOUT;
	return events;
}

static int ready(sd_event_source *source, int fd, uint32_t revents,
		 void *userdata);

/* Goes on until there is something to wait for, or all is done. */
static int
go_on(struct watch *watch)
{
	struct nbd_handle *h = watch->reader->h;
	uint32_t events = 0;
	int more;

	while ((more = reader_continue(watch->reader)) == 1 &&
	       (events = what_to_wait_for(h)) == 0)
		;
	if (more != 1)
		return sd_event_exit(watch->event, more == 0 ? 0 : 1);
	return sd_event_add_io(watch->event, &watch->source, nbd_aio_get_fd(h),
			       events, ready, watch);
}

static int
ready(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct watch *watch = userdata;

	(void)fd;
	/* The library may close the descriptor: it must not be watched then. */
	sd_event_source_disable_unref(source);
	watch->source = NULL;
	/* Hang-ups and errors are reported unasked. */
	if (revents & (EPOLLHUP | EPOLLERR))
		revents |= EPOLLIN | EPOLLOUT;
	reader_event(watch->reader, revents & EPOLLIN, revents & EPOLLOUT);
	return go_on(watch);
}

static int
run(struct reader *reader)
{
	struct watch watch = { .reader = reader };
	int result = sd_event_new(&watch.event);

	if (result >= 0)
		result = go_on(&watch);
	if (result >= 0)
		result = sd_event_loop(watch.event);
	if (result < 0)
		fprintf(stderr, "sd-event: %s\n", strerror(-result));
	sd_event_source_disable_unref(watch.source);
	sd_event_unref(watch.event);
	return result;
}

int
main(int argc, char **argv)
{
	return reader_main(argc, argv, run);
}
