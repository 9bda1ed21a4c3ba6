/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The I/O thread and its mailbox, with several threads at once. */
#include "daemon/core/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/unit.h"

#define N_SENDERS 4
#define N_LETTERS 2000

struct letter {
	struct message message;
	struct post *post;
	unsigned sender;
	unsigned number;
};

/* Touched on the loop's thread only: that there is no race is what the thread
 * sanitizer checks. */
struct post {
	struct loop *loop;
	unsigned next[N_SENDERS];
	unsigned n_out_of_order;
	unsigned n_received;
	sem_t all;
	struct letter letters[N_SENDERS][N_LETTERS];
};

static void
on_letter(struct message *message)
{
	struct letter *letter = container_of(message, struct letter, message);
	struct post *post = letter->post;

	if (!loop_is_current(post->loop) ||
	    post->next[letter->sender]++ != letter->number)
		post->n_out_of_order++;
	if (++post->n_received == N_SENDERS * N_LETTERS)
		sem_post(&post->all);
}

static void *
send_letters(void *argument)
{
	struct letter *letters = argument;

	for (unsigned i = 0; i < N_LETTERS; i++)
		loop_send(letters->post->loop, &letters[i].message);
	return NULL;
}

static void
messages_of_each_thread_run_once_and_in_order(void **state)
{
	struct post *post = calloc(1, sizeof(*post));
	pthread_t threads[N_SENDERS];

	(void)state;
	assert_non_null(post);
	sem_init(&post->all, 0, 0);
	post->loop = loop_new(0);
	assert_non_null(post->loop);
	for (unsigned i = 0; i < N_SENDERS; i++)
		for (unsigned j = 0; j < N_LETTERS; j++)
			post->letters[i][j] = (struct letter){
				.message.run = on_letter,
				.post = post,
				.sender = i,
				.number = j,
			};
	for (unsigned i = 0; i < N_SENDERS; i++)
		pthread_create(&threads[i], NULL, send_letters,
			       post->letters[i]);
	for (unsigned i = 0; i < N_SENDERS; i++)
		pthread_join(threads[i], NULL);
	sem_wait(&post->all);
	loop_free(post->loop);
	assert_int_equal(post->n_received, N_SENDERS * N_LETTERS);
	assert_int_equal(post->n_out_of_order, 0);
	sem_destroy(&post->all);
	free(post);
}

struct ping {
	struct message start;
	struct message later;
	struct loop *loop;
	struct watch watch;
	struct timer timer;
	int fd;
	unsigned n_later;
	char byte;
	sem_t done;
};

static void
on_timer(struct timer *timer)
{
	struct ping *ping = container_of(timer, struct ping, timer);

	sem_post(&ping->done);
}

static void
on_readable(struct watch *watch, uint32_t events)
{
	struct ping *ping = container_of(watch, struct ping, watch);

	assert_true(events & EPOLLIN);
	assert_int_equal(read(watch->fd, &ping->byte, 1), 1);
	loop_unwatch(ping->loop, watch);
	loop_set_timer(ping->loop, &ping->timer,
		       loop_now(ping->loop) + 1000000);
}

static void
on_later(struct message *message)
{
	container_of(message, struct ping, later)->n_later++;
}

static void
on_ping(struct message *message)
{
	struct ping *ping = container_of(message, struct ping, start);

	loop_message_init(&ping->later, on_later);
	/* Twice in one turn is once. */
	loop_run_later(ping->loop, &ping->later);
	loop_run_later(ping->loop, &ping->later);
	ping->watch = (struct watch){ .fd = -1, .on_ready = on_readable };
	loop_watch(ping->loop, &ping->watch, ping->fd, EPOLLIN);
}

static void
descriptors_timers_and_later_work_meet_on_one_thread(void **state)
{
	struct ping ping = { .start.run = on_ping, .timer.on_due = on_timer };
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	sem_init(&ping.done, 0, 0);
	ping.loop = loop_new(0);
	ping.fd = fds[0];
	loop_send(ping.loop, &ping.start);
	assert_int_equal(write(fds[1], "x", 1), 1);
	sem_wait(&ping.done);
	loop_free(ping.loop);
	assert_int_equal(ping.byte, 'x');
	assert_int_equal(ping.n_later, 1);
	close(fds[0]);
	close(fds[1]);
	sem_destroy(&ping.done);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_each_thread_run_once_and_in_order),
		cmocka_unit_test(
			descriptors_timers_and_later_work_meet_on_one_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
