/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose request goes next. */
#include "daemon/core/fair.h"

#include "daemon/core/request.h"
#include "tests/support/unit.h"

#define GREEDY 1
#define MODEST 2
#define SECOND 1000000000ull
#define MANY   64

struct fixture {
	struct fair_queue queue;
	struct request greedy[MANY];
	struct request modest[MANY];
};

static void
set_up(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	fair_init(&f->queue);
}

static void
enqueue(struct fixture *f, struct request *request, uint64_t key)
{
	list_init(&request->flow_link);
	assert_int_equal(fair_enqueue(&f->queue, request, key, SECOND), 0);
}

static void
enqueue_all(struct fixture *f, struct request *requests, uint64_t key)
{
	for (int i = 0; i < MANY; i++)
		enqueue(f, &requests[i], key);
}

/* As much as there are BYTES in each of them; the one that was served. */
static struct request *
serve(struct fixture *f, uint64_t bytes)
{
	struct request *request = fair_next(&f->queue);

	if (request) {
		fair_charge(request, bytes);
		fair_remove(&f->queue, request);
	}
	return request;
}

static bool
is_of(const struct request *request, const struct request *first)
{
	return request >= first && request < first + MANY;
}

static void
tear_down(struct fixture *f)
{
	while (serve(f, 0))
		;
	fair_done(&f->queue);
}

static void
one_client_is_served_in_order(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	enqueue_all(&f, f.greedy, GREEDY);
	for (int i = 0; i < MANY; i++)
		assert_ptr_equal(serve(&f, 1 << 20), &f.greedy[i]);
	assert_null(fair_next(&f.queue));
	tear_down(&f);
}

static void
a_newcomer_waits_for_a_few_of_many(void **state)
{
	struct fixture f;
	int before = 0;

	(void)state;
	set_up(&f);
	enqueue_all(&f, f.greedy, GREEDY);
	serve(&f, 4096);
	enqueue(&f, &f.modest[0], MODEST);
	while (serve(&f, 4096) != &f.modest[0])
		before++;
	assert_in_range(before, 0, 4);
	tear_down(&f);
}

/* One asks for 256 KiB at a time and the other for 4 KiB: the bytes that they
 * get are what is equal. */
static void
bytes_are_shared_and_not_requests(void **state)
{
	struct fixture f;
	int n_greedy = 0, n_modest = 0;

	(void)state;
	set_up(&f);
	enqueue_all(&f, f.greedy, GREEDY);
	enqueue_all(&f, f.modest, MODEST);
	while (n_modest < MANY) {
		struct request *next = fair_next(&f.queue);
		bool is_greedy = is_of(next, f.greedy);

		fair_charge(next, is_greedy ? 256 << 10 : 4096);
		fair_remove(&f.queue, next);
		n_greedy += is_greedy;
		n_modest += !is_greedy;
	}
	assert_in_range(n_greedy, 1, 2);
	tear_down(&f);
}

static void
what_must_wait_holds_up_nobody_and_keeps_its_place(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	for (int i = 0; i < 3; i++)
		enqueue(&f, &f.greedy[i], GREEDY);
	fair_begin(&f.queue, SECOND);
	assert_ptr_equal(fair_next(&f.queue), &f.greedy[0]);
	fair_set_aside(&f.greedy[0]);
	assert_ptr_equal(serve(&f, 1), &f.greedy[1]);
	assert_ptr_equal(fair_next(&f.queue), &f.greedy[2]);
	fair_set_aside(&f.greedy[2]);
	assert_null(fair_next(&f.queue));
	fair_end(&f.queue);
	assert_ptr_equal(serve(&f, 1), &f.greedy[0]);
	assert_ptr_equal(serve(&f, 1), &f.greedy[2]);
	tear_down(&f);
}

static void
a_client_that_is_blocked_does_not_block_others(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	enqueue_all(&f, f.greedy, GREEDY);
	enqueue(&f, &f.modest[0], MODEST);
	fair_begin(&f.queue, SECOND);
	fair_block(&f.queue, fair_next(&f.queue));
	assert_ptr_equal(serve(&f, 1), &f.modest[0]);
	assert_null(fair_next(&f.queue));
	fair_end(&f.queue);
	assert_ptr_equal(serve(&f, 1), &f.greedy[0]);
	tear_down(&f);
}

static void
what_is_in_flight_is_shared_by_those_present(void **state)
{
	struct fixture f;
	struct flow *flow;

	(void)state;
	set_up(&f);
	enqueue(&f, &f.greedy[0], GREEDY);
	flow = f.greedy[0].flow;
	flow->in_flight = 1000;
	fair_begin(&f.queue, SECOND);
	assert_true(fair_has_share(&f.queue, flow, 4, 64));
	enqueue(&f, &f.modest[0], MODEST);
	fair_begin(&f.queue, SECOND);
	assert_false(fair_has_share(&f.queue, flow, 4, 64));
	assert_true(fair_has_share(&f.queue, f.modest[0].flow, 4, 64));
	flow->in_flight = 31;
	assert_true(fair_has_share(&f.queue, flow, 4, 64));
	flow->in_flight = 32;
	assert_false(fair_has_share(&f.queue, flow, 4, 64));
	/* A while after it has gone the other one has it all again. */
	fair_remove(&f.queue, &f.modest[0]);
	fair_begin(&f.queue, SECOND + SECOND / 2);
	assert_false(fair_has_share(&f.queue, flow, 4, 64));
	fair_begin(&f.queue, 3 * SECOND);
	assert_true(fair_has_share(&f.queue, flow, 4, 64));
	flow->in_flight = 0;
	tear_down(&f);
}

static void
the_daemon_itself_is_no_client(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	enqueue(&f, &f.greedy[0], GREEDY);
	enqueue(&f, &f.modest[0], FAIR_NOBODY);
	fair_begin(&f.queue, SECOND);
	f.modest[0].flow->in_flight = 1000;
	f.greedy[0].flow->in_flight = 1000;
	assert_true(fair_has_share(&f.queue, f.modest[0].flow, 1, 4));
	assert_true(fair_has_share(&f.queue, f.greedy[0].flow, 1, 4));
	f.modest[0].flow->in_flight = f.greedy[0].flow->in_flight = 0;
	tear_down(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_client_is_served_in_order),
		cmocka_unit_test(a_newcomer_waits_for_a_few_of_many),
		cmocka_unit_test(bytes_are_shared_and_not_requests),
		cmocka_unit_test(
			what_must_wait_holds_up_nobody_and_keeps_its_place),
		cmocka_unit_test(
			a_client_that_is_blocked_does_not_block_others),
		cmocka_unit_test(what_is_in_flight_is_shared_by_those_present),
		cmocka_unit_test(the_daemon_itself_is_no_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
