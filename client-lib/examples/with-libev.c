/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handle in a loop of libev: with-libev URI FILE. After each event the watcher
 * is set to what the handle waits for next.
 */
#include <ev.h>

#include "client-lib/examples/reader.h"

struct watch {
	struct ev_io io;
	struct reader *reader;
	int result; /* of reader_continue() */
};

static int
what_to_wait_for(struct nbd_handle *h)
{
	unsigned direction = nbd_aio_get_direction(h);
	int events = 0;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		events |= EV_READ;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		events |= EV_WRITE;
	return events;
}

/* Goes on until there is something to wait for, or all is done. */
static void
go_on(struct ev_loop *loop, struct watch *watch)
{
	struct nbd_handle *h = watch->reader->h;
	int events = 0;

	while ((watch->result = reader_continue(watch->reader)) == 1 &&
	       (events = what_to_wait_for(h)) == 0)
		;
	if (watch->result != 1) {
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	ev_io_set(&watch->io, nbd_aio_get_fd(h), events);
	ev_io_start(loop, &watch->io);
}

static void
ready(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct watch *watch = io->data;

	/* The library may close the descriptor: libev must not watch it. */
	ev_io_stop(loop, io);
	/* A hang-up counts as all that was waited for. */
	reader_event(watch->reader, events & EV_READ, events & EV_WRITE);
	go_on(loop, watch);
}

static int
run(struct reader *reader)
{
	struct ev_loop *loop = EV_DEFAULT;
	struct watch watch = { .reader = reader };

	ev_init(&watch.io, ready);
	watch.io.data = &watch;
	go_on(loop, &watch);
	if (watch.result == 1)
		ev_run(loop, 0);
	ev_loop_destroy(loop);
	return watch.result;
}

int
main(int argc, char **argv)
{
	return reader_main(argc, argv, run);
}
