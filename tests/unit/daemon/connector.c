/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looking a name up takes as long as it takes, and nobody waits who has given
 * up. The look-up is the test's own: it ends when the test says so. */
#include "daemon/core/connector.h"

#include <libnbd.h>
#include <netdb.h>
#include <sched.h>
#include <semaphore.h>

#include "common/cleanup.h"
#include "tests/support/unit.h"

static sem_t begun, may_end;

/* The library's, too: the program's symbols come first. */
__attribute__((visibility("default"))) int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
	    struct addrinfo **result)
{
	(void)name;
	(void)service;
	(void)hints;
	(void)result;
	sem_post(&begun);
	sem_wait(&may_end);
	return EAI_FAIL;
}

struct attempt {
	struct message start;
	struct message give_up;
	struct loop *loop;
	struct endpoint *endpoint;
	struct connect_job *job;
	sem_t is_done;
	bool was_called;
	int result;
};

static void
on_done(struct connect_job *job)
{
	struct attempt *attempt = job->user;

	attempt->was_called = true;
	attempt->result = job->result;
	sem_post(&attempt->is_done);
}

static void
on_start(struct message *message)
{
	struct attempt *attempt = container_of(message, struct attempt, start);
	struct nbd_handle *nbd = nbd_create();

	assert_non_null(nbd);
	assert_int_equal(endpoint_prepare(attempt->endpoint, nbd), 0);
	attempt->job = connector_start(attempt->loop, attempt->endpoint, nbd,
				       on_done, attempt);
	assert_non_null(attempt->job);
}

static void
on_give_up(struct message *message)
{
	struct attempt *attempt = container_of(message, struct attempt,
					       give_up);

	connector_abandon(attempt->job);
	sem_post(&attempt->is_done);
}

static void
begin(struct attempt *attempt)
{
	*attempt = (struct attempt){
		.start.run = on_start,
		.give_up.run = on_give_up,
		.loop = loop_new(0),
		.endpoint = endpoint_new_ad_hoc("nbd://name/",
						LIBNBD_ALLOW_TRANSPORT_TCP),
	};
	assert_non_null(attempt->loop);
	assert_non_null(attempt->endpoint);
	sem_init(&begun, 0, 0);
	sem_init(&may_end, 0, 0);
	sem_init(&attempt->is_done, 0, 0);
	loop_send(attempt->loop, &attempt->start);
	sem_wait(&begun);
}

static void
an_attempt_ends_with_its_look_up(void **state)
{
	struct attempt attempt;

	(void)state;
	begin(&attempt);
	sem_post(&may_end);
	sem_wait(&attempt.is_done);
	loop_free(attempt.loop);
	assert_int_equal(attempt.result, -1);
	assert_int_equal(attempt.endpoint->references, 1);
	endpoint_unref(attempt.endpoint);
}

static void
a_loop_ends_before_what_is_given_up(void **state)
{
	struct attempt attempt;

	(void)state;
	begin(&attempt);
	loop_send(attempt.loop, &attempt.give_up);
	sem_wait(&attempt.is_done);
	loop_free(attempt.loop);
	assert_false(attempt.was_called);
	/* The thread still has its own. */
	assert_int_equal(attempt.endpoint->references, 2);
	sem_post(&may_end);
	while (attempt.endpoint->references > 1)
		sched_yield();
	endpoint_unref(attempt.endpoint);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_attempt_ends_with_its_look_up),
		cmocka_unit_test(a_loop_ends_before_what_is_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
