/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The I/O thread. One turn: run the mailbox, run what was put off, sleep in
 * epoll until a descriptor, the mailbox's eventfd or a timer has something,
 * and run that.
 */
#include "daemon/core/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"

#define LOOP_BATCH  64
#define NS_PER_MS   1000000ull
#define NS_PER_S    1000000000ull
#define LONGEST_NAP 60000

struct loop {
	pthread_t thread;
	int epoll_fd;
	uint64_t now;
	struct timers timers;
	/* To run before the next sleep. */
	struct list later;
	unsigned holds;
	unsigned number;
	uint64_t latest_id;
	/* What epoll said in this turn and is not handled yet. */
	struct epoll_event events[LOOP_BATCH];
	int n_events;
	int next_event;

	struct watch mailbox_watch;
	pthread_mutex_t lock;
	struct list mailbox;
	/* It has looked into the mailbox and sleeps, or is about to. */
	bool is_asleep;
	bool must_end;
};

/* The loop whose thread this is. */
static _Thread_local struct loop *current;

/* The loop that this thread is to wake, once it wakes any. */
static _Thread_local struct {
	bool is_put_off;
	struct loop *loop;
} waking;

uint64_t
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void
wake(struct loop *loop)
{
	uint64_t one = 1;
	ssize_t r;

	do
		r = write(loop->mailbox_watch.fd, &one, sizeof(one));
	while (r < 0 && errno == EINTR);
	/* EAGAIN would mean 2^64 wake-ups pending: awake enough. */
}

/* A loop that slept is this thread's to wake: nobody else will. */
static void
wake_in_time(struct loop *loop)
{
	if (!waking.is_put_off) {
		wake(loop);
		return;
	}
	if (waking.loop)
		wake(waking.loop);
	waking.loop = loop;
}

void
loop_send(struct loop *loop, struct message *message)
{
	bool was_asleep;

	{
		SCOPED_LOCK(&loop->lock);
		was_asleep = loop->is_asleep;
		loop->is_asleep = false;
		list_append(&loop->mailbox, &message->link);
	}
	if (was_asleep)
		wake_in_time(loop);
}

void
loop_put_off_waking(void)
{
	waking.is_put_off = true;
}

void
loop_wake_now(void)
{
	waking.is_put_off = false;
	if (waking.loop)
		wake(TAKE_PTR(waking.loop));
}

static void
on_mailbox(struct watch *watch, uint32_t events)
{
	uint64_t count;

	(void)events;
	/* The messages themselves are run at the start of the next turn. */
	if (read(watch->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		perror("nbd-clientd: reading an eventfd");
}

/* Runs what was in the mailbox when we looked. Says whether to end: that was
 * asked for and nothing is left. */
static bool
run_mailbox(struct loop *loop)
{
	struct list batch, *link;

	list_init(&batch);
	{
		SCOPED_LOCK(&loop->lock);
		loop->is_asleep = false;
		while ((link = list_take_first(&loop->mailbox)))
			list_append(&batch, link);
		if (list_is_empty(&batch) && loop->must_end && loop->holds == 0)
			return true;
	}
	while ((link = list_take_first(&batch))) {
		struct message *message = container_of(link, struct message,
						       link);

		message->run(message);
	}
	return false;
}

static void
run_later(struct loop *loop)
{
	struct list *link;

	while ((link = list_take_first(&loop->later))) {
		struct message *message = container_of(link, struct message,
						       link);

		message->run(message);
	}
}

/* Whoever sends something from now on wakes us, unless something is there. */
static bool
fall_asleep(struct loop *loop)
{
	SCOPED_LOCK(&loop->lock);

	loop->is_asleep = list_is_empty(&loop->mailbox) &&
			  !(loop->must_end && loop->holds == 0);
	return loop->is_asleep;
}

static int
nap(struct loop *loop)
{
	uint64_t due = timers_next(&loop->timers);
	uint64_t now, ms;

	if (!fall_asleep(loop))
		return 0;
	if (due == UINT64_MAX)
		return -1;
	now = clock_now();
	if (due <= now)
		return 0;
	/* Rounded up, so as not to wake just before it is time. */
	ms = (due - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < LONGEST_NAP ? (int)ms : LONGEST_NAP;
}

static void
wait_and_run(struct loop *loop)
{
	int n = epoll_wait(loop->epoll_fd, loop->events, LOOP_BATCH, nap(loop));

	loop->now = clock_now();
	loop->n_events = n > 0 ? n : 0;
	for (loop->next_event = 0; loop->next_event < loop->n_events;) {
		struct epoll_event *event = &loop->events[loop->next_event++];
		struct watch *watch = event->data.ptr;

		if (watch)
			watch->on_ready(watch, event->events);
	}
	loop->n_events = 0;
	timers_run(&loop->timers, loop->now);
}

static void *
loop_main(void *argument)
{
	struct loop *loop = argument;

	current = loop;
	loop->now = clock_now();
	while (!run_mailbox(loop)) {
		run_later(loop);
		wait_and_run(loop);
	}
	run_later(loop);
	return NULL;
}

static int
loop_start(struct loop *loop, unsigned number)
{
	char name[16];
	int r;

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return -errno;
	loop->mailbox_watch.on_ready = on_mailbox;
	r = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r < 0)
		return -errno;
	r = loop_watch(loop, &loop->mailbox_watch, r, EPOLLIN);
	if (r < 0)
		return r;
	r = pthread_create(&loop->thread, NULL, loop_main, loop);
	if (r != 0)
		return -r;
	snprintf(name, sizeof(name), "nbd-io-%u", number);
	pthread_setname_np(loop->thread, name);
	return 0;
}

static void
loop_destroy(struct loop *loop)
{
	if (loop->mailbox_watch.fd >= 0)
		close(loop->mailbox_watch.fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	timers_done(&loop->timers);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

struct loop *
loop_new(unsigned number)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return NULL;
	loop->epoll_fd = -1;
	loop->mailbox_watch.fd = -1;
	loop->number = number;
	list_init(&loop->later);
	list_init(&loop->mailbox);
	pthread_mutex_init(&loop->lock, NULL);
	r = loop_start(loop, number);
	if (r < 0) {
		loop_destroy(loop);
		errno = -r;
		return NULL;
	}
	return loop;
}

void
loop_free(struct loop *loop)
{
	if (!loop)
		return;
	{
		SCOPED_LOCK(&loop->lock);
		loop->must_end = true;
	}
	wake(loop);
	pthread_join(loop->thread, NULL);
	loop_destroy(loop);
}

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

bool
loop_is_current(const struct loop *loop)
{
	return loop == current;
}

struct loop *
loop_current(void)
{
	return current;
}
