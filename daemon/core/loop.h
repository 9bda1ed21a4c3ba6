/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An I/O thread: a short epoll loop over the descriptors that belong to it,
 * its timers, and a mailbox through which other threads have something run
 * here. Everything that a loop owns is touched by its thread alone, so what
 * lives there needs no lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/core/timer.h"

struct loop;

/* Something to run on the loop's thread; embedded in what it is about. */
struct message {
	struct list link;
	void (*run)(struct message *message);
};

/* A descriptor being watched; embedded. Zero bytes with fd -1 watch nothing. */
struct watch {
	int fd;
	uint32_t events;
	/* EVENTS as epoll reports them. */
	void (*on_ready)(struct watch *watch, uint32_t events);
};

/* How many there may be. */
#define LOOPS_MAX 64

/* A loop whose thread runs, NUMBER being below LOOPS_MAX; NULL with errno. */
struct loop *loop_new(unsigned number);
/* Asks the thread to end when its mailbox is empty, waits for it and frees
 * the loop. Nothing may be watched any more. */
void loop_free(struct loop *loop);

/* Any thread. Messages run in the order they were sent. The message may be
 * sent again once it runs. */
void loop_send(struct loop *loop, struct message *message);

/* The same for a message that does not take long and starts no process: if the
 * loop sleeps it may run within loop_wake_now(), on that thread. */
void loop_send_quick(struct loop *loop, struct message *message);

/* Any thread that sends many messages: loops that sleep are woken not before
 * loop_wake_now(), so that they find all of them. The calls may be nested, and
 * the last one may find the loop asleep and run the messages itself: no lock
 * may be held then that they take, and what they are about may be gone after
 * it. */
void loop_put_off_waking(void);
void loop_wake_now(void);

/* The loop whose thread calls, or that it runs in loop_wake_now(); NULL for
 * other threads. */
struct loop *loop_current(void);

/* The rest: on the loop's own thread. */

/* 0 or a negative errno. Watches FD for EVENTS, instead of what WATCH watched
 * before; a descriptor that was closed meanwhile is no trouble. */
int loop_watch(struct loop *loop, struct watch *watch, int fd, uint32_t events);
/* Before the descriptor is closed. Harmless if nothing is watched. */
void loop_unwatch(struct loop *loop, struct watch *watch);

/* 0 or -ENOMEM. */
int loop_set_timer(struct loop *loop, struct timer *timer, uint64_t due);
void loop_stop_timer(struct loop *loop, struct timer *timer);
/* Runs MESSAGE once before the thread sleeps again, after what is under way
 * now: no lock, no system call. Harmless if it is due already. A message that
 * is used here starts with loop_message_init() and is never sent. */
void loop_run_later(struct loop *loop, struct message *message);
void loop_message_init(struct message *message,
		       void (*run)(struct message *message));
/* Takes back a message of loop_run_later(). */
void loop_message_cancel(struct message *message);
/* CHANGE more answers of servers, or fewer, are awaited. While there are many,
 * those that come are gathered for some microseconds before the messages of
 * loop_run_later() run. */
void loop_expect(struct loop *loop, int change);
/* Somebody will send a message yet: loop_free() waits for as many releases as
 * there are holds. */
void loop_hold(struct loop *loop);
void loop_release(struct loop *loop);
/* CLOCK_MONOTONIC ns, as read when the thread last woke. */
uint64_t loop_now(const struct loop *loop);
/* As given to loop_new(). */
unsigned loop_number(const struct loop *loop);
/* A number that nothing else in the daemon has: of a request. */
uint64_t loop_next_id(struct loop *loop);
bool loop_is_current(const struct loop *loop);

/* CLOCK_MONOTONIC in ns, any thread. */
uint64_t clock_now(void);
