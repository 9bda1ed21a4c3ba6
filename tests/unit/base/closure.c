/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closures: who holds one releases it once. */
#include "client-lib/base/closure.h"

#include "tests/support/unit.h"

struct counts {
	int n_calls;
	int n_frees;
};

static int
count_call(void *data, int *error)
{
	struct counts *counts = data;

	counts->n_calls++;
	return *error;
}

static void
count_free(void *data)
{
	struct counts *counts = data;

	counts->n_frees++;
}

static nbd_completion_callback
counting(struct counts *counts)
{
	return (nbd_completion_callback){ count_call, counts, count_free };
}

static void
use_and_return(nbd_completion_callback callback)
{
	OWN_CLOSURE(completion, completion, callback);
	int error = 0;

	(void)CLOSURE_CALL(completion, &error);
}

static void
the_scope_that_owns_a_closure_releases_it(void **state)
{
	struct counts counts = { 0 };

	(void)state;
	use_and_return(counting(&counts));
	assert_int_equal(counts.n_calls, 1);
	assert_int_equal(counts.n_frees, 1);
}

static nbd_completion_callback
hand_over(nbd_completion_callback callback)
{
	OWN_CLOSURE(completion, completion, callback);

	return TAKE_CLOSURE(completion);
}

static void
a_closure_taken_is_not_released_by_the_scope(void **state)
{
	struct counts counts = { 0 };
	nbd_completion_callback taken;

	(void)state;
	taken = hand_over(counting(&counts));
	assert_int_equal(counts.n_frees, 0);
	closure_release(taken);
	assert_int_equal(counts.n_frees, 1);
}

static void
releasing_twice_frees_once(void **state)
{
	struct counts counts = { 0 };
	nbd_completion_callback closure = counting(&counts);

	(void)state;
	closure_release(closure);
	closure_release(closure);
	assert_int_equal(counts.n_frees, 1);
}

static void
a_closure_with_only_free_is_released_too(void **state)
{
	struct counts counts = { 0 };
	nbd_completion_callback closure = { NULL, &counts, count_free };
	int error = 5;

	(void)state;
	assert_false(CLOSURE_IS_NULL(closure));
	assert_int_equal(CLOSURE_CALL(closure, &error), 0);
	closure_release(closure);
	assert_int_equal(counts.n_frees, 1);
	assert_true(CLOSURE_IS_NULL(closure));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_scope_that_owns_a_closure_releases_it),
		cmocka_unit_test(a_closure_taken_is_not_released_by_the_scope),
		cmocka_unit_test(releasing_twice_frees_once),
		cmocka_unit_test(a_closure_with_only_free_is_released_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
