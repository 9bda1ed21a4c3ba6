/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Debug messages: when, where to, and what they leave alone. */
#include "client-lib/base/debug.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client-lib/base/error.h"
#include "tests/support/unit.h"

struct log {
	int n_messages;
	char context[64];
	char message[64];
	int n_frees;
};

static int
keep_message(void *data, const char *context, const char *message)
{
	struct log *log = data;

	log->n_messages++;
	snprintf(log->context, sizeof(log->context), "%s", context);
	snprintf(log->message, sizeof(log->message), "%s", message);
	errno = EXDEV;
	return -1;
}

static void
count_free(void *data)
{
	struct log *log = data;

	log->n_frees++;
}

static int
count_evaluation(int *n)
{
	return ++*n;
}

static void
arguments_are_not_evaluated_when_it_is_off(void **state)
{
	struct log log = { 0 };
	struct debug_sink sink = {
		.callback = { keep_message, &log, count_free },
	};
	int n = 0;

	(void)state;
	debug_log(&sink, "%d", count_evaluation(&n));
	assert_int_equal(n, 0);
	assert_int_equal(log.n_messages, 0);
	sink.is_enabled = true;
	debug_log(&sink, "%d", count_evaluation(&n));
	assert_int_equal(n, 1);
	assert_int_equal(log.n_messages, 1);
	debug_done(&sink);
}

static void
the_callback_gets_context_and_message(void **state)
{
	struct log log = { 0 };
	struct debug_sink sink = {
		.is_enabled = true,
		.callback = { keep_message, &log, count_free },
	};

	(void)state;
	error_set_context("nbd_test");
	errno = EAGAIN;
	debug_log(&sink, "number %d", 3);
	assert_string_equal(log.context, "nbd_test");
	assert_string_equal(log.message, "number 3");
	assert_int_equal(errno, EAGAIN);
	debug_done(&sink);
	assert_int_equal(log.n_frees, 1);
}

static void
a_new_callback_frees_the_old_one(void **state)
{
	struct log old = { 0 };
	struct log new = { 0 };
	struct debug_sink sink = { .is_enabled = true };

	(void)state;
	debug_set_callback(
		&sink, (nbd_debug_callback){ keep_message, &old, count_free });
	debug_set_callback(
		&sink, (nbd_debug_callback){ keep_message, &new, count_free });
	assert_int_equal(old.n_frees, 1);
	debug_log(&sink, "to the new one");
	assert_int_equal(old.n_messages, 0);
	assert_int_equal(new.n_messages, 1);
	debug_done(&sink);
	assert_int_equal(new.n_frees, 1);
}

/* Runs one debug_log() with standard error in a pipe. */
static void
capture_stderr(struct debug_sink *sink, char *line, size_t size)
{
	int fds[2];
	int saved;
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	saved = dup(STDERR_FILENO);
	assert_int_not_equal(saved, -1);
	dup2(fds[1], STDERR_FILENO);
	debug_log(sink, "a line");
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], line, size - 1);
	close(fds[0]);
	assert_true(n >= 0);
	line[n] = '\0';
}

static void
without_a_callback_a_line_goes_to_standard_error(void **state)
{
	struct debug_sink sink = { .is_enabled = true };
	char line[128];

	(void)state;
	error_set_context("nbd_test");
	sink.handle_name = strdup("nbd1");
	capture_stderr(&sink, line, sizeof(line));
	assert_string_equal(line, "libnbd: debug: nbd1: nbd_test: a line\n");
	debug_done(&sink);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments_are_not_evaluated_when_it_is_off),
		cmocka_unit_test(the_callback_gets_context_and_message),
		cmocka_unit_test(a_new_callback_frees_the_old_one),
		cmocka_unit_test(
			without_a_callback_a_line_goes_to_standard_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
