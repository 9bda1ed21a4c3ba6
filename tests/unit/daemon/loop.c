/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The I/O thread and its mailbox, with several threads at once. */
#include "daemon/core/loop.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/unit.h"

#define N_SENDERS 4
#define N_LETTERS 2000

/* How a sender sends. */
enum manner {
	PLAIN,
	/* One by one, and each may run here. */
	QUICK,
	/* Several at a time. */
	QUICK_IN_BATCHES,
};

struct letter {
	struct message message;
	struct post *post;
	enum manner manner;
	unsigned sender;
	unsigned number;
};

/* Touched on the loop's thread only: that there is no race is what the thread
 * sanitizer checks. */
struct post {
	struct loop *loop;
	unsigned next[N_SENDERS];
	unsigned n_out_of_order;
	/* Plain ones that did not run on the thread of the first. */
	pthread_t thread;
	unsigned n_elsewhere;
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
	if (letter->manner == PLAIN && letter->number == 0)
		post->thread = pthread_self();
	if (letter->manner == PLAIN &&
	    !pthread_equal(post->thread, pthread_self()))
		post->n_elsewhere++;
	if (++post->n_received == N_SENDERS * N_LETTERS)
		sem_post(&post->all);
}

static void *
send_letters(void *argument)
{
	struct letter *letters = argument;

	for (unsigned i = 0; i < N_LETTERS; i++) {
		bool is_first = letters->manner == QUICK || i % 7 == 0;
		bool is_last = letters->manner == QUICK || i % 7 == 6 ||
			       i == N_LETTERS - 1;

		if (letters->manner == PLAIN) {
			loop_send(letters->post->loop, &letters[i].message);
			continue;
		}
		if (is_first)
			loop_put_off_waking();
		loop_send_quick(letters->post->loop, &letters[i].message);
		if (is_last)
			loop_wake_now();
	}
	return NULL;
}

/* The first MANNER is that of one sender, OTHERS of the rest. */
static void
exchange(enum manner manner, enum manner others)
{
	struct post *post = calloc(1, sizeof(*post));
	pthread_t threads[N_SENDERS];

	assert_non_null(post);
	sem_init(&post->all, 0, 0);
	post->loop = loop_new(0);
	assert_non_null(post->loop);
	for (unsigned i = 0; i < N_SENDERS; i++)
		for (unsigned j = 0; j < N_LETTERS; j++)
			post->letters[i][j] = (struct letter){
				.message.run = on_letter,
				.post = post,
				.manner = i ? others : manner,
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
	assert_int_equal(post->n_elsewhere, 0);
	sem_destroy(&post->all);
	free(post);
}

static void
messages_of_each_thread_run_once_and_in_order(void **state)
{
	(void)state;
	exchange(PLAIN, PLAIN);
}

static void
so_do_those_that_senders_may_run_themselves(void **state)
{
	(void)state;
	exchange(QUICK, QUICK);
	exchange(QUICK, QUICK_IN_BATCHES);
	exchange(PLAIN, QUICK_IN_BATCHES);
}

struct errand {
	struct message message;
	struct loop *loop;
	struct timer timer;
	pthread_t ran_on;
	sem_t done;
};

static void
on_errand(struct message *message)
{
	struct errand *errand = container_of(message, struct errand, message);

	errand->ran_on = pthread_self();
	/* Nobody but the loop's thread will notice that it is due. */
	loop_set_timer(errand->loop, &errand->timer,
		       loop_now(errand->loop) + 1000000);
}

static void
on_errand_due(struct timer *timer)
{
	struct errand *errand = container_of(timer, struct errand, timer);

	assert_ptr_equal(loop_current(), errand->loop);
	sem_post(&errand->done);
}

/* Sends it as a sleeping loop's message until the sender has run it. */
static void
what_a_sender_runs_is_the_loops_all_the_same(void **state)
{
	struct errand errand = { .message.run = on_errand,
				 .timer.on_due = on_errand_due };
	bool ran_here = false;

	(void)state;
	sem_init(&errand.done, 0, 0);
	errand.loop = loop_new(0);
	while (!ran_here) {
		loop_put_off_waking();
		loop_send_quick(errand.loop, &errand.message);
		loop_wake_now();
		sem_wait(&errand.done);
		ran_here = pthread_equal(errand.ran_on, pthread_self());
		assert_null(loop_current());
	}
	loop_free(errand.loop);
	sem_destroy(&errand.done);
}

/* A watch that comes and goes while its descriptor is readable. */
struct visit {
	struct message come;
	struct message go;
	struct loop *loop;
	struct watch *watch;
	int fd;
	sem_t gone;
};

static void
on_visited(struct watch *watch, uint32_t events)
{
	/* Freed memory is what the sanitizer would see here. */
	assert_true(events & EPOLLIN);
	assert_true(watch->fd >= 0);
}

static void
on_come(struct message *message)
{
	struct visit *visit = container_of(message, struct visit, come);

	visit->watch = calloc(1, sizeof(*visit->watch));
	assert_non_null(visit->watch);
	*visit->watch = (struct watch){ .fd = -1, .on_ready = on_visited };
	loop_watch(visit->loop, visit->watch, visit->fd, EPOLLIN);
}

static void
on_go(struct message *message)
{
	struct visit *visit = container_of(message, struct visit, go);

	loop_unwatch(visit->loop, visit->watch);
	memset(visit->watch, 0xff, sizeof(*visit->watch));
	free(visit->watch);
	sem_post(&visit->gone);
}

static void
send_quick_now(struct loop *loop, struct message *message)
{
	loop_put_off_waking();
	loop_send_quick(loop, message);
	loop_wake_now();
}

static void
nothing_is_told_to_a_watch_that_a_sender_took_away(void **state)
{
	struct visit visit = { .come.run = on_come, .go.run = on_go };
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	sem_init(&visit.gone, 0, 0);
	visit.loop = loop_new(0);
	visit.fd = fds[0];
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (int i = 0; i < 2000; i++) {
		send_quick_now(visit.loop, &visit.come);
		send_quick_now(visit.loop, &visit.go);
		sem_wait(&visit.gone);
	}
	loop_free(visit.loop);
	close(fds[0]);
	close(fds[1]);
	sem_destroy(&visit.gone);
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

/* An answer, and another one that comes while the first is taken. */
struct answers {
	struct message start;
	struct message later;
	struct loop *loop;
	int n_expected;
	struct watch first;
	struct watch second;
	int fds[2];
	bool has_later_run;
	/* Before what was put off. */
	bool is_gathered;
	sem_t done;
};

static void
take_answer(struct answers *answers, struct watch *watch)
{
	eventfd_t count;

	assert_int_equal(eventfd_read(watch->fd, &count), 0);
	loop_unwatch(answers->loop, watch);
}

static void
on_first_answer(struct watch *watch, uint32_t events)
{
	struct answers *answers = container_of(watch, struct answers, first);

	assert_true(events & EPOLLIN);
	take_answer(answers, watch);
	loop_run_later(answers->loop, &answers->later);
	assert_int_equal(eventfd_write(answers->fds[1], 1), 0);
}

static void
on_second_answer(struct watch *watch, uint32_t events)
{
	struct answers *answers = container_of(watch, struct answers, second);

	assert_true(events & EPOLLIN);
	take_answer(answers, watch);
	answers->is_gathered = !answers->has_later_run;
	loop_expect(answers->loop, -answers->n_expected);
	sem_post(&answers->done);
}

static void
on_later_than_answers(struct message *message)
{
	container_of(message, struct answers, later)->has_later_run = true;
}

static void
on_start_of_answers(struct message *message)
{
	struct answers *answers = container_of(message, struct answers, start);

	loop_message_init(&answers->later, on_later_than_answers);
	loop_expect(answers->loop, answers->n_expected);
	loop_watch(answers->loop, &answers->first, answers->fds[0], EPOLLIN);
	loop_watch(answers->loop, &answers->second, answers->fds[1], EPOLLIN);
}

static bool
are_gathered(int n_expected)
{
	struct answers answers = {
		.start.run = on_start_of_answers,
		.first = { .fd = -1, .on_ready = on_first_answer },
		.second = { .fd = -1, .on_ready = on_second_answer },
		.n_expected = n_expected,
	};

	sem_init(&answers.done, 0, 0);
	answers.fds[0] = eventfd(1, EFD_CLOEXEC);
	answers.fds[1] = eventfd(0, EFD_CLOEXEC);
	answers.loop = loop_new(0);
	loop_send(answers.loop, &answers.start);
	sem_wait(&answers.done);
	loop_free(answers.loop);
	close(answers.fds[0]);
	close(answers.fds[1]);
	sem_destroy(&answers.done);
	return answers.is_gathered;
}

static void
answers_are_gathered_where_many_are_expected(void **state)
{
	(void)state;
	assert_true(are_gathered(64));
	assert_false(are_gathered(2));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_each_thread_run_once_and_in_order),
		cmocka_unit_test(so_do_those_that_senders_may_run_themselves),
		cmocka_unit_test(what_a_sender_runs_is_the_loops_all_the_same),
		cmocka_unit_test(
			nothing_is_told_to_a_watch_that_a_sender_took_away),
		cmocka_unit_test(
			descriptors_timers_and_later_work_meet_on_one_thread),
		cmocka_unit_test(answers_are_gathered_where_many_are_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
