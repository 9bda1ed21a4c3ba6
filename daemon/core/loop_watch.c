/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A loop's descriptors, timers and later work, for whoever has its turn. */
#include <errno.h>

#include "daemon/core/loop_private.h"

int
loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (watch->fd >= 0 && watch->fd != fd)
		loop_unwatch(loop, watch);
	/* The same number may be another file by now, which epoll does not
	 * know: ADD finds out. */
	if (watch->fd == fd &&
	    epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0) {
		watch->events = events;
		return 0;
	}
	watch->fd = fd;
	watch->events = events;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		watch->fd = -1;
		return -errno;
	}
	return 0;
}

void
loop_unwatch(struct loop *loop, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	/* Fails if the descriptor was closed, and then there is no need. */
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->fd = -1;
	loop->is_epoll_stale = true;
	for (int i = loop->next_event; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
}

int
loop_set_timer(struct loop *loop, struct timer *timer, uint64_t due)
{
	return timer_set(&loop->timers, timer, due);
}

void
loop_stop_timer(struct loop *loop, struct timer *timer)
{
	timer_stop(&loop->timers, timer);
}

void
loop_message_init(struct message *message, void (*run)(struct message *message))
{
	list_init(&message->link);
	message->run = run;
}

void
loop_run_later(struct loop *loop, struct message *message)
{
	if (list_is_empty(&message->link))
		list_append(&loop->later, &message->link);
}

void
loop_message_cancel(struct message *message)
{
	list_remove(&message->link);
}

void
loop_expect(struct loop *loop, int change)
{
	loop->n_expected += (unsigned)change;
}

void
loop_hold(struct loop *loop)
{
	loop->holds++;
}

void
loop_release(struct loop *loop)
{
	loop->holds--;
}

uint64_t
loop_now(const struct loop *loop)
{
	return loop->now;
}

unsigned
loop_number(const struct loop *loop)
{
	return loop->number;
}

uint64_t
loop_next_id(struct loop *loop)
{
	return ++loop->latest_id * LOOPS_MAX + loop->number;
}
