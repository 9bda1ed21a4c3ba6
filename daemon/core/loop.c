/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The I/O thread. One turn: run the mailbox, run what was put off, sleep in
 * epoll until a descriptor, the mailbox's eventfd or a timer has something,
 * and run that.
 *
 * While it sleeps another thread that has something quick for it may take its
 * place, and runs mailbox and what was put off itself: waking a thread costs
 * more than most requests do. Whoever holds the turn is the loop's thread.
 */
#include "daemon/core/loop_private.h"

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

#define NS_PER_MS   1000000ull
#define NS_PER_S    1000000000ull
#define LONGEST_NAP 60000

/* How often to look for more events before those that came are through, if so
 * many are expected. Each look takes less than a microsecond. */
#define LOOKS_MAX       16
#define EMPTY_LOOKS_MAX 4
#define MANY_EXPECTED   8

/* The loop whose thread this is, or whose turn it has taken. */
static _Thread_local struct loop *current;

/* The loop that this thread is to wake, once it wakes any. */
static _Thread_local struct {
	unsigned n_put_off;
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
	if (waking.n_put_off == 0) {
		wake(loop);
		return;
	}
	if (waking.loop)
		wake(waking.loop);
	waking.loop = loop;
}

static void
send(struct loop *loop, struct message *message, bool is_reserved)
{
	bool was_asleep;

	{
		SCOPED_LOCK(&loop->lock);
		was_asleep = loop->is_asleep;
		loop->is_asleep = false;
		loop->n_reserved += is_reserved;
		list_append(&loop->mailbox, &message->link);
	}
	if (was_asleep)
		wake_in_time(loop);
}

void
loop_send(struct loop *loop, struct message *message)
{
	send(loop, message, true);
}

void
loop_send_quick(struct loop *loop, struct message *message)
{
	send(loop, message, false);
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

/* The lock is held. */
static void
take_mail(struct loop *loop, struct list *batch)
{
	struct list *link;

	list_init(batch);
	loop->n_reserved = 0;
	while ((link = list_take_first(&loop->mailbox)))
		list_append(batch, link);
}

static void
run_messages(struct list *messages)
{
	struct list *link;

	while ((link = list_take_first(messages))) {
		struct message *message = container_of(link, struct message,
						       link);

		message->run(message);
	}
}

/* Runs what was in the mailbox when we looked. Says whether to end: that was
 * asked for and nothing is left. */
static bool
run_mailbox(struct loop *loop)
{
	struct list batch;

	{
		SCOPED_LOCK(&loop->lock);
		loop->is_asleep = false;
		take_mail(loop, &batch);
		if (list_is_empty(&batch) && loop->must_end && loop->holds == 0)
			return true;
	}
	run_messages(&batch);
	return false;
}

/* The same for a thread that has the turn on loan. False: there is something
 * that only the loop's own thread may run, and nothing was. */
static bool
run_lent_mailbox(struct loop *loop)
{
	struct list batch;

	{
		SCOPED_LOCK(&loop->lock);
		if (loop->n_reserved > 0 || loop->must_end)
			return false;
		loop->is_asleep = false;
		take_mail(loop, &batch);
	}
	run_messages(&batch);
	return true;
}

static void
run_later(struct loop *loop)
{
	run_messages(&loop->later);
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

/* How long to sleep, for epoll; notes when that is over. */
static int
nap(struct loop *loop)
{
	uint64_t due = timers_next(&loop->timers);
	uint64_t now, ms;

	loop->sleeps_until = due;
	if (due == UINT64_MAX)
		return -1;
	now = clock_now();
	if (due <= now)
		return 0;
	/* Rounded up, so as not to wake just before it is time. */
	ms = (due - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < LONGEST_NAP ? (int)ms : LONGEST_NAP;
}

/* Nobody needs to wake us: the mailbox comes next, after the events. */
static void
stay_awake(struct loop *loop)
{
	SCOPED_LOCK(&loop->lock);

	loop->is_asleep = false;
}

/* Sleeps until there are events, or it is time: how many. Meanwhile others may
 * have the turn. */
static int
await_events(struct loop *loop)
{
	int timeout = nap(loop);
	int n;

	loop->is_epoll_stale = false;
	pthread_mutex_unlock(&loop->turn);
	n = epoll_wait(loop->epoll_fd, loop->events, LOOP_BATCH,
		       fall_asleep(loop) ? timeout : 0);
	pthread_mutex_lock(&loop->turn);
	stay_awake(loop);
	if (loop->is_epoll_stale)
		n = epoll_wait(loop->epoll_fd, loop->events, LOOP_BATCH, 0);
	return n;
}

/* The first N events. */
static void
run_events(struct loop *loop, int n)
{
	loop->n_events = n > 0 ? n : 0;
	for (loop->next_event = 0; loop->next_event < loop->n_events;) {
		struct epoll_event *event = &loop->events[loop->next_event++];
		struct watch *watch = event->data.ptr;

		if (watch)
			watch->on_ready(watch, event->events);
	}
	loop->n_events = 0;
}

static bool
has_mail(struct loop *loop)
{
	SCOPED_LOCK(&loop->lock);

	return !list_is_empty(&loop->mailbox);
}

/* Many servers answer many requests one by one. What comes while the first of
 * these answers are taken, or a moment later, goes on together with them: that
 * costs much less than to send and wake once more for each. */
static void
look_again(struct loop *loop)
{
	unsigned n_empty = 0;

	for (unsigned i = 0; i < LOOKS_MAX && n_empty < EMPTY_LOOKS_MAX; i++) {
		int n;

		if (loop->n_expected < MANY_EXPECTED || has_mail(loop))
			return;
		n = epoll_wait(loop->epoll_fd, loop->events, LOOP_BATCH, 0);
		run_events(loop, n);
		n_empty += n <= 0;
	}
}

static void
wait_and_run(struct loop *loop)
{
	int n = await_events(loop);

	loop->now = clock_now();
	run_events(loop, n);
	if (n > 0)
		look_again(loop);
	timers_run(&loop->timers, loop->now);
}

static void *
loop_main(void *argument)
{
	struct loop *loop = argument;

	pthread_mutex_lock(&loop->turn);
	current = loop;
	loop->now = clock_now();
	while (!run_mailbox(loop)) {
		run_later(loop);
		wait_and_run(loop);
	}
	run_later(loop);
	pthread_mutex_unlock(&loop->turn);
	return NULL;
}

/* Runs what is in the mailbox here, in the place of the loop's thread, which
 * sleeps and was to be woken. False: that has to be done yet. */
static bool
run_in_its_place(struct loop *loop)
{
	bool is_done = false;

	if (current || pthread_mutex_trylock(&loop->turn) != 0)
		return false;
	current = loop;
	/* Until nobody has sent anything meanwhile: they count on us. */
	while (!is_done) {
		loop->now = clock_now();
		if (!run_lent_mailbox(loop))
			break;
		run_later(loop);
		/* It may sleep on if no timer is due earlier now. */
		if (timers_next(&loop->timers) < loop->sleeps_until)
			break;
		is_done = fall_asleep(loop);
	}
	current = NULL;
	pthread_mutex_unlock(&loop->turn);
	return is_done;
}

void
loop_put_off_waking(void)
{
	waking.n_put_off++;
}

void
loop_wake_now(void)
{
	struct loop *loop;

	if (--waking.n_put_off > 0 || !waking.loop)
		return;
	loop = TAKE_PTR(waking.loop);
	if (!run_in_its_place(loop))
		wake(loop);
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
	pthread_mutex_destroy(&loop->turn);
	free(loop);
}

/* A turn that another thread has taken is over in a moment: one that wants it
 * tries a little before it sleeps. */
static void
init_turn(pthread_mutex_t *turn)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(turn, &attributes);
	pthread_mutexattr_destroy(&attributes);
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
	init_turn(&loop->turn);
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
