/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What loop.c, which runs the thread, and loop_watch.c, what it runs on, share. */
#pragma once

#include <pthread.h>
#include <sys/epoll.h>

#include "daemon/core/loop.h"

#define LOOP_BATCH 64

struct loop {
	pthread_t thread;
	int epoll_fd;
	/* Held by who runs the loop; free while its thread sleeps. Guards all
	 * but the last group. */
	pthread_mutex_t turn;
	/* When the thread's sleep ends by itself. */
	uint64_t sleeps_until;
	/* What epoll says next may name what is watched no more. */
	bool is_epoll_stale;
	uint64_t now;
	struct timers timers;
	/* To run before the next sleep. */
	struct list later;
	unsigned holds;
	/* What loop_expect() has come to. */
	unsigned n_expected;
	unsigned number;
	uint64_t latest_id;
	/* What epoll said in this turn and is not handled yet. */
	struct epoll_event events[LOOP_BATCH];
	int n_events;
	int next_event;

	struct watch mailbox_watch;
	pthread_mutex_t lock;
	struct list mailbox;
	/* Of those in it, which only the loop's own thread may run. */
	unsigned n_reserved;
	/* It has looked into the mailbox and sleeps, or is about to. */
	bool is_asleep;
	bool must_end;
};
