/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The last error of each thread. */
#include "client-lib/base/error.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "tests/support/unit.h"

/* What a new thread finds, before and after an error of its own. */
struct seen {
	bool nothing_at_first;
	int own_errno;
};

static void *
fail_in_thread(void *data)
{
	struct seen *seen = data;

	seen->nothing_at_first = !error_last_text() && !error_last_errno();
	fail(EPERM, "in the thread");
	seen->own_errno = error_last_errno();
	return NULL;
}

static void
a_thread_has_its_own_error(void **state)
{
	struct seen seen = { 0 };
	pthread_t thread;

	(void)state;
	fail(EIO, "in the first thread");
	assert_int_equal(pthread_create(&thread, NULL, fail_in_thread, &seen),
			 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(seen.nothing_at_first);
	assert_int_equal(seen.own_errno, EPERM);
	assert_int_equal(error_last_errno(), EIO);
}

static void
the_text_has_context_message_and_errno(void **state)
{
	(void)state;
	error_set_context("nbd_test");
	assert_int_equal(fail(EINVAL, "value %d", 7), -1);
	assert_string_equal(error_last_text(),
			    "nbd_test: value 7: Invalid argument");
	assert_int_equal(error_last_errno(), EINVAL);
}

static void
an_error_without_errno_ends_with_the_message(void **state)
{
	(void)state;
	error_set_context("nbd_test");
	assert_null(fail_null(0, "the end"));
	assert_string_equal(error_last_text(), "nbd_test: the end");
	assert_int_equal(error_last_errno(), 0);
}

static void
without_a_context_it_says_unknown(void **state)
{
	(void)state;
	error_set_context(NULL);
	fail(0, "lost");
	assert_string_equal(error_last_text(), "unknown: lost");
}

static void
the_last_text_may_be_an_argument_of_the_next(void **state)
{
	(void)state;
	error_set_context("nbd_test");
	fail(0, "first");
	fail(0, "second after %s", error_last_text());
	assert_string_equal(error_last_text(),
			    "nbd_test: second after nbd_test: first");
}

static void
errno_is_left_alone(void **state)
{
	(void)state;
	errno = EXDEV;
	fail(EINVAL, "something else");
	assert_int_equal(errno, EXDEV);
}

static void
a_restored_error_is_the_former_one(void **state)
{
	char text[64];

	(void)state;
	error_set_context("nbd_test");
	fail(EPROTO, "first");
	strcpy(text, error_last_text());
	fail(EIO, "second");
	error_restore(EPROTO, text);
	assert_string_equal(error_last_text(),
			    "nbd_test: first: Protocol error");
	assert_int_equal(error_last_errno(), EPROTO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_has_its_own_error),
		cmocka_unit_test(the_text_has_context_message_and_errno),
		cmocka_unit_test(an_error_without_errno_ends_with_the_message),
		cmocka_unit_test(without_a_context_it_says_unknown),
		cmocka_unit_test(the_last_text_may_be_an_argument_of_the_next),
		cmocka_unit_test(errno_is_left_alone),
		cmocka_unit_test(a_restored_error_is_the_former_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
